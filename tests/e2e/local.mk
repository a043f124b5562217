# A test that is one file needs one line: check_PROGRAMS += tests/e2e/test_NAME
