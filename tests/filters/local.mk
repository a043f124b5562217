# tests/filters: tests of the stages; world.c is what they see of the world.
EXTRA_DIST += tests/filters/world.c tests/filters/world.h
check_PROGRAMS += \
	tests/filters/test_cost \
	tests/filters/test_docs \
	tests/filters/test_early \
	tests/filters/test_geo \
	tests/filters/test_greylist \
	tests/filters/test_greylist_month \
	tests/filters/test_greylist_name \
	tests/filters/test_helo \
	tests/filters/test_guessing \
	tests/filters/test_listed \
	tests/filters/test_mime \
	tests/filters/test_mime_field \
	tests/filters/test_plugin \
	tests/filters/test_table \
	tests/filters/test_volume
world = tests/filters/world.c tests/filters/world.h
tests_filters_test_cost_SOURCES = tests/filters/test_cost.c $(world)
tests_filters_test_early_SOURCES = tests/filters/test_early.c $(world)
tests_filters_test_geo_SOURCES = tests/filters/test_geo.c tests/filters/mmdb.c \
	tests/filters/mmdb.h $(world)
tests_filters_test_helo_SOURCES = tests/filters/test_helo.c $(world)
tests_filters_test_docs_SOURCES = tests/filters/test_docs.c tests/filters/mmdb.c tests/filters/mmdb.h
tests_filters_test_greylist_SOURCES = tests/filters/test_greylist.c $(world)
tests_filters_test_greylist_month_SOURCES = tests/filters/test_greylist_month.c $(greylist_month)
tests_filters_test_guessing_SOURCES = tests/filters/test_guessing.c $(world)
tests_filters_test_listed_SOURCES = tests/filters/test_listed.c $(world)
tests_filters_test_mime_SOURCES = tests/filters/test_mime.c $(world)
tests_filters_test_plugin_SOURCES = tests/filters/test_plugin.c $(world)
tests_filters_test_table_SOURCES = tests/filters/test_table.c $(world)
tests_filters_test_volume_SOURCES = tests/filters/test_volume.c $(world)

# Loading: the sample stage, and some that must be refused. -rdynamic: they use our functions.
tests_filters_test_plugin_LDFLAGS = $(AM_LDFLAGS) -rdynamic
bad_stages = \
	tests/filters/bad_abi.so \
	tests/filters/bad_fact.so \
	tests/filters/bad_facts.so \
	tests/filters/bad_name.so \
	tests/filters/bad_settings.so \
	tests/filters/bad_symbol.so
check_DATA = tests/filters/helo_words.so $(bad_stages)
CLEANFILES += tests/filters/helo_words.so $(bad_stages)
EXTRA_DIST += tests/filters/bad_stage.c tests/plugin/helo_words.c tests/plugin/README.md
stage_cc = $(AM_V_CC)$(MKDIR_P) tests/filters && \
	$(CC) -std=gnu11 -Wall -Werror -I$(top_srcdir) -shared -fPIC
stage_headers = filters/stage.h mail/fact.h mail/session.h mail/question.h
tests/filters/helo_words.so: tests/plugin/helo_words.c $(stage_headers)
	$(stage_cc) -o $@ $(srcdir)/tests/plugin/helo_words.c
$(bad_stages): tests/filters/bad_stage.c $(stage_headers)
	$(stage_cc) -DBAD_`basename $@ .so | sed -e 's/^bad_//' | tr '[:lower:]' '[:upper:]'` \
		-o $@ $(srcdir)/tests/filters/bad_stage.c

# And the sample once more, as somebody else would build it.
TESTS += tests/plugin/out_of_tree.sh
EXTRA_DIST += tests/plugin/out_of_tree.sh

check_PROGRAMS += \
	tests/filters/test_spf \
	tests/filters/test_spf_check \
	tests/filters/test_spf_macro \
	tests/filters/test_spf_oracle \
	tests/filters/test_spf_record \
	tests/filters/test_spf_run \
	tests/filters/test_spf_suite
tests_filters_test_spf_SOURCES = tests/filters/test_spf.c $(world)
tests_filters_test_spf_check_SOURCES = tests/filters/test_spf_check.c \
	tests/filters/spf_zone.c tests/filters/spf_zone.h
tests_filters_test_spf_suite_SOURCES = tests/filters/test_spf_suite.c \
	tests/filters/spf_zone.c tests/filters/spf_zone.h
tests_filters_test_spf_oracle_SOURCES = tests/filters/test_spf_oracle.c \
	tests/filters/spf_oracle.c tests/filters/spf_oracle.h \
	tests/filters/spf_zone.c tests/filters/spf_zone.h
TESTS += tests/filters/spf_peer.py
EXTRA_DIST += tests/filters/spf_suite.py tests/filters/spf_peer.py

check_PROGRAMS += \
	tests/filters/test_dkim \
	tests/filters/test_dkim_cover \
	tests/filters/test_dkim_guard \
	tests/filters/test_dkim_length \
	tests/filters/test_dkim_pubkey \
	tests/filters/test_dkim_suite \
	tests/filters/test_dkim_tags
dkim_post = tests/filters/dkim_post.c tests/filters/dkim_post.h
tests_filters_test_dkim_SOURCES = tests/filters/test_dkim.c tests/filters/rfc8463.h $(dkim_post)
tests_filters_test_dkim_suite_SOURCES = tests/filters/test_dkim_suite.c \
	tests/filters/dkim_suite.h $(dkim_post)

check_PROGRAMS += \
	tests/filters/test_dmarc \
	tests/filters/test_dmarc_check \
	tests/filters/test_dmarc_record \
	tests/filters/test_dmarc_walk
tests_filters_test_dmarc_SOURCES = tests/filters/test_dmarc.c tests/filters/rfc8463.h \
	$(world) $(dkim_post)
tests_filters_test_dmarc_check_SOURCES = tests/filters/test_dmarc_check.c \
	tests/filters/spf_zone.c tests/filters/spf_zone.h

check_PROGRAMS += tests/filters/test_refusals tests/filters/test_volume_facts
tests_filters_test_refusals_SOURCES = tests/filters/test_refusals.c $(world)
tests_filters_test_volume_facts_SOURCES = tests/filters/test_volume_facts.c $(world)
check_PROGRAMS += tests/filters/test_key tests/filters/test_volume_quota
tests_filters_test_volume_quota_SOURCES = tests/filters/test_volume_quota.c $(world)
EXTRA_DIST += tests/filters/README.md
check_PROGRAMS += tests/filters/test_vocabulary
