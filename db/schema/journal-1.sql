-- The log of decisions. Every index more costs every append: only the time and the id have one.
CREATE TABLE meta (
	name TEXT PRIMARY KEY,
	value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The highest serial ever given: serials go on without gaps when old entries are removed.
INSERT INTO meta (name, value) VALUES ('serial', 0);

CREATE TABLE entry (
	serial INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE,
	time_ms INTEGER NOT NULL,
	front TEXT NOT NULL,
	step TEXT NOT NULL,
	verdict TEXT NOT NULL,
	code INTEGER NOT NULL,
	took_us INTEGER NOT NULL,
	size INTEGER NOT NULL,
	times INTEGER NOT NULL,
	session TEXT NOT NULL,
	client_ip TEXT NOT NULL,
	client_name TEXT NOT NULL,
	helo TEXT NOT NULL,
	account TEXT NOT NULL,
	sender TEXT NOT NULL,
	recipients TEXT NOT NULL,
	enhanced TEXT NOT NULL,
	text TEXT NOT NULL,
	rule TEXT NOT NULL,
	queue_id TEXT NOT NULL,
	facts TEXT NOT NULL,
	trace TEXT NOT NULL,
	answers TEXT NOT NULL,
	observed TEXT NOT NULL,
	config TEXT NOT NULL
) STRICT;

CREATE INDEX entry_time ON entry (time_ms);
