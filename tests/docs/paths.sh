#!/bin/sh
# What a page names is there: links, files of the source, tests.
. "${srcdir:-.}/tests/style/lib.sh"

pages=$(ls README.md CHANGELOG.md docs/*.md docs/stages/*.md)
for page in $pages; do
	grep -o '](\([^)#]*\)[^)]*)' "$page" | sed 's/^](//; s/[)#].*//' | grep -v '^https*:' |
		while read -r link; do
			test -z "$link" || test -e "$(dirname "$page")/$link" || echo "$page: $link"
		done
done >"$found"
report "links lead somewhere" "$found"

# `tests/fuzz/fuzz_eod.c` and the like, in backquotes.
for page in $pages; do
	grep -oE '`(base|mail|db|filters|rules|proxy|cli|tests|docs)/[A-Za-z0-9_./-]*`' "$page" |
		tr -d '`' | sort -u | while read -r path; do
		test -e "$path" || echo "$page: $path"
	done
done >"$found"
report "files that pages name are there" "$found"

finish
