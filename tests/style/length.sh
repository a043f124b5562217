#!/bin/sh
# Functions of at most 100 lines with at most 5 parameters, files of at most 900 lines. A function
# is what clang-format leaves as one: "name(" in the first column, then "{" and "}" alone there.
. "${srcdir:-.}/tests/style/lib.sh"

sources $folders tests | xargs -r wc -l | awk '$2 != "total" && $1 > 900 {
	print $2 ": " $1 " lines"
}' >"$found"
report "no file over 900 lines" "$found"

sources $folders tests | xargs -r awk '
	FNR == 1 { inside = 0; head = "" }
	/^[a-z_][A-Za-z0-9_]*\(/ { head = $1; sub(/\(.*/, "", head) }
	/^\{$/ && head != "" { inside = 1; start = FNR }
	/^\}/ {
		if (inside && FNR - start - 1 > 100)
			print FILENAME ":" start ": " head "() has " FNR - start - 1 " lines"
		inside = 0
		head = ""
	}
' >"$found"
report "no function over 100 lines" "$found"

# Commas in the parameter list, those inside further parentheses left out. Callbacks of libraries do
# not choose: a comment with WHY: right above the function lets it pass.
sources $folders tests | xargs -r awk '
	function count(text,    i, c, depth, commas) {
		for (i = 1; i <= length(text); i++) {
			c = substr(text, i, 1)
			if (c == "(")
				depth++
			else if (c == ")" && --depth == 0)
				return commas + 1
			else if (c == "," && depth == 1)
				commas++
		}
		return 0
	}
	FNR == 1 { head = "" }
	FNR == 1 || /^}/ || /^$/ { why = 0 }
	/^(\/| )\*.*WHY:/ { why = 1 }
	/^[a-z_][A-Za-z0-9_]*\(/ { head = $0; start = FNR; next }
	/^\{$/ && head != "" {
		name = head
		sub(/\(.*/, "", name)
		if (count(head) > 5 && !why)
			print FILENAME ":" start ": " name "() has " count(head) " parameters"
		head = ""
		next
	}
	head != "" { head = head $0 }
' >"$found"
report "no function with more than 5 parameters" "$found"
finish
