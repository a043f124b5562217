# A test that is one file needs one line.
check_PROGRAMS += \
	tests/mail/test_eod \
	tests/mail/test_header \
	tests/mail/test_mailbox
