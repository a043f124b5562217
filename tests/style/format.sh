#!/bin/sh
# Every C file is as clang-format would have it; a case a folder.
. "${srcdir:-.}/tests/style/lib.sh"

format=$(command -v clang-format-14 || command -v clang-format) || skip_all "no clang-format"
for folder in $folders docs bench tests; do
	sources "$folder" | xargs -r "$format" --dry-run -Werror >"$found" 2>&1
	grep -E '^[^ ]+:[0-9]+:' "$found" | head -n 20 >"$found.short"
	report "$folder is formatted (clang-format -i mends it)" "$found.short"
	rm -f "$found.short"
done
finish
