-- The id of an entry is its serial under a key (db/journal_id.h), and needs no index: over ids, which are in
-- random order, it cost each entry a page. Those given before stay as they are.
INSERT INTO meta (name, value) VALUES ('id_key_1', random()), ('id_key_2', random());

-- The serial in `meta` counts only beyond those of the entries there are.
CREATE TABLE entry_2 (
	serial INTEGER PRIMARY KEY,
	id TEXT NOT NULL,
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

INSERT INTO entry_2 SELECT * FROM entry ORDER BY serial;
DROP TABLE entry;
ALTER TABLE entry_2 RENAME TO entry;
CREATE INDEX entry_time ON entry (time_ms);
