/* SPDX-License-Identifier: MIT */
/* Captured packets, one after the other: a byte says how long each is, and who sent it. */
#include "tcpc/flow.h"
#include "tcpc/ladder.h"
#include "tcpc/segment.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* In memory of just that size, so that the sanitizer sees what is read beyond it. */
static bool decode_exactly(struct segment *segment, const uint8_t *bytes, size_t captured,
                           size_t length)
{
    uint8_t *copy = malloc(captured ? captured : 1);
    must(copy);
    memcpy(copy, bytes, captured);
    size_t link = segment_link_length(SEGMENT_ETHERNET, copy, captured);
    must(link <= captured);
    bool decoded = segment_decode(segment, copy, captured, length);
    free(copy);
    return decoded;
}

static void draw(const struct flow_event *event)
{
    struct ladder_style style = {.width = LADDER_NARROWEST, .colour = true};
    struct ladder_row row;
    char text[LADDER_MAX];
    ladder_of_event(&row, event, false);
    size_t length = ladder_draw(text, &style, &row);
    must(length > 0 && length < sizeof text && text[length - 1] == '\n');
}

static void take(struct flow *flow, enum side from, const struct segment *segment, size_t length)
{
    struct flow_event event;
    must(segment->length <= length);
    flow_feed(flow, from, segment, &event);
    for (size_t i = 0; i < 2; i++) {
        must(flow->ends[i].state < STATES && flow->ends[i].hole_count <= FLOW_HOLES_MAX);
        must(event.entered_count[i] <= FLOW_ENTERED_MAX);
    }
    draw(&event);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct flow flow = {.first = FLOW_NOBODY};
    while (size > 0) {
        struct segment segment;
        size_t length = *bytes & 0x7f;
        enum side from = *bytes & 0x80 ? FLOW_SERVER : FLOW_CLIENT;
        bytes++, size--;
        size_t captured = length < size ? length : size;
        if (decode_exactly(&segment, bytes, captured, length))
            take(&flow, from, &segment, length);
        bytes += captured, size -= captured;
    }
    return 0;
}
