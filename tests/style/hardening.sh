#!/bin/sh
# The programs as built have what the hardening flags promise.
. "${srcdir:-.}/tests/style/lib.sh"

command -v readelf >/dev/null || skip_all "no readelf"
# lib.sh has gone to the sources; the programs are where make check runs.
any=
for program in posternd postern; do
	binary=$builddir/$program
	test -f "$binary" || continue
	any=yes
	readelf -hW "$binary" | grep -q 'Type:.*DYN' || echo "no PIE" >"$found"
	report "$program is position independent" "$found"
	readelf -lW "$binary" | grep -q GNU_RELRO || echo "no RELRO" >"$found"
	report "$program has RELRO" "$found"
	readelf -dW "$binary" | grep -qE 'BIND_NOW|FLAGS_1.*NOW' || echo "lazy" >"$found"
	report "$program binds at start" "$found"
	readelf -lW "$binary" | grep 'GNU_STACK' | grep -q 'RWE' && echo "executable" >"$found"
	report "$program has no executable stack" "$found"
	readelf -sW "$binary" | grep -q '__stack_chk_fail' || echo "none" >"$found"
	report "$program has stack protectors" "$found"
	if readelf -sW "$binary" | grep -q '__asan_init'; then
		continue
	fi
	readelf -sW "$binary" | grep -qE '__[a-z]+_chk(@|$)' || echo "none" >"$found"
	report "$program is fortified" "$found"
	# Debian's start files lack the note that would say so for the whole program.
	test "$(uname -m)" = x86_64 || continue
	objdump -d --disassemble=main "$binary" | grep -q endbr64 || echo "none" >"$found"
	report "$program has control flow protection" "$found"
done
test -n "$any" || skip_all "no program is built"
finish
