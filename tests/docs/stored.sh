#!/bin/sh
# What is stored is listed: every table of the databases, and every column of the journal's entries, has its place in a table of
# docs/journal.md.
. "${srcdir:-.}/tests/style/lib.sh"
page=docs/journal.md

# named WORD: in the first column of a table of the page
named() {
	grep "^|" "$page" | cut -d '|' -f 2 | grep -q "\`$1\`"
}

# Those that a migration makes under another name at first are left out.
sed -n 's/^CREATE TABLE \([a-z_0-9]*\).*/\1/p' db/schema/*.sql | sort -u | grep -v '_[0-9]$' | while read -r table; do
	test "$table" = entry || named "$table" || echo "$page: no row for the table $table"
done >"$found"
report "every table is listed" "$found"

sed -n '/define JOURNAL_COLUMNS/,/^$/p' db/journal_file.h | grep -o '[a-z][a-z_]*[,"]' | tr -d ',"' | while read -r column; do
	named "$column" || grep -q "^\*\*$column\*\* is" "$page" || echo "$page: no row for the column $column"
done >"$found"
report "every column of an entry is listed" "$found"
test "$(sed -n '/define JOURNAL_COLUMNS/,/^$/p' db/journal_file.h | grep -o '[a-z][a-z_]*[,"]' | wc -l)" -ge 27 || echo "no columns were found" >"$found"
report "there are columns" "$found"
finish
