# A test that speaks with a server names server.c among its sources.
check_PROGRAMS += tests/post/test_command tests/post/test_submit tests/post/test_webhook
tests_post_test_submit_SOURCES = tests/post/test_submit.c tests/post/server.c tests/post/server.h $(base_port)
tests_post_test_webhook_SOURCES = tests/post/test_webhook.c tests/post/server.c tests/post/server.h
EXTRA_DIST += tests/post/README.md
