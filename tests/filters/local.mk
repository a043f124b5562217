# A test that is one file needs one line: check_PROGRAMS += tests/filters/test_NAME
EXTRA_DIST += tests/filters/world.c tests/filters/world.h

check_PROGRAMS += tests/filters/test_spf_suite
tests_filters_test_spf_suite_SOURCES = tests/filters/test_spf_suite.c \
	tests/filters/spf_zone.c tests/filters/spf_zone.h
EXTRA_DIST += tests/filters/spf_suite.py
