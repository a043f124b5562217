#!/bin/sh
# Writes a C file that holds each script given as a text, named after it: seen.lua becomes lua_seen.
set -e
echo '/* Made by db/redis/embed.sh from the files beside it. */'
echo '#include "db/redis_lua.h"'
for file; do
	echo
	echo "const char lua_$(basename "$file" .lua)[] ="
	# Without comments and indentation: Redis keeps the text.
	sed -e '/^[[:space:]]*--/d' -e 's/^[[:space:]]*//' -e '/^$/d' \
		-e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/    "/' -e 's/$/\\n"/' "$file" | sed -e '$s/$/;/'
done
