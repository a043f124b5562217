# post/: sources and headers, appended by hand, sorted.
libpostern_a_SOURCES += \
	post/command.c post/command.h \
	post/submit.c post/submit.h \
	post/webhook.c post/webhook.h \
	post/wire.c post/wire.h
EXTRA_DIST += post/README.md
