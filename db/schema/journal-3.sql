-- Each entry carries a hash over the one before it and all it says itself (db/journal_chain.h): what is altered,
-- taken out or put in between shows. Entries of before are not chained.
ALTER TABLE entry ADD COLUMN chain BLOB NOT NULL DEFAULT x'';

-- Where the chain begins: behind this serial, with this hash. Retention moves it on. A random one tells journals apart.
CREATE TABLE anchor (
	one INTEGER PRIMARY KEY CHECK (one = 1),
	serial INTEGER NOT NULL,
	hash BLOB NOT NULL
) STRICT;

INSERT INTO anchor (one, serial, hash)
SELECT 1, max(value, ifnull((SELECT max(serial) FROM entry), 0)), randomblob(32) FROM meta WHERE name = 'serial';

-- Entries that were emptied lawfully: the digest of what they said, which the chain goes on from, and the serial
-- of the entry that tells of it.
CREATE TABLE forgotten (
	serial INTEGER PRIMARY KEY,
	content BLOB NOT NULL,
	teller INTEGER NOT NULL
) STRICT;
