# db/: sources and headers, appended by hand, sorted.
# Headers of this folder are not installed: libpostern_a_SOURCES += db/store.c db/store.h
libpostern_a_SOURCES += \
	db/backlog.c db/backlog.h \
	db/db.c db/db.h \
	db/db_link.c db/db_link.h \
	db/db_private.h \
	db/db_request.c db/db_request.h \
	db/counter.c db/counter.h \
	db/dbfile.c db/dbfile.h \
	db/delivered.c db/delivered.h \
	db/distinct.c db/distinct.h \
	db/exception.c db/exception.h \
	db/history.c db/history.h \
	db/forget_redis.c \
	db/hold.c db/hold.h \
	db/journal.c db/journal.h \
	db/journal_chain.c db/journal_chain.h \
	db/journal_clean.c \
	db/journal_clock.c \
	db/journal_config.c db/journal_config.h \
	db/journal_file.h \
	db/journal_forget.c \
	db/journal_head.c db/journal_head.h \
	db/journal_id.c db/journal_id.h \
	db/journal_observed.c db/journal_observed.h \
	db/journal_read.c \
	db/journal_search.c db/journal_search.h \
	db/journal_span.c \
	db/journal_sums.c db/journal_sums.h \
	db/journal_text.c db/journal_text.h \
	db/journal_text_find.c \
	db/journal_torn.c \
	db/journal_verify.c \
	db/json.c db/json.h \
	db/migrate.c db/migrate.h \
	db/packed.c db/packed.h \
	db/person.c db/person.h \
	db/redis.c db/redis.h \
	db/redis_greeting.c db/redis_greeting.h \
	db/redis_link.c db/redis_link.h \
	db/redis_lua.h \
	db/redis_pipe.c db/redis_pipe.h \
	db/redis_script.c db/redis_script.h \
	db/row_redis.c db/row_redis.h \
	db/row_sqlite.c db/row_sqlite.h \
	db/schema.h \
	db/seen.c db/seen.h \
	db/side.c db/side.h \
	db/sketch.c db/sketch.h \
	db/status.c db/status.h \
	db/store.c db/store.h \
	db/store_forget.c \
	db/store_redis.c db/store_redis.h \
	db/store_row.c db/store_row.h \
	db/store_sqlite.c db/store_sqlite.h \
	db/text_file.c db/text_file.h \
	db/table.c db/table.h \
	db/window.c db/window.h

# The SQL files go into the programs as texts. Numbered: only ever add.
schema_files = db/schema/journal-1.sql db/schema/journal-2.sql db/schema/journal-3.sql \
	db/schema/journal-4.sql \
	db/schema/journal-5.sql db/schema/journal-6.sql \
	db/schema/store-1.sql db/schema/store-2.sql db/schema/store-3.sql db/schema/store-4.sql \
	db/schema/store-5.sql db/schema/store-6.sql
nodist_libpostern_a_SOURCES = db/schema.c
BUILT_SOURCES += db/schema.c
CLEANFILES += db/schema.c
EXTRA_DIST += db/README.md db/schema/embed.sh $(schema_files)
db/schema.c: db/schema/embed.sh $(schema_files)
	$(AM_V_GEN)$(MKDIR_P) db && \
	files= && for file in $(schema_files); do files="$$files $(srcdir)/$$file"; done && \
	$(SHELL) $(srcdir)/db/schema/embed.sh $$files >$@.tmp && mv -f $@.tmp $@

# The scripts that run in Redis, likewise.
nodist_libpostern_a_SOURCES += db/redis_lua.c
BUILT_SOURCES += db/redis_lua.c
CLEANFILES += db/redis_lua.c
redis_scripts = db/redis/count.lua db/redis/delivered.lua db/redis/distinct.lua db/redis/exceptions.lua \
	db/redis/seen.lua db/redis/swap.lua
EXTRA_DIST += db/redis/embed.sh db/redis/packed.lua $(redis_scripts)
db/redis_lua.c: db/redis/embed.sh db/redis/packed.lua $(redis_scripts)
	$(AM_V_GEN)$(MKDIR_P) db && \
	files= && for file in $(redis_scripts); do files="$$files $(srcdir)/$$file"; done && \
	$(SHELL) $(srcdir)/db/redis/embed.sh $$files >$@.tmp && mv -f $@.tmp $@
