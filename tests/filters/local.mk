# A test that is one file needs one line: check_PROGRAMS += tests/filters/test_NAME
EXTRA_DIST += tests/filters/world.c tests/filters/world.h
