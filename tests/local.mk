# tests/: mirrors the folders.

# As a file to be distributed, `check` would be made: the target of that name runs the tests.
dist-hook:
	cp -p $(srcdir)/check $(srcdir)/prepare.sh $(srcdir)/quickstart $(distdir)
EXTRA_DIST += tests/README.md
include tests/base/local.mk
include tests/mail/local.mk
include tests/post/local.mk
include tests/db/local.mk
include tests/filters/local.mk
include tests/rules/local.mk
include tests/proxy/local.mk
include tests/cli/local.mk
include tests/fuzz/local.mk
include tests/scenario/local.mk
include tests/e2e/local.mk
include tests/docs/local.mk
include tests/style/local.mk
