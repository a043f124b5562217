# A test that is one file needs one line.
check_PROGRAMS += \
	tests/mail/test_authres \
	tests/mail/test_code \
	tests/mail/test_command \
	tests/mail/test_eod \
	tests/mail/test_exception \
	tests/mail/test_extension \
	tests/mail/test_fact \
	tests/mail/test_header \
	tests/mail/test_header_from \
	tests/mail/test_idna \
	tests/mail/test_letter \
	tests/mail/test_list \
	tests/mail/test_mailbox \
	tests/mail/test_mailbox_stem \
	tests/mail/test_notice \
	tests/mail/test_plan \
	tests/mail/test_pseudonym \
	tests/mail/test_question \
	tests/mail/test_reply \
	tests/mail/test_said \
	tests/mail/test_sasl \
	tests/mail/test_session \
	tests/mail/test_session_facts \
	tests/mail/test_session_results \
	tests/mail/test_template \
	tests/mail/test_ticket \
	tests/mail/test_url \
	tests/mail/test_utf8 \
	tests/mail/test_value
EXTRA_DIST += tests/mail/README.md
