# proxy/: all but main.c goes into the library, so that tests can link it.
if HAVE_POSTERND
sbin_PROGRAMS += posternd
posternd_SOURCES = proxy/main.c
posternd_LDFLAGS = $(whole_archive)
posternd_LDADD = libpostern.a $(POSTERN_LIBS)
endif
