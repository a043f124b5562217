# A test that is one file needs one line.
check_PROGRAMS += \
	tests/db/test_db \
	tests/db/test_dbfile \
	tests/db/test_distinct \
	tests/db/test_exception \
	tests/db/test_history \
	tests/db/test_hold \
	tests/db/test_journal \
	tests/db/test_journal_chain \
	tests/db/test_journal_chain_config \
	tests/db/test_journal_config \
	tests/db/test_journal_forget \
	tests/db/test_journal_head \
	tests/db/test_journal_id \
	tests/db/test_journal_read \
	tests/db/test_journal_sums \
	tests/db/test_journal_text \
	tests/db/test_json \
	tests/db/test_migrate \
	tests/db/test_sketch \
	tests/db/test_redis_link \
	tests/db/test_status \
	tests/db/test_store_redis \
	tests/db/test_store_row \
	tests/db/test_store_sqlite \
	tests/db/test_two_writers \
	tests/db/test_window
db_folder = tests/db/folder.c tests/db/folder.h
db_store_world = tests/db/store_world.c tests/db/store_world.h $(db_folder)
db_journal_world = tests/db/journal_world.c tests/db/journal_world.h $(db_folder)
db_chain_world = tests/db/chain_world.c tests/db/chain_world.h $(db_folder)
db_redis = tests/db/redis.c tests/db/redis.h $(base_port)
tests_db_test_db_SOURCES = tests/db/test_db.c $(db_folder)
tests_db_test_dbfile_SOURCES = tests/db/test_dbfile.c $(db_folder)
tests_db_test_distinct_SOURCES = tests/db/test_distinct.c $(db_store_world)
tests_db_test_exception_SOURCES = tests/db/test_exception.c $(db_folder)
tests_db_test_hold_SOURCES = tests/db/test_hold.c $(db_store_world)
tests_db_test_journal_SOURCES = tests/db/test_journal.c $(db_journal_world)
tests_db_test_journal_chain_SOURCES = tests/db/test_journal_chain.c $(db_chain_world)
tests_db_test_journal_chain_config_SOURCES = tests/db/test_journal_chain_config.c $(db_chain_world)
tests_db_test_journal_head_SOURCES = tests/db/test_journal_head.c $(db_chain_world)
tests_db_test_journal_read_SOURCES = tests/db/test_journal_read.c $(db_journal_world)
tests_db_test_journal_sums_SOURCES = tests/db/test_journal_sums.c $(db_journal_world)
tests_db_test_journal_text_SOURCES = tests/db/test_journal_text.c $(db_journal_world)
tests_db_test_journal_forget_SOURCES = tests/db/test_journal_forget.c $(db_folder)
tests_db_test_redis_link_SOURCES = tests/db/test_redis_link.c $(db_folder) $(db_redis)
tests_db_test_status_SOURCES = tests/db/test_status.c $(db_folder)
tests_db_test_store_redis_SOURCES = tests/db/test_store_redis.c tests/db/store_pair.c tests/db/store_pair.h $(db_folder) $(db_redis)
tests_db_test_store_sqlite_SOURCES = tests/db/test_store_sqlite.c $(db_store_world)
tests_db_test_two_writers_SOURCES = tests/db/test_two_writers.c $(db_folder)

# Built on demand: how fast it is.
EXTRA_PROGRAMS += tests/db/bench_db
tests_db_bench_db_SOURCES = tests/db/bench_db.c $(db_folder)
CLEANFILES += tests/db/bench_db
EXTRA_DIST += tests/db/README.md
