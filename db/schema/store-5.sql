-- Exceptions from the rules that an administrator has made (db/store.h). A number is never given twice.
-- Times are wall seconds; expires 0: never.
CREATE TABLE exception (
	number INTEGER PRIMARY KEY AUTOINCREMENT,
	key TEXT NOT NULL,
	about TEXT NOT NULL,
	made INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	hits INTEGER NOT NULL,
	last INTEGER NOT NULL
) STRICT;

-- Another number after each change. It begins anywhere, so that a file made anew is not taken for the old one.
CREATE TABLE exception_version (
	only INTEGER PRIMARY KEY CHECK (only = 1),
	version INTEGER NOT NULL
) STRICT;

INSERT INTO exception_version (only, version) VALUES (1, (random() & 0xffffffffffff) + 1);
