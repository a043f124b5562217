# A test that is one file needs one line.
check_PROGRAMS += \
	tests/cli/test_allow \
	tests/cli/test_backends \
	tests/cli/test_cases \
	tests/cli/test_check \
	tests/cli/test_cli \
	tests/cli/test_digest \
	tests/cli/test_explain \
	tests/cli/test_forget \
	tests/cli/test_fmt \
	tests/cli/test_for_sender \
	tests/cli/test_greylisting \
	tests/cli/test_log \
	tests/cli/test_promote \
	tests/cli/test_quota \
	tests/cli/test_ranking \
	tests/cli/test_replay \
	tests/cli/test_stats \
	tests/cli/test_trial \
	tests/cli/test_when \
	tests/cli/test_why
cli_run = tests/cli/run.c tests/cli/run.h tests/db/folder.c tests/db/folder.h
tests_cli_test_allow_SOURCES = tests/cli/test_allow.c $(cli_run)
tests_cli_test_backends_SOURCES = tests/cli/test_backends.c $(cli_run)
tests_cli_test_cases_SOURCES = tests/cli/test_cases.c $(cli_run)
tests_cli_test_check_SOURCES = tests/cli/test_check.c $(cli_run)
tests_cli_test_cli_SOURCES = tests/cli/test_cli.c $(cli_run)
tests_cli_test_digest_SOURCES = tests/cli/test_digest.c tests/post/server.c tests/post/server.h $(cli_run)
tests_cli_test_explain_SOURCES = tests/cli/test_explain.c $(cli_run)
tests_cli_test_forget_SOURCES = tests/cli/test_forget.c $(cli_run)
tests_cli_test_fmt_SOURCES = tests/cli/test_fmt.c $(cli_run)
tests_cli_test_for_sender_SOURCES = tests/cli/test_for_sender.c $(cli_run)
tests_cli_test_greylisting_SOURCES = tests/cli/test_greylisting.c $(cli_run)
tests_cli_test_log_SOURCES = tests/cli/test_log.c $(cli_run)
tests_cli_test_promote_SOURCES = tests/cli/test_promote.c $(cli_run)
tests_cli_test_quota_SOURCES = tests/cli/test_quota.c $(cli_run)
tests_cli_test_replay_SOURCES = tests/cli/test_replay.c $(cli_run)
tests_cli_test_stats_SOURCES = tests/cli/test_stats.c $(cli_run)
tests_cli_test_trial_SOURCES = tests/cli/test_trial.c $(cli_run)
tests_cli_test_why_SOURCES = tests/cli/test_why.c $(cli_run)
EXTRA_DIST += tests/cli/README.md
