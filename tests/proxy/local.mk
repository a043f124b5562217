# A test that is one file needs one line: check_PROGRAMS += tests/proxy/test_NAME
