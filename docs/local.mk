# docs/: sources and headers, appended by hand, sorted.
