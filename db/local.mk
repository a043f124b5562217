# db/: sources and headers, appended by hand, sorted.
# Headers of this folder are not installed: libpostern_a_SOURCES += db/store.c db/store.h
