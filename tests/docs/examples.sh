#!/bin/sh
# The configurations that README.md and the sample show can be used as they stand.
. "${srcdir:-.}/tests/style/lib.sh"
posternd=$builddir/posternd
test -x "$posternd" || skip_all "posternd is not built"
tmp=$(mktemp -d "${TMPDIR:-/tmp}/postern-examples-XXXXXX") || exit 99
trap 'rm -rf "$tmp" "$found"' EXIT
echo 198.51.100.0/24 >"$tmp/partners.list"

# checked NAME FILE
checked() {
	"$posternd" -n -c "$2" >"$found" 2>&1
	test "$(cat "$found")" = "$2: fine" && : >"$found"
	report "$1" "$found"
}

# Blocks ```conf of the README.
awk -v tmp="$tmp" '
	/^ *```conf$/ { file = tmp "/readme-" ++n ".conf"; next }
	/^ *```$/ { file = ""; next }
	file { print > file }' README.md
for file in "$tmp"/readme-*.conf; do
	test -e "$file" || break
	checked "README.md: $(basename "$file" .conf)" "$file"
done
ls "$tmp"/readme-1.conf >/dev/null 2>"$found" || :
report "README.md has configurations" "$found"

# Those of language.md are one file.
awk '/^```conf$/ { on = 1; next } /^```$/ { on = 0 } on' docs/language.md >"$tmp/language.conf"
test "$(grep -c '^at ' "$tmp/language.conf")" -ge 3 || echo "it shows hardly anything" >"$found"
report "docs/language.md has rules" "$found"
checked "docs/language.md: what it shows" "$tmp/language.conf"

checked "the sample as it is" docs/postern.conf.sample
{ cat docs/postern.conf.sample docs/upstreams.sample
  echo 'at rcpt { tempfail 451 4.7.1 "Again in ${upstream.free(\"household\")}" if upstream("household") is over }'
} >"$tmp/upstreams.conf"
checked "the sample with the upstreams behind it" "$tmp/upstreams.conf"
# A line held back begins with # and no blank, or within a block with # and four. Of what excludes
# each other the first stays.
sed -e 's/^#\([^ ]\|    \)/\1/' -e '/^resolver forward/d' docs/postern.conf.sample >"$tmp/all.conf"
checked "the sample with all that is held back" "$tmp/all.conf"
test "$(grep -c '^[a-z]' "$tmp/all.conf")" -gt 10 || echo "hardly anything was uncommented" >"$found"
report "it holds something back" "$found"
# What -v tells beside.
"$posternd" -n -v -c docs/postern.conf.sample |
    grep -cE '^(memory: at most [0-9]+ MiB: |questions: at most [0-9]+ to the DNS and [0-9]+ to the store )' >"$found"
test "$(cat "$found")" = 2 && : >"$found"
report "the sample with what it can cost" "$found"
finish
