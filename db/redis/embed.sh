#!/bin/sh
# Writes a C file that holds each script given as a text, named after it: seen.lua becomes lua_seen. The line `-- behind packed.lua` at its
# top puts that file in front.
set -e
echo '/* Made by db/redis/embed.sh from the files beside it. */'
echo '#include "db/redis_lua.h"'
for file; do
	echo
	echo "const char lua_$(basename "$file" .lua)[] ="
	front=$(sed -n '1s/^-- behind //p' "$file")
	# Without comments and indentation: Redis keeps the text.
	cat ${front:+"$(dirname "$file")/$front"} "$file" | sed -e '/^[[:space:]]*--/d' -e 's/^[[:space:]]*//' -e '/^$/d' \
		-e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/    "/' -e 's/$/\\n"/' | sed -e '$s/$/;/'
done
