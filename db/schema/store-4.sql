-- What is held of a counter by transactions that are under way, and has not been counted yet (db/hold.h).
-- Times are wall seconds.
CREATE TABLE hold (
	key TEXT NOT NULL,
	holder INTEGER NOT NULL,
	n INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	PRIMARY KEY (key, holder)
) STRICT, WITHOUT ROWID;

CREATE INDEX hold_expiry ON hold (expires);

-- Limits that an administrator has set for a counter, in the place of those asked with; 0: none.
CREATE TABLE allowance (
	key TEXT PRIMARY KEY,
	minute INTEGER NOT NULL,
	hour INTEGER NOT NULL,
	day INTEGER NOT NULL,
	expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX allowance_expiry ON allowance (expires);
