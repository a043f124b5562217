#!/bin/sh
# Every C file, and every page of docs/, stands in a local.mk: what does not is missing from the tarball.
. "${srcdir:-.}/tests/style/lib.sh"

# check FOLDER: its files against the local.mk files at and below it. A test that is one file is
# listed without its ending.
check() {
	listed=$(find "$1" -name local.mk -exec cat {} + | tr '[:space:]' '\n' | sort -u)
	sources "$1" | while read -r file; do
		echo "$listed" | grep -qxF -e "$file" -e "${file%.c}" || echo "$file"
	done
}

for folder in $folders bench tests; do
	check "$folder" >"$found"
	report "all files of $folder are in a local.mk" "$found"
done
find docs -name '*.md' ! -name README.md | while read -r page; do
	grep -qF "$page" docs/local.mk || echo "$page"
done >"$found"
report "all pages of docs are in its local.mk" "$found"
# What is named and not there stops `make dist`.
find $folders bench tests docs -name local.mk -exec cat {} + | awk '
	/^[A-Z_a-z]+ *\+?=/ { distributed = /^(dist_[a-z0-9_]*|EXTRA_DIST) *\+?=/ }
	!distributed { next }
	{
		for (i = 1; i <= NF; i++)
			if ($i ~ "/" && $i !~ /[$()]/)
				print $i
		distributed = /\\$/
	}' | while read -r file; do
	test -e "$file" || echo "$file"
done >"$found"
report "all files that are to be distributed are there" "$found"
finish
