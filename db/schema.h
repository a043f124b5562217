/*
 * schema: the SQL files of db/schema/ as texts; the C file is made from them when the program is
 * built. A file that was released is never changed again: a new number is added beside it, here
 * and in the table of migrations of its database.
 */
#ifndef POSTERN_DB_SCHEMA_H
#define POSTERN_DB_SCHEMA_H

extern const char schema_journal_1[];
extern const char schema_journal_2[];
extern const char schema_journal_3[];
extern const char schema_journal_4[];
extern const char schema_journal_5[];
extern const char schema_journal_6[];
extern const char schema_store_1[];
extern const char schema_store_2[];
extern const char schema_store_3[];
extern const char schema_store_4[];
extern const char schema_store_5[];
extern const char schema_store_6[];

#endif
