# docs/: pages and manuals, appended by hand, sorted. They are installed with their folders, so that
# the links between them hold.
nobase_dist_doc_DATA = \
	docs/adding-a-stage.md \
	docs/allow.md \
	docs/architecture.md \
	docs/digest.md \
	docs/extensions.md \
	docs/backends.md \
	docs/journal.md \
	docs/language.md \
	docs/limits.md \
	docs/notices.md \
	docs/operation.md \
	docs/redis.md \
	docs/replay.md \
	docs/replies.md \
	docs/rfc.md \
	docs/rule-tests.md \
	docs/submission.md \
	docs/stages/dkim.md \
	docs/stages/dmarc.md \
	docs/stages/early.md \
	docs/stages/geo.md \
	docs/stages/greylist.md \
	docs/stages/guessing.md \
	docs/stages/helo.md \
	docs/stages/listed.md \
	docs/stages/mime.md \
	docs/stages/refusals.md \
	docs/stages/spf.md \
	docs/stages/volume.md \
	docs/threat-model.md \
	docs/tls.md \
	docs/tproxy.md \
	docs/transparency.md
dist_doc_DATA += CHANGELOG.md README.md
dist_man_MANS += docs/postern.1 docs/postern.conf.5 docs/posternd.8
examplesdir = $(docdir)/examples
dist_examples_DATA = docs/postern.conf.sample docs/upstreams.sample

systemdunitdir = $(prefix)/lib/systemd/system
nodist_systemdunit_DATA = docs/posternd.service docs/postern-digest.service
dist_systemdunit_DATA = docs/postern-digest.timer
EXTRA_DIST += docs/README.md docs/posternd.service.in docs/postern-digest.service.in
CLEANFILES += docs/posternd.service docs/postern-digest.service
docs/posternd.service: docs/posternd.service.in
	$(AM_V_at)$(MKDIR_P) docs
	$(AM_V_GEN)$(SED) 's,@sbindir[@],$(sbindir),' $(srcdir)/docs/posternd.service.in >$@

docs/postern-digest.service: docs/postern-digest.service.in
	$(AM_V_at)$(MKDIR_P) docs
	$(AM_V_GEN)$(SED) 's,@bindir[@],$(bindir),' $(srcdir)/docs/postern-digest.service.in >$@

# The tables of postern.conf(5) are made from the rows in the program; a test compares.
noinst_PROGRAMS += docs/reference
docs_reference_SOURCES = docs/reference.c
docs_reference_LDADD = libpostern.a $(POSTERN_LIBS)
EXTRA_DIST += docs/reference.sh
update-reference: docs/reference
	$(SHELL) $(srcdir)/docs/reference.sh docs/reference $(srcdir)/docs/postern.conf.5 >docs/page
	mv docs/page $(srcdir)/docs/postern.conf.5
	docs/reference replies >docs/page
	mv docs/page $(srcdir)/docs/replies.md
.PHONY: update-reference
