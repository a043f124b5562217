# cli/: all but main.c goes into the library, so that tests can link it.
libpostern_a_SOURCES += \
	cli/allow.c \
	cli/backends.c \
	cli/cases.c cli/cases.h \
	cli/check.c \
	cli/check_cost.c cli/check_cost.h \
	cli/check_hits.c cli/check_hits.h \
	cli/cli.c cli/cli.h \
	cli/columns.c cli/columns.h \
	cli/digest.c \
	cli/entry_id.c cli/entry_id.h \
	cli/evidence.c cli/evidence.h \
	cli/exceptions.c cli/exceptions.h \
	cli/explain.c \
	cli/for_sender.c cli/for_sender.h \
	cli/forget.c \
	cli/fmt.c \
	cli/greylisting.c \
	cli/impact.c cli/impact.h \
	cli/listing.c cli/listing.h \
	cli/lists.c \
	cli/log.c \
	cli/named.c cli/named.h \
	cli/narrowest.c cli/narrowest.h \
	cli/networks.c cli/networks.h \
	cli/pager.c cli/pager.h \
	cli/observed.c cli/observed.h \
	cli/print.c cli/print.h \
	cli/promote.c \
	cli/propose.c cli/propose.h \
	cli/pseudonyms.c cli/pseudonyms.h \
	cli/quota.c cli/quota.h \
	cli/quota_show.c \
	cli/ranking.c cli/ranking.h \
	cli/replay.c \
	cli/replayed.c cli/replayed.h \
	cli/rewrite.c cli/rewrite.h \
	cli/refusals.c cli/refusals.h \
	cli/signed.c cli/signed.h \
	cli/stats.c \
	cli/stood.c cli/stood.h \
	cli/store.c \
	cli/story.c cli/story.h \
	cli/story_answers.c \
	cli/story_changes.c \
	cli/tale.c cli/tale.h \
	cli/told.c cli/told.h \
	cli/tell.c cli/tell.h \
	cli/test.c \
	cli/trial.c cli/trial.h \
	cli/verify.c cli/verify.h \
	cli/waits.c cli/waits.h \
	cli/when.c cli/when.h \
	cli/whom.c cli/whom.h \
	cli/why.c
EXTRA_DIST += cli/README.md
if HAVE_POSTERN
bin_PROGRAMS += postern
postern_SOURCES = cli/main.c
postern_LDFLAGS = $(whole_archive)
postern_LDADD = libpostern.a $(POSTERN_LIBS)
endif
