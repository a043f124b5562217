# Sourced by the scripts of this folder: TAP for them. Each works from the top of the sources.

builddir=$(pwd)
cd "${srcdir:-.}" || exit 1
folders='base mail post db filters rules proxy cli'
cases=0

# pass/fail of one case: ok NAME, or the offending lines in a file and bad NAME FILE
ok() {
	cases=$((cases + 1))
	echo "ok $cases - $1"
}

bad() {
	cases=$((cases + 1))
	echo "not ok $cases - $1"
	sed 's/^/# /' "$2"
}

# report NAME FILE: ok when the file is empty
report() {
	if test -s "$2"; then bad "$1" "$2"; else ok "$1"; fi
	: >"$2"
}

finish() {
	echo "1..$cases"
	rm -f "$found"
}

skip_all() {
	echo "1..0 # SKIP $1"
	rm -f "$found"
	exit 0
}

# sources FOLDER...: the C files below them, one a line
sources() {
	for folder; do
		test -d "$folder" && find "$folder" -name '*.[ch]' -type f
	done | sort
}

found=$(mktemp) || exit 1
