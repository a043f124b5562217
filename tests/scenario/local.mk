# A test that is one file needs one line: check_PROGRAMS += tests/scenario/test_NAME
