# filters/: sources and headers, appended by hand, sorted.
# Only stage.h is installed: nobase_pkginclude_HEADERS += filters/stage.h
