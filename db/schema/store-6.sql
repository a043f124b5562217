-- How many different things came to a key, packed (db/sketch.h).
CREATE TABLE sketch (
	key TEXT PRIMARY KEY,
	entries BLOB NOT NULL,
	expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sketch_expiry ON sketch (expires);

-- A limit of what may come at once.
ALTER TABLE allowance ADD COLUMN burst INTEGER NOT NULL DEFAULT 0;
