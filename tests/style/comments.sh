#!/bin/sh
# Every header opens with a paragraph that begins with the module's name and has its guard.
. "${srcdir:-.}/tests/style/lib.sh"

sources $folders | grep '\.h$' | while read -r file; do
	name=$(basename "$file" .h)
	awk -v name="$name" '
		NR == 1 && $0 != "/*" { exit }
		NR == 2 && index($0, " * " name ": ") != 1 { exit }
		NR > 2 && / \*\/$/ { found = NR; exit }
		END { exit !found }
	' "$file" || echo "$file: begin with a paragraph: \"$name: what it is ...\""
done >"$found"
report "every header opens with a paragraph" "$found"

sources $folders | grep '\.h$' | while read -r file; do
	guard=POSTERN_$(echo "${file%.h}_H" | tr 'a-z/-' 'A-Z__')
	grep -qx "#ifndef $guard" "$file" && grep -qx "#define $guard" "$file" ||
	    echo "$file: the guard is not $guard"
done >"$found"
report "every header has its guard" "$found"

for folder in $folders; do
	sources "$folder" | grep '\.c$' | while read -r file; do
		header=${file%.c}.h
		test -f "$header" || continue
		first=$(grep '^#include' "$file" | grep -v '"config.h"' | head -n 1)
		test "$first" = "#include \"$header\"" || echo "$file: include $header first"
	done
done >"$found"
report "every file includes its own header first" "$found"
finish
