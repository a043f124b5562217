# tests/style: scripts that hold the house style; each a TAP test.
style_tests = \
	tests/style/arrows.sh \
	tests/style/comments.sh \
	tests/style/forbidden.sh \
	tests/style/format.sh \
	tests/style/hardening.sh \
	tests/style/length.sh \
	tests/style/listed.sh \
	tests/style/words.sh
TESTS += $(style_tests)
EXTRA_DIST += $(style_tests) tests/style/lib.sh
EXTRA_DIST += tests/style/README.md
