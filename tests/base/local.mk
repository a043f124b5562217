# A test that is one file needs one line.
