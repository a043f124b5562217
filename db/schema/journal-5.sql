-- What each hour had of each verdict, kept up to date with the entries and kept longer than they are.
CREATE TABLE hour (
	hour INTEGER NOT NULL,
	verdict TEXT NOT NULL,
	n INTEGER NOT NULL,
	PRIMARY KEY (hour, verdict)
) STRICT, WITHOUT ROWID;

INSERT INTO hour (hour, verdict, n) SELECT time_ms / 3600000, verdict, sum(times) FROM entry GROUP BY 1, 2;

-- The most frequent of each hour among refusals, a little behind the entries: up to the serial `summed` in meta.
-- kind: as in the table tops of journal_sums.c.
CREATE TABLE top (
	kind INTEGER NOT NULL,
	hour INTEGER NOT NULL,
	key TEXT NOT NULL,
	n INTEGER NOT NULL,
	PRIMARY KEY (kind, hour, key)
) STRICT, WITHOUT ROWID;

INSERT INTO meta (name, value) SELECT 'summed', ifnull(min(serial), 1) - 1 FROM entry;
INSERT INTO meta (name, value) VALUES ('top_hour', 0);

-- How many messages waited so many seconds in greylisting before they were accepted; as far behind.
CREATE TABLE waited (
	hour INTEGER NOT NULL,
	seconds INTEGER NOT NULL,
	n INTEGER NOT NULL,
	PRIMARY KEY (hour, seconds)
) STRICT, WITHOUT ROWID;
