#!/bin/sh
# Functions that do not know the size of what they write to, or that hide errors and state.
# Variable-length arrays are refused by the compiler (-Wvla).
. "${srcdir:-.}/tests/style/lib.sh"

for name in strcpy strcat sprintf vsprintf strtok atoi atol atof gets strncpy alloca tmpnam \
    mktemp rand system; do
	sources $folders | xargs -r grep -nE "(^|[^A-Za-z0-9_>.])$name[[:space:]]*\(" |
	    grep -vE '^[^:]*:[0-9]*:[[:space:]]*(/?\*|//)' >"$found"
	report "no $name()" "$found"
done
sources $folders | xargs -r grep -nE '^typedef (struct|union|enum)' >"$found"
report "no typedef of structs" "$found"
finish
