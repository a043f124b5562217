-- Messages that were delivered, and whose sender is not known to have heard of it: what the mail
-- server said, and from when on it counts. The key is a digest (proxy/once.h). Times are wall seconds.
CREATE TABLE delivered (
	key BLOB PRIMARY KEY,
	reply BLOB NOT NULL,
	ready INTEGER NOT NULL,
	expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX delivered_expiry ON delivered (expires);
