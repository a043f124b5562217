#!/bin/sh
# reference.sh PROGRAM PAGE: the page with what stands between .\" BEGIN NAME and .\" END NAME made
# anew by `PROGRAM NAME`, to standard output.
set -eu
program=$1
page=$2
parts=$(mktemp -d "${TMPDIR:-/tmp}/postern-reference-XXXXXX")
trap 'rm -rf "$parts"' EXIT
for part in settings tls notify digest stages facts; do
	grep -q "^\.\\\\\" BEGIN $part" "$page" || {
		echo "$page has no place for the $part" >&2
		exit 1
	}
	"$program" "$part" >"$parts/$part"
done
awk -v parts="$parts" '
	$1 == ".\\\"" && $2 == "BEGIN" {
		print
		while ((getline line < (parts "/" $3)) > 0)
			print line
		inside = 1
		next
	}
	$1 == ".\\\"" && $2 == "END" { inside = 0 }
	!inside
' "$page"
