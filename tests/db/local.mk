# A test that is one file needs one line: check_PROGRAMS += tests/db/test_NAME
