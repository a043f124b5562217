#!/bin/sh
# Writes a C file that holds each SQL file given as a text, named after it: journal-1.sql becomes
# schema_journal_1. So the programs need no files of ours at run time.
set -e
echo '/* Made by db/schema/embed.sh from the files beside it. */'
echo '#include "db/schema.h"'
for file; do
	name=$(basename "$file" .sql | tr '-' '_')
	echo
	echo "const char schema_$name[] ="
	sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/    "/' -e 's/$/\\n"/' -e '$s/$/;/' "$file"
done
