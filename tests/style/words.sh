#!/bin/sh
# Nothing tells on which machine it was written: no absolute path into somebody's folders.
. "${srcdir:-.}/tests/style/lib.sh"

# In two halves, so that this script does not find itself.
pattern="/(wor""k|hom""e|Use""rs|roo""t)/[a-z]"
find . -name .git -prune -o -name 'build*' -prune -o -name autom4te.cache -prune -o \
    -name configure -prune -o -name 'Makefile*' -prune -o -name '*.log' -prune -o \
    -name 'config.*' -prune -o -name .deps -prune -o -name aclocal.m4 -prune -o \
    -type f -print | sort | xargs grep -nIE "(^|[^A-Za-z0-9_.~}/])$pattern" >"$found"
report "no path of somebody's machine" "$found"

find $folders tests docs bench -name '*.[ch]' -o -name '*.sh' -o -name '*.py' -o -name '*.md' |
    xargs grep -nE 'TODO|FIXME|XXX' | grep -v 'tests/style/words.sh' >"$found"
report "no TODO, FIXME, XXX: BUGS: says it, or it is done" "$found"
finish
