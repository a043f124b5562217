# bench/: measurements, run by hand (bench/run), never by make check.
noinst_PROGRAMS += bench/load bench/nameserver
bench_load_SOURCES = bench/load.c
bench_nameserver_SOURCES = bench/nameserver.c
EXTRA_DIST += bench/README.md bench/run
