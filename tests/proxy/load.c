#include "tests/proxy/load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "filters/vocabulary.h"

static struct config *
load(struct folder *folder, uint16_t port, const char *text, struct complaints *complaints)
{
	struct arena *arena = arena_new(1 << 16);
	struct config_vocabulary vocabulary = stage_vocabulary(arena);
	struct config *config;
	struct buf b;

	buf_init(&b, 1 << 16);
	buf_printf(&b,
	    "hostname \"mx.gate.test\"\ndatabase \"%s\"\nbackend 127.0.0.1 port 9\n"
	    "listen proxy 127.0.0.1 port 2500; resolver forward 127.0.0.1 port %u\n%s",
	    folder->path, (unsigned)port, text);
	folder_write(folder, "postern.conf", b.p, b.n);
	buf_free(&b);
	config = config_load(folder_file(folder, "postern.conf"), &vocabulary, complaints);
	arena_free(&arena);
	return config;
}

struct config *
load_config(struct folder *folder, uint16_t port, const char *text)
{
	struct complaints complaints = { 0 };
	struct config *config = load(folder, port, text, &complaints);

	for (size_t i = 0; i < complaints.n; i++)
		print_message("%u: %s\n", complaints.item[i].line, complaints.item[i].text);
	assert_non_null(config);
	complaints_free(&complaints);
	return config;
}

struct config *
load_config_if(struct folder *folder, uint16_t port, const char *text)
{
	struct complaints complaints = { 0 };
	struct config *config = load(folder, port, text, &complaints);

	complaints_free(&complaints);
	return config;
}
