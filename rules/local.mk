# rules/: sources and headers, appended by hand, sorted.
libpostern_a_SOURCES += rules/record.c rules/record.h
