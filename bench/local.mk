# bench/: measurements, run by hand (bench/run), never by make check.
noinst_PROGRAMS += bench/load bench/nameserver bench/pseudonyms bench/replay bench/rules
noinst_PROGRAMS += bench/store
bench_store_SOURCES = bench/store.c
bench_load_SOURCES = bench/load.c
bench_nameserver_SOURCES = bench/nameserver.c
bench_pseudonyms_SOURCES = bench/pseudonyms.c
bench_replay_SOURCES = bench/replay.c
bench_rules_SOURCES = bench/rules.c
EXTRA_DIST += bench/README.md bench/run

# Greylisting through a synthetic month: a smaller one is a test (tests/filters/local.mk), the whole one is built on demand.
greylist_month = bench/month.c bench/month.h tests/filters/world.c tests/filters/world.h
EXTRA_PROGRAMS += bench/greylist bench/journal
bench_journal_SOURCES = bench/journal.c
bench_greylist_SOURCES = bench/greylist.c $(greylist_month)
CLEANFILES += bench/greylist bench/journal
