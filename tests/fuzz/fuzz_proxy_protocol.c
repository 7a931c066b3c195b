/* SPDX-License-Identifier: MIT */
/* The first bytes of a connection: whatever they are, the pieces they come in do not matter. */
#include "conn/proxy_protocol.h"
#include "fuzz.h"

#include <string.h>

/* In memory of just that size, so that the sanitizer sees what is read beyond it. */
static enum proxy_verdict read_exactly(struct proxy_header *header, const uint8_t *bytes,
                                       size_t length)
{
    uint8_t *copy = malloc(length ? length : 1);
    if (!copy)
        abort();
    if (length > 0)
        memcpy(copy, bytes, length);
    enum proxy_verdict verdict = proxy_read(header, copy, length);
    free(copy);
    return verdict;
}

/* What was said about a beginning holds for the whole. */
static void check_cut(const struct proxy_header *whole, enum proxy_verdict verdict,
                      const uint8_t *bytes, size_t length)
{
    struct proxy_header part;
    enum proxy_verdict early = read_exactly(&part, bytes, length);
    must(early == PROXY_MORE || early == verdict);
    must(early != PROXY_DONE || part.length == whole->length);
    must(verdict != PROXY_DONE || (early == PROXY_DONE) == (length >= whole->length));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct proxy_header header;
    enum proxy_verdict verdict = read_exactly(&header, bytes, size);
    must(verdict != PROXY_DONE || (header.length <= size && header.length <= PROXY_HEADER_MAX));
    must(verdict != PROXY_MORE || size < PROXY_HEADER_MAX);
    must((header.error != NULL) == (verdict == PROXY_BAD));
    for (size_t cut = 0; cut < size && cut < 128; cut++)
        check_cut(&header, verdict, bytes, cut);
    check_cut(&header, verdict, bytes, size / 2);
    if (verdict == PROXY_DONE)
        check_cut(&header, verdict, bytes, header.length - 1);
    return 0;
}
