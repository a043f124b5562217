# tests/style: scripts that hold the house style; each a TAP test.
