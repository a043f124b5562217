-- Keys that were seen: waiting (proven = 0) or proven. Times are wall seconds.
CREATE TABLE seen (
	key TEXT PRIMARY KEY,
	first INTEGER NOT NULL,
	last INTEGER NOT NULL,
	hits INTEGER NOT NULL,
	proven INTEGER NOT NULL,
	expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Serves the removal of what has expired, and of the oldest waiting rows when there are too many.
CREATE INDEX seen_expiry ON seen (proven, expires);

-- Counters, packed (db/window.h).
CREATE TABLE counter (
	key TEXT PRIMARY KEY,
	bins BLOB NOT NULL,
	expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX counter_expiry ON counter (expires);
