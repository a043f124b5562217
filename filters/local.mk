# filters/: sources and headers, appended by hand, sorted.
# Only stage.h is installed.
nobase_pkginclude_HEADERS += filters/stage.h
libpostern_a_SOURCES += \
	filters/dkim.c filters/dkim.h \
	filters/dkim_cover.c filters/dkim_cover.h \
	filters/dkim_guard.c filters/dkim_guard.h \
	filters/dkim_length.c filters/dkim_length.h \
	filters/dkim_pubkey.c filters/dkim_pubkey.h \
	filters/dkim_run.c filters/dkim_run.h \
	filters/dkim_tags.c filters/dkim_tags.h \
	filters/early.c \
	filters/geo.c \
	filters/dmarc.c \
	filters/dmarc_check.c filters/dmarc_check.h \
	filters/dmarc_record.c filters/dmarc_record.h \
	filters/dmarc_walk.c filters/dmarc_walk.h \
	filters/greylist.c filters/greylist.h \
	filters/greylist_key.c \
	filters/greylist_known.c \
	filters/greylist_name.c filters/greylist_name.h \
	filters/helo.c \
	filters/guessing.c \
	filters/key.c filters/key.h \
	filters/listed.c \
	filters/mime.c \
	filters/mime_field.c filters/mime_field.h \
	filters/mime_walk.c filters/mime_walk.h \
	filters/plugin.c \
	filters/refusals.c \
	filters/share.c filters/share.h \
	filters/spf.c \
	filters/spf_check.c filters/spf_check.h \
	filters/spf_eval.c filters/spf_eval.h \
	filters/spf_macro.c filters/spf_macro.h \
	filters/spf_record.c filters/spf_record.h \
	filters/spf_run.c filters/spf_run.h \
	filters/table.c \
	filters/vocabulary.c filters/vocabulary.h \
	filters/volume.c filters/volume.h \
	filters/volume_cost.c \
	filters/volume_different.c \
	filters/volume_hold.c filters/volume_hold.h \
	filters/volume_key.c \
	filters/volume_met.c \
	filters/volume_quota.c filters/quota.h \
	filters/volume_suspicious.c \
	filters/volume_unknown.c \
	filters/volume_usual.c
EXTRA_DIST += filters/README.md
