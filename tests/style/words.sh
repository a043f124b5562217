#!/bin/sh
# Nothing tells on which machine it was written: no absolute path into somebody's folders.
. "${srcdir:-.}/tests/style/lib.sh"

# In two halves, so that this script does not find itself.
pattern="/(wor""k|hom""e|Use""rs|roo""t)/[a-z]"
find $folders tests docs bench README* configure.ac Makefile.am autogen.sh postern.pc.in \
    -name .deps -prune -o -name '*.log' -prune -o -type f -print 2>/dev/null | sort |
    xargs grep -nIE "(^|[^A-Za-z0-9_.~}/])$pattern" >"$found"
report "no path of somebody's machine" "$found"

find $folders tests bench -name '*.[ch]' -o -name '*.sh' -o -name '*.py' |
    grep -v tests/style/words.sh | xargs -r grep -nwE 'TODO|FIXME|XXX' >"$found"
report "no TODO, FIXME, XXX: BUGS: says it, or it is done" "$found"
finish
