-- What the numbers in an entry's trace stand for: the rules, facts and stages of each configuration that was in
-- force, kept once. time_ms: since when.
CREATE TABLE configuration (
	revision TEXT PRIMARY KEY,
	time_ms INTEGER NOT NULL,
	text TEXT NOT NULL
) STRICT, WITHOUT ROWID;
