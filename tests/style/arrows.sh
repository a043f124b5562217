#!/bin/sh
# A folder includes only from folders above it in the floor plan, and filters and rules do not see
# each other. A case a folder; each also says that the folder includes ours by full path.
. "${srcdir:-.}/tests/style/lib.sh"

may_include() {
	case $1 in
	base) echo base ;;
	mail) echo base mail ;;
	post) echo base mail post ;;
	db) echo base mail db ;;
	filters) echo base mail db filters ;;
	rules) echo base mail db rules ;;
	proxy) echo base mail post db filters rules proxy ;;
	cli) echo base mail post db filters rules cli ;;
	esac
}

for folder in $folders; do
	allowed=" $(may_include "$folder") "
	sources "$folder" | while read -r file; do
		grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$file" |
		    while IFS= read -r line; do
			path=${line#*\"}
			path=${path%%\"*}
			case $path in
			config.h) continue ;;
			*/*) ;;
			*) echo "$file:$line: name the folder"; continue ;;
			esac
			case $allowed in
			*" ${path%%/*} "*) ;;
			*) echo "$file:$line: $folder may include only:$allowed" ;;
			esac
		done
	done >"$found"
	report "$folder includes nothing from below it" "$found"
done
finish
