# A test that is one file needs one line: check_PROGRAMS += tests/filters/test_NAME
