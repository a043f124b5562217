# rules/: sources and headers, appended by hand, sorted.
libpostern_a_SOURCES += \
	rules/arith.c \
	rules/backends.c \
	rules/blocks.c \
	rules/case.h \
	rules/case_play.c \
	rules/cases.c rules/cases.h \
	rules/certificates.c \
	rules/change.c rules/change.h \
	rules/change_apply.c \
	rules/change_candidates.c rules/change_private.h \
	rules/change_refine.c \
	rules/change_values.c \
	rules/check.c rules/check.h \
	rules/compare.c \
	rules/compile.c \
	rules/complaint.c rules/complaint.h \
	rules/config.c rules/config.h \
	rules/core.c \
	rules/cost.c rules/cost.h \
	rules/cost_ways.c rules/cost_ways.h \
	rules/define.c \
	rules/digests.c \
	rules/eval.c rules/eval.h \
	rules/exception.c rules/exception.h \
	rules/failure.c rules/failure.h \
	rules/fingerprint.c \
	rules/format.c rules/format.h \
	rules/format_lines.c rules/format_lines.h \
	rules/hashed.c rules/hashed.h \
	rules/hits.c rules/hits.h \
	rules/include.c \
	rules/intern.c rules/intern.h \
	rules/journals.c \
	rules/lex.c rules/lex.h \
	rules/lint.c rules/lint.h \
	rules/lists.c \
	rules/literal.c rules/literal.h \
	rules/load.h \
	rules/notices.c \
	rules/operand.c \
	rules/parse.c \
	rules/past.c rules/past.h \
	rules/plans.c \
	rules/policy.c rules/policy.h \
	rules/reach.c \
	rules/record.c rules/record.h \
	rules/record_expand.c rules/record_pseudonyms.c rules/record_pseudonyms.h \
	rules/record_trace.c \
	rules/record_value.c \
	rules/replay.c rules/replay.h \
	rules/replay_answers.c \
	rules/replay_decide.c \
	rules/replay_earlier.c \
	rules/replay_era.c \
	rules/replay_follow.c \
	rules/replay_session.c rules/replay_session.h \
	rules/replay_steps.c \
	rules/replay_watch.c \
	rules/replay_world.c \
	rules/rule.h \
	rules/routes.c \
	rules/ruleset.c rules/ruleset.h \
	rules/series.c rules/series.h \
	rules/settings.c \
	rules/source.c \
	rules/statements.c \
	rules/stores.c \
	rules/text.c \
	rules/tree.c rules/tree.h

# The letter of plan-warning.txt is part of the program, too.
nodist_libpostern_a_SOURCES += rules/default_notice.c
CLEANFILES += rules/default_notice.c
dist_pkgdata_DATA += rules/plan-warning.txt
rules/default_notice.c: rules/plan-warning.txt rules/embed.awk
	$(AM_V_at)$(MKDIR_P) rules
	$(AM_V_GEN)$(AWK) -v name=default_notice -f $(srcdir)/rules/embed.awk \
		$(srcdir)/rules/plan-warning.txt >$@.tmp && mv $@.tmp $@

# The rules of default.rules are part of the program; the file is installed to be read and copied.
nodist_libpostern_a_SOURCES += rules/default_rules.c
CLEANFILES += rules/default_rules.c
dist_pkgdata_DATA += rules/default.rules rules/default.test
EXTRA_DIST += rules/README.md rules/embed.awk
rules/default_rules.c: rules/default.rules rules/embed.awk
	$(AM_V_at)$(MKDIR_P) rules
	$(AM_V_GEN)$(AWK) -v name=default_rules -f $(srcdir)/rules/embed.awk \
		$(srcdir)/rules/default.rules >$@.tmp && mv $@.tmp $@
