-- What the message's Subject says, decoded, where `journal subject` is on.
ALTER TABLE entry ADD COLUMN subject TEXT NOT NULL DEFAULT '';
