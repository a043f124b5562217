# A test that is one file needs one line: check_PROGRAMS += tests/scenario/test_NAME
scenario_tests = \
	tests/scenario/life.sh \
	tests/scenario/milter_volume.sh \
	tests/scenario/milter_waiting.sh \
	tests/scenario/proxy_auth.sh \
	tests/scenario/proxy_backend.sh \
	tests/scenario/proxy_bdat.sh \
	tests/scenario/proxy_delay.sh \
	tests/scenario/proxy_early.sh \
	tests/scenario/proxy_connections.sh \
	tests/scenario/proxy_desync.sh \
	tests/scenario/proxy_dialogue.sh \
	tests/scenario/proxy_greylist.sh \
	tests/scenario/proxy_handoff.sh \
	tests/scenario/proxy_hashed.sh \
	tests/scenario/proxy_failure.sh \
	tests/scenario/proxy_faults.sh \
	tests/scenario/proxy_entries.sh \
	tests/scenario/proxy_extensions.sh \
	tests/scenario/proxy_limits.sh \
	tests/scenario/proxy_lists.sh \
	tests/scenario/proxy_lmtp.sh \
	tests/scenario/proxy_memory.sh \
	tests/scenario/proxy_notices.sh \
	tests/scenario/proxy_mime.sh \
	tests/scenario/proxy_header.sh \
	tests/scenario/proxy_policy.sh \
	tests/scenario/proxy_pool.sh \
	tests/scenario/proxy_once.sh \
	tests/scenario/proxy_slow.sh \
	tests/scenario/proxy_forget.sh \
	tests/scenario/proxy_subject.sh \
	tests/scenario/proxy_redis.sh \
	tests/scenario/proxy_reuse.sh \
	tests/scenario/proxy_routes.sh \
	tests/scenario/proxy_smuggling.sh \
	tests/scenario/why.sh \
	tests/scenario/proxy_tls.sh \
	tests/scenario/proxy_tproxy.sh \
	tests/scenario/proxy_volume.sh tests/scenario/proxy_volume_facts.sh
TESTS += $(scenario_tests)
EXTRA_DIST += $(scenario_tests) $(scenario_tests:.sh=.py) tests/scenario/play.py \
	tests/scenario/redis.py \
	tests/scenario/certificates.py tests/scenario/streams.py tests/scenario/world.py
EXTRA_DIST += tests/scenario/README.md
