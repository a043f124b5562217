# bench/: sources and headers, appended by hand, sorted.
