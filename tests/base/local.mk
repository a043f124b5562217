# A test that needs a port names these among its sources.
base_port = tests/base/port.c tests/base/port.h
# A test that is one file needs one line.
check_PROGRAMS += \
	tests/base/test_addr \
	tests/base/test_arena \
	tests/base/test_buf \
	tests/base/test_die \
	tests/base/test_dns \
	tests/base/test_err \
	tests/base/test_escape \
	tests/base/test_log \
	tests/base/test_queue \
	tests/base/test_regex \
	tests/base/test_resolver \
	tests/base/test_sip \
	tests/base/test_str \
	tests/base/test_tls
EXTRA_DIST += tests/base/README.md
