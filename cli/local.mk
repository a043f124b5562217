# cli/: all but main.c goes into the library, so that tests can link it.
if HAVE_POSTERN
bin_PROGRAMS += postern
postern_SOURCES = cli/main.c
postern_LDFLAGS = $(whole_archive)
postern_LDADD = libpostern.a $(POSTERN_LIBS)
endif
