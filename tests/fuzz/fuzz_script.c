/* SPDX-License-Identifier: MIT */
/* A script is read whatever it is, and each mistake has its line. */
#include "tcpc/script.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_step(const struct script_step *step, size_t size)
{
    bool has_text =
        step->verb == SCRIPT_SEND || step->verb == SCRIPT_EXPECT || step->verb == SCRIPT_REGEX;
    must(step->line >= 1 && step->line <= size + 1);
    must(has_text == (step->bytes != NULL));
    must(step->length <= size);
    must(!has_text || step->bytes[step->length] == '\0');
    must(step->verb != SCRIPT_REGEX || strlen(step->bytes) == step->length);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct script script;
    struct error error = {0};
    char *text = malloc(size ? size : 1); /* of just that size: what is read beyond it is seen */
    must(text != NULL);
    if (size > 0)
        memcpy(text, bytes, size);
    int result = script_parse(&script, "f", text, size, &error);
    free(text);
    must(result == 0 || strncmp(error.text, "f:", 2) == 0);
    for (size_t i = 0; i < script.count && result == 0; i++) {
        size_t end;
        check_step(&script.steps[i], size);
        if (script.steps[i].verb == SCRIPT_EXPECT)
            must(script_match(&script.steps[i], script.steps[i].bytes, script.steps[i].length,
                              &end));
    }
    script_free(&script);
    return 0;
}
