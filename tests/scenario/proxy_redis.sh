#!/bin/sh
# One state for several machines; the cases are in the file of the same name.
command -v python3 >/dev/null || { echo "1..0 # SKIP there is no python3"; exit 0; }
command -v redis-server >/dev/null && command -v redis-sentinel >/dev/null || {
	echo "1..0 # SKIP there is no redis-server, or no redis-sentinel"
	exit 0
}
exec python3 "${srcdir:-.}/tests/scenario/proxy_redis.py" "$@"
