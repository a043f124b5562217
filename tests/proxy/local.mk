# A test that is one file needs one line.
check_PROGRAMS += \
	tests/proxy/test_abilities \
	tests/proxy/test_backend \
	tests/proxy/test_handoff \
	tests/proxy/test_peers \
	tests/proxy/test_received \
	tests/proxy/test_spool
# A test that is one file needs one line: check_PROGRAMS += tests/proxy/test_NAME
tests_proxy_test_backend_SOURCES = tests/proxy/test_backend.c $(base_port)
check_PROGRAMS += tests/proxy/test_milter_link
check_PROGRAMS += tests/proxy/test_xclient
proxy_world = tests/proxy/names.c tests/proxy/names.h tests/proxy/load.c tests/proxy/load.h tests/db/folder.c tests/db/folder.h
check_PROGRAMS += tests/proxy/test_gate tests/proxy/test_replay
tests_proxy_test_gate_SOURCES = tests/proxy/test_gate.c $(proxy_world)
tests_proxy_test_replay_SOURCES = tests/proxy/test_replay.c tests/proxy/sessions.c tests/proxy/sessions.h $(proxy_world)
check_PROGRAMS += tests/proxy/test_tally
check_PROGRAMS += tests/proxy/test_watch
EXTRA_DIST += tests/proxy/README.md
check_PROGRAMS += tests/proxy/test_proxy_header
check_PROGRAMS += tests/proxy/test_milter_address
check_PROGRAMS += tests/proxy/test_sandbox
check_PROGRAMS += tests/proxy/test_once
check_PROGRAMS += tests/proxy/test_limits
check_PROGRAMS += tests/proxy/test_slots tests/proxy/test_pool
check_PROGRAMS += tests/proxy/test_replay_follow
tests_proxy_test_replay_follow_SOURCES = tests/proxy/test_replay_follow.c $(proxy_world)
check_PROGRAMS += tests/proxy/test_io_line
check_PROGRAMS += tests/proxy/test_replay_honest
tests_proxy_test_replay_honest_SOURCES = tests/proxy/test_replay_honest.c tests/proxy/player.c tests/proxy/player.h $(proxy_world)
