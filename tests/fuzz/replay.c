/*
 * The main of the fuzz targets in a usual build: runs the target once for each file of its corpus,
 * tests/fuzz/NAME/ for the program fuzz_NAME, and reports in TAP. A crash ends the program before
 * its plan is fulfilled, which is a failure.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MOST (1024 * 1024)

static int
is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* The input has exactly its size on the heap, so that a sanitizer sees the first octet beyond. */
static int
run_file(const char *path)
{
	uint8_t *data = malloc(INPUT_MOST), *exact;
	FILE *file = fopen(path, "rb");
	size_t size;

	if (data == NULL || file == NULL) {
		free(data);
		if (file)
			fclose(file);
		return 0;
	}
	size = fread(data, 1, INPUT_MOST, file);
	fclose(file);
	exact = realloc(data, size ? size : 1);
	LLVMFuzzerTestOneInput(exact ? exact : data, size);
	free(exact ? exact : data);
	return 1;
}

int
main(int argc, char **argv)
{
	const char *top = getenv("srcdir"), *name = strstr(argv[0], "fuzz_");
	struct dirent **entries;
	char path[4096];
	int n;

	/* The last one: the folder may be called so, too. */
	for (const char *next = name; next; next = strstr(next + 1, "fuzz_"))
		name = next;
	if (name == NULL)
		return 1;
	name += strlen("fuzz_");
	snprintf(path, sizeof(path), "%s/tests/fuzz/%s", top ? top : ".", name);
	n = scandir(path, &entries, is_input, alphasort);
	if (n <= 0) {
		printf("1..1\nnot ok 1 - %s holds no input\n", path);
		return 1;
	}
	printf("1..%d\n", n);
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/tests/fuzz/%s/%s", top ? top : ".", name,
		    entries[i]->d_name);
		printf("%sok %d - %s\n", run_file(path) ? "" : "not ", i + 1, entries[i]->d_name);
		fflush(stdout);
		free(entries[i]);
	}
	free(entries);
	return 0;
}
