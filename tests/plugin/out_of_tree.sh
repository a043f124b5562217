#!/bin/sh
# Builds the sample stage as somebody else would: with the installed headers only, in a folder of
# its own, with the flags that pkg-config gives. Then loads it and uses it in a configuration.
set -u
srcdir=${srcdir:-.}
builddir=${builddir:-.}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/postern-plugin-XXXXXX") || exit 99
trap 'rm -rf "$tmp"' EXIT
n=0

echo 1..6

# report TEXT: a case from the exit status before it; on failure shows what was said.
report() {
	status=$?
	n=$((n + 1))
	if [ "$status" -eq 0 ]; then
		echo "ok $n - $1"
	else
		sed 's/^/# /' "$tmp/said"
		echo "not ok $n - $1"
	fi
}

skip() {
	n=$((n + 1))
	echo "ok $n - $1 # SKIP $2"
}

(unset MAKEFLAGS MFLAGS MAKELEVEL
 cd "$builddir" && ${MAKE:-make} DESTDIR="$tmp/root" install-nobase_pkgincludeHEADERS \
     install-pkgconfigDATA) >"$tmp/said" 2>&1
report "the headers are installed"

pc=$(find "$tmp/root" -name postern.pc)
flags=$(PKG_CONFIG_PATH=$(dirname "$pc") PKG_CONFIG_SYSROOT_DIR="$tmp/root" \
	pkg-config --cflags postern 2>"$tmp/said")
[ -n "$flags" ]
report "pkg-config knows where"

mkdir "$tmp/build" && cp "$srcdir/tests/plugin/helo_words.c" "$tmp/build/" &&
	(cd "$tmp/build" && ${CC:-cc} -std=gnu11 -Wall -Wextra -Werror -O2 -fPIC -shared $flags \
	    -o helo_words.so helo_words.c) >"$tmp/said" 2>&1
report "the sample builds with nothing else"

# Every header can stand alone.
(cd "$tmp/root" && find . -name '*.h' -path '*postern/*' | while read -r header; do
	echo "#include \"$tmp/root/$header\"" >"$tmp/one.c"
	${CC:-cc} -std=gnu11 -Wall -Werror $flags -fsyntax-only "$tmp/one.c" || exit 1
done) >"$tmp/said" 2>&1
report "each installed header can stand alone"

POSTERN_SAMPLE_STAGE=$tmp/build/helo_words.so "$builddir/tests/filters/test_plugin" \
	>"$tmp/said" 2>&1
report "it is loaded and gives facts"

if [ -x "$builddir/posternd" ]; then
	cat >"$tmp/postern.conf" <<-EOF
	hostname "mx.example.org"
	database "$tmp"
	listen proxy 127.0.0.1 port 2525
	backend 127.0.0.1 port 10025
	stage "$tmp/build/helo_words.so"
	helo_words { words "dsl dyn" }
	at rcpt {
	    tempfail 450 4.7.1 "Use the server of your provider"   if helo_words >= 2
	}
	EOF
	"$builddir/posternd" -n -c "$tmp/postern.conf" >"$tmp/said" 2>&1
	report "a configuration uses it"
else
	skip "a configuration uses it" "posternd is not built"
fi
