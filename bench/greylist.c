/*
 * A synthetic month through greylisting, beside a plain triplet (bench/month.h): how much legitimate mail is delayed, for how
 * long, and how many messages of bots get in. Built on demand:
 *
 *   make bench/greylist && bench/greylist [days]
 *
 * Prints one JSON object.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/month.h"

static void
print(const char *name, const struct month_result *r)
{
	printf("\"%s\":{\"legitimate\":%zu,\"delayed\":%zu,\"lost\":%zu,\"p50\":%" PRId64
	       ",\"p95\":%" PRId64 ",\"longest\":%" PRId64
	       ",\"beyond\":%zu,\"junk\":%zu,\"junk_in\":%zu}",
	    name, r->legitimate, r->delayed, r->lost, r->p50, r->p95, r->longest, r->beyond,
	    r->junk, r->junk_in);
}

int
main(int argc, char **argv)
{
	struct month_settings settings = { .seed = 1, .days = argc > 1 ? atoi(argv[1]) : 30 };
	struct month_result ours, plain;

	settings.scale = 100;
	month_run(&settings, &ours, &plain);
	printf("{");
	print("ours", &ours);
	printf(",");
	print("plain", &plain);
	printf("}\n");
	return 0;
}
