#!/bin/sh
# The systemd unit: nothing in it is misspelt, and little is left to who breaks in.
. "${srcdir:-.}/tests/style/lib.sh"
most=1.5
command -v systemd-analyze >/dev/null || skip_all "systemd-analyze is not installed"
tmp=$(mktemp -d "${TMPDIR:-/tmp}/postern-unit-XXXXXX") || exit 99
trap 'rm -rf "$tmp" "$found"' EXIT
sed 's,@sbindir@/posternd,/bin/true,' docs/posternd.service.in >"$tmp/posternd.service"

SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no "$tmp/posternd.service" 2>&1 |
	grep "posternd.service:" | grep -i -e unknown -e invalid -e fail -e ignoring >"$found"
report "nothing is misspelt" "$found"

sed 's,@bindir@/postern ,/bin/true ,' docs/postern-digest.service.in >"$tmp/postern-digest.service"
cp docs/postern-digest.timer "$tmp"
SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no "$tmp/postern-digest.timer" 2>&1 |
	grep "postern-digest" | grep -i -e unknown -e invalid -e fail -e ignoring >"$found"
report "nothing is misspelt in those of the digest" "$found"

systemd-analyze security --no-pager --offline=true "$tmp/posternd.service" >"$tmp/said" 2>&1
level=$(sed -n 's/.*exposure level for posternd.service: \([0-9.]*\).*/\1/p' "$tmp/said")
awk -v level="$level" -v most="$most" 'BEGIN {
	if (level == "" || level + 0 > most)
		print "the exposure is " (level == "" ? "unknown" : level) ", not at most " most
}' >"$found"
test -s "$found" && cat "$tmp/said" >>"$found"
report "its exposure is at most $most" "$found"
finish
