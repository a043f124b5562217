# tests/docs: the documentation says what the program does.
docs_tests = \
	tests/docs/examples.sh \
	tests/docs/manuals.sh \
	tests/docs/paths.sh \
	tests/docs/replies.sh \
	tests/docs/stored.sh \
	tests/docs/unit.sh
TESTS += $(docs_tests)
EXTRA_DIST += $(docs_tests) tests/docs/README.md
