# filters/: sources and headers, appended by hand, sorted.
# Only stage.h is installed.
nobase_pkginclude_HEADERS += filters/stage.h
libpostern_a_SOURCES += \
	filters/greylist.c \
	filters/key.c filters/key.h \
	filters/listed.c \
	filters/plugin.c \
	filters/table.c \
	filters/vocabulary.c filters/vocabulary.h \
	filters/volume.c
EXTRA_DIST += filters/README.md
