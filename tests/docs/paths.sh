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

# shellcheck disable=SC2086
for folder in $folders bench docs tests tests/*/; do
	ls "$folder" | grep -q '\.\(c\|py\|sh\)$' && ! test -f "$folder/README.md" && echo "$folder"
done >"$found"
report "each folder has a README" "$found"

# The threat model names cases, too: each word in backquotes of a paragraph "Test:" stands in one of
# its files.
awk -v RS= '/(^|\n)Test: / {
	sub(/^(.*\n)?Test: /, "")
	paths = names = ""
	while (match($0, /`[^`]*`/)) {
		word = substr($0, RSTART + 1, RLENGTH - 2)
		$0 = substr($0, RSTART + RLENGTH)
		if (word ~ /^tests\//)
			paths = paths " " word
		else if (word ~ /^[a-z_]+$/)
			names = names " " word
	}
	print paths "|" names
}' docs/threat-model.md | while IFS='|' read -r paths names; do
	for name in $names; do
		# shellcheck disable=SC2086
		grep -qw -e "$name" $paths || echo "docs/threat-model.md: no $name in$paths"
	done
done >"$found"
report "cases that the threat model names are there" "$found"

# Whatever is claimed has its line.
claims=$(grep -c '^\*\*' docs/threat-model.md)
shown=$(awk -v RS= '/^\*\*/ && /\nTest: |`not yet`/' docs/threat-model.md | grep -c '^\*\*')
test "$claims" -gt 20 && test "$claims" = "$shown" ||
	echo "docs/threat-model.md: $claims attacks, $shown with a test or \`not yet\`" >"$found"
report "each attack has a test, or says that it has none" "$found"
finish
