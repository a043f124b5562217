-- What a running posternd knows of the mail servers behind it: each of its loops (instance) writes its own
-- rows, all of them anew each time (db/status.h). Times are wall milliseconds, 0: never.
CREATE TABLE backend (
	instance TEXT NOT NULL,
	place INTEGER NOT NULL,
	pid INTEGER NOT NULL,
	time INTEGER NOT NULL,
	label TEXT NOT NULL,
	state TEXT NOT NULL,
	since INTEGER NOT NULL,
	answered INTEGER NOT NULL,
	why TEXT NOT NULL,
	weight INTEGER NOT NULL,
	standby INTEGER NOT NULL,
	most INTEGER NOT NULL,
	connections INTEGER NOT NULL,
	idle INTEGER NOT NULL,
	waiting INTEGER NOT NULL,
	delivered INTEGER NOT NULL,
	route TEXT NOT NULL,
	offers TEXT NOT NULL,
	PRIMARY KEY (instance, place)
) STRICT, WITHOUT ROWID;

-- What each loop's resolver did since it began; written together with its rows above.
CREATE TABLE resolver (
	instance TEXT PRIMARY KEY,
	time INTEGER NOT NULL,
	asked INTEGER NOT NULL,
	at_hand INTEGER NOT NULL,
	timeouts INTEGER NOT NULL,
	failures INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
