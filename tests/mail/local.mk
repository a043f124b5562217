# A test that is one file needs one line: check_PROGRAMS += tests/mail/test_NAME
