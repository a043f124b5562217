# bench/: measurements, run by hand (bench/run), never by make check.
noinst_PROGRAMS += bench/load bench/nameserver bench/rules
bench_load_SOURCES = bench/load.c
bench_nameserver_SOURCES = bench/nameserver.c
bench_rules_SOURCES = bench/rules.c
EXTRA_DIST += bench/README.md bench/run
