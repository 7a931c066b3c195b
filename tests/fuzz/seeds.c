/* SPDX-License-Identifier: MIT */
/* Writes the examples of the unit tests into a folder, for the fuzzer to begin with. */
#include "conn/invalid_headers.h"
#include "conn/valid_headers.h"

#include <stdio.h>

static int write_example(const char *folder, const char *kind, size_t number,
                         const struct example *example)
{
    unsigned char bytes[EXAMPLE_MAX];
    char path[4096];
    size_t length = example_build(example, bytes);
    snprintf(path, sizeof path, "%s/%s-%03zu", folder, kind, number);
    FILE *out = fopen(path, "wb");
    if (!out)
        return -1;
    size_t written = fwrite(bytes, 1, length, out);
    return fclose(out) != 0 || written != length ? -1 : 0;
}

int main(int argc, char **argv)
{
    int failed = argc != 2;
    for (size_t i = 0; !failed && i < VALID_COUNT; i++)
        failed = write_example(argv[1], "valid", i, &valid_headers[i]);
    for (size_t i = 0; !failed && i < INVALID_COUNT; i++)
        failed = write_example(argv[1], "invalid", i, &invalid_headers[i]);
    if (failed)
        perror("seeds");
    return failed ? 1 : 0;
}
