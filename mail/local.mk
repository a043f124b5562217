# mail/: sources and headers, appended by hand, sorted.
# Headers of this folder are installed: nobase_pkginclude_HEADERS += mail/session.h
