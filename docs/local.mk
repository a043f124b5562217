# docs/: sources and headers, appended by hand, sorted.
EXTRA_DIST += \
	docs/adding-a-stage.md \
	docs/language.md \
	docs/stages/dkim.md \
	docs/stages/greylist.md \
	docs/stages/listed.md \
	docs/stages/spf.md \
	docs/stages/volume.md
