# base/: the bottom floor. Headers are installed for stages that are built elsewhere.
nobase_pkginclude_HEADERS += \
	base/addr.h \
	base/arena.h \
	base/buf.h \
	base/clock.h \
	base/die.h \
	base/dns.h \
	base/err.h \
	base/escape.h \
	base/log.h \
	base/progress.h \
	base/queue.h \
	base/regex.h \
	base/resolver.h \
	base/setting.h \
	base/sip.h \
	base/str.h \
	base/tls.h
libpostern_a_SOURCES += \
	base/addr.c \
	base/arena.c \
	base/buf.c \
	base/clock.c \
	base/die.c \
	base/dns.c \
	base/err.c \
	base/escape.c \
	base/log.c \
	base/queue.c \
	base/regex.c \
	base/resolver.c \
	base/sip.c \
	base/str.c \
	base/tls.c
EXTRA_DIST += base/README.md
