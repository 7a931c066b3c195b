/* SPDX-License-Identifier: MIT */
/* The first reading of a configuration, which decides what libconfig gets to see. */
#include "conf/lexer.h"
#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct memory *memory = memory_new();
    struct scalars scalars = {.most = LEXER_VALUES_MAX};
    struct error error;
    unsigned line = 0;
    char *text = malloc(size + 2);
    if (!text)
        abort();
    if (size > 0)
        memcpy(text, bytes, size);
    text[size] = '\n'; /* as whoever reads a file sees to */
    text[size + 1] = '\0';
    if (lexer_scan(memory, text, &scalars, &line, &error) != 0 && line == 0)
        abort(); /* each mistake has its line */
    free(text);
    memory_free(memory);
    return 0;
}
