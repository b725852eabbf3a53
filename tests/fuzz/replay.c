/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target over the files of its corpus folder without libFuzzer, so that every
 * developer's ctest replays what the fuzzers have found. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int replay(const char *path)
{
	static uint8_t chunk[1 << 20];
	FILE *f = fopen(path, "rb");
	uint8_t *exact;
	size_t n;

	if (!f)
		return 0;
	n = fread(chunk, 1, sizeof(chunk), f);
	fclose(f);
	/* A copy of the exact size, so that a read past the end is seen. */
	exact = malloc(n ? n : 1);
	memcpy(exact, chunk, n);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	return 1;
}

int main(int argc, char **argv)
{
	char path[4096];
	struct dirent *entry;
	int replayed = 0;
	DIR *dir;

	if (argc != 2 || !(dir = opendir(argv[1]))) {
		fprintf(stderr, "usage: %s <corpus folder>\n", argv[0]);
		return 2;
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
		replayed += replay(path);
	}
	closedir(dir);
	printf("%d inputs replayed\n", replayed);
	return replayed ? 0 : 1; /* an empty corpus is a defect of the test */
}
