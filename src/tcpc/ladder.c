/* SPDX-License-Identifier: MIT */
#include "tcpc/ladder.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define GAP        2
#define TIME_WIDTH (LADDER_INDENT - GAP)
/* Before the arrow: time and the client's state; behind it: the server's state. */
#define LEFT  (TIME_WIDTH + GAP + STATE_NAME_MAX + GAP)
#define RIGHT (GAP + STATE_NAME_MAX)
/* An arrow has at least two strokes on the one side of its label, and one and a point on the other.
 */
#define SHAFT_LEAST 4
#define ROW_LINES   16

/* --- what a row says --- */

/* By the bits of enum flow_mark: of one segment, and of several that are folded. */
static const struct {
    const char *one, *several;
} mark_words[FLOW_MARKS] = {
    {"retransmission", "retransmissions"}, {"out of order", "out of order"},
    {"duplicate ACK", "duplicate ACKs"},   {"zero window", "zero windows"},
    {"window opens", "window openings"},   {"window probe", "window probes"},
    {"keep-alive", "keep-alives"},
};

static void append(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void append(char *text, size_t size, const char *format, ...)
{
    size_t length = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + length, size - length, format, args);
    va_end(args);
}

static enum ladder_kind kind_of(const struct flow_event *event)
{
    if (event->marks)
        return LADDER_MARKED;
    if (event->flags & SEGMENT_RST)
        return LADDER_RST;
    if (event->flags & SEGMENT_SYN)
        return LADDER_SYN;
    return event->flags & SEGMENT_FIN ? LADDER_FIN : LADDER_DATA;
}

static void label_mark(struct ladder_row *row, const char *words, unsigned number)
{
    if (number > 1)
        append(row->label, sizeof row->label, " (%s %u)", words, number);
    else
        append(row->label, sizeof row->label, " (%s)", words);
}

static void label_marks(struct ladder_row *row, const struct flow_event *event)
{
    for (unsigned i = 0; i < FLOW_MARKS; i++) {
        unsigned mark = event->marks & 1u << i;
        if (mark)
            label_mark(row, mark_words[i].one, mark == FLOW_DUPLICATE_ACK ? event->repeated : 0);
    }
}

static void label_sums(struct ladder_row *row, const struct fold_sum *sum)
{
    for (unsigned i = 0; i < FLOW_MARKS; i++) {
        if (sum->marks[i])
            append(row->label, sizeof row->label, " (%" PRIu64 " %s)", sum->marks[i],
                   sum->marks[i] == 1 ? mark_words[i].one : mark_words[i].several);
    }
}

static void copy_states(struct ladder_row *row, const struct flow_event *event)
{
    memcpy(row->entered_count, event->entered_count, sizeof row->entered_count);
    memcpy(row->entered, event->entered, sizeof row->entered);
}

void ladder_of_event(struct ladder_row *row, const struct flow_event *event, bool absolute)
{
    char flags[SEGMENT_FLAGS_MAX];
    *row = (struct ladder_row){.time = event->time, .from = event->from, .kind = kind_of(event)};
    append(row->label, sizeof row->label, "%s seq=%" PRIu32, segment_flags(event->flags, flags),
           event->seq - (absolute ? 0 : event->seq_zero));
    if (event->flags & SEGMENT_ACK)
        append(row->label, sizeof row->label, " ack=%" PRIu32,
               event->ack - (absolute ? 0 : event->ack_zero));
    if (event->length > 0)
        append(row->label, sizeof row->label, " len=%" PRIu32, event->length);
    label_marks(row, event);
    copy_states(row, event);
}

void ladder_of_fold(struct ladder_row *row, enum side from, const struct fold_sum *sum,
                    uint64_t time, bool utf8)
{
    char size[LADDER_SIZE_MAX];
    *row = (struct ladder_row){.time = time, .from = from, .kind = LADDER_FOLDED};
    append(row->label, sizeof row->label, "%s %" PRIu64 " segment%s, %s", utf8 ? "\u2026" : "...",
           sum->segments, sum->segments == 1 ? "" : "s",
           sum->bytes ? ladder_size(sum->bytes, size) : "no data");
    label_sums(row, sum);
}

const char *ladder_size(uint64_t bytes, char buffer[static LADDER_SIZE_MAX])
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double size = (double)bytes;
    size_t unit = 0;
    if (bytes < 10240) {
        snprintf(buffer, LADDER_SIZE_MAX, "%" PRIu64 " byte%s", bytes, bytes == 1 ? "" : "s");
        return buffer;
    }
    for (size /= 1024; size >= 10240 && unit < 3; size /= 1024)
        unit++;
    snprintf(buffer, LADDER_SIZE_MAX, "%.0f %s", size, units[unit]);
    return buffer;
}

const char *ladder_time(uint64_t nanoseconds, char buffer[static LADDER_TIME_MAX])
{
    snprintf(buffer, LADDER_TIME_MAX, "%" PRIu64 ".%06" PRIu64, nanoseconds / CLOCK_S,
             nanoseconds % CLOCK_S / CLOCK_US);
    return buffer;
}

/* --- how it is laid out --- */

struct glyphs {
    const char *stroke, *left, *right;
};

static const struct glyphs ascii = {"-", "<", ">"};
static const struct glyphs fine = {"\u2500", "\u2190", "\u2192"};

/* Text that grows in a buffer which is large enough for every width (LADDER_MAX). */
struct text {
    char *end, *limit;
};

static void put(struct text *text, const char *bytes)
{
    size_t length = strlen(bytes);
    if (length >= (size_t)(text->limit - text->end))
        return;
    memcpy(text->end, bytes, length + 1);
    text->end += length;
}

static void put_times(struct text *text, const char *bytes, size_t times)
{
    for (size_t i = 0; i < times; i++)
        put(text, bytes);
}

static void put_colour(struct text *text, const struct ladder_style *style, const char *code)
{
    if (!style->colour)
        return;
    put(text, "\033[");
    put(text, code);
    put(text, "m");
}

/* Columns of what we write ourselves: ASCII, and characters of one column. */
static size_t columns(const char *text, size_t length)
{
    size_t count = 0;
    for (size_t i = 0; i < length; i++)
        count += (text[i] & 0xc0) != 0x80;
    return count;
}

/* The length of the first word; what stands in parentheses is one. */
static size_t word_length(const char *text)
{
    size_t inside = *text == '(' ? strcspn(text, ")") : 0;
    return inside + strcspn(text + inside, " ");
}

/* How much of the text, up to the end of a word, fits into so many columns; at least one word. */
static size_t fitting(const char *text, size_t most)
{
    size_t fit = word_length(text);
    while (text[fit]) {
        size_t next = fit + 1 + word_length(text + fit + 1);
        if (columns(text, next) > most)
            break;
        fit = next;
    }
    return fit;
}

/* Breaks the label into lines of at most so many columns, between words.  Returns how many. */
static size_t break_label(char *label, size_t most, const char *lines[static ROW_LINES])
{
    size_t count = 0;
    while (count < ROW_LINES - 1) {
        size_t fit = fitting(label, most);
        lines[count++] = label;
        if (label[fit] == '\0')
            return count;
        label[fit] = '\0';
        label += fit + 1;
    }
    lines[count++] = label;
    return count;
}

static const char *const kind_colours[] = {
    [LADDER_DATA] = "0", [LADDER_SYN] = "32",    [LADDER_FIN] = "36",
    [LADDER_RST] = "31", [LADDER_MARKED] = "33", [LADDER_FOLDED] = "2",
};

/* The label in the middle of a line that points to the one who gets the segment. */
static void put_arrow(struct text *text, const struct ladder_style *style,
                      const struct ladder_row *row, const char *label, size_t area)
{
    const struct glyphs *glyphs = style->utf8 ? &fine : &ascii;
    bool right = row->from == FLOW_CLIENT;
    size_t width = columns(label, strlen(label)) + 2;
    size_t strokes = area > width + SHAFT_LEAST ? area - width - 1 : SHAFT_LEAST - 1;
    size_t first = strokes / 2;
    put_colour(text, style, kind_colours[row->kind]);
    if (!right)
        put(text, glyphs->left);
    put_times(text, glyphs->stroke, first);
    put(text, " ");
    put(text, label);
    put(text, " ");
    put_times(text, glyphs->stroke, strokes - first);
    if (right)
        put(text, glyphs->right);
    put_colour(text, style, "0");
}

/* A line without an arrow: the rest of a label, or nothing. */
static void put_continued(struct text *text, const struct ladder_style *style,
                          const struct ladder_row *row, const char *label, size_t area)
{
    size_t width = columns(label, strlen(label));
    size_t first = area > width ? (area - width) / 2 : 0;
    put_times(text, " ", first);
    if (*label)
        put_colour(text, style, kind_colours[row->kind]);
    put(text, label);
    if (*label)
        put_colour(text, style, "0");
    put_times(text, " ", area > width + first ? area - width - first : 0);
}

static void put_state(struct text *text, const struct ladder_style *style,
                      const struct ladder_row *row, enum side side, size_t line)
{
    bool there = line < row->entered_count[side];
    const char *name = there ? state_name(row->entered[side][line]) : "";
    if (there)
        put_colour(text, style, "1");
    put(text, name);
    if (there)
        put_colour(text, style, "0");
    if (side == FLOW_CLIENT)
        put_times(text, " ", STATE_NAME_MAX + GAP - strlen(name));
}

static void put_time(struct text *text, const struct ladder_row *row, size_t line)
{
    char time[LADDER_TIME_MAX] = "";
    if (line == 0)
        ladder_time(row->time, time);
    size_t width = strlen(time);
    put_times(text, " ", width < TIME_WIDTH ? TIME_WIDTH - width : 0);
    put(text, time);
    put_times(text, " ", GAP);
}

/* Blanks at the end of a line are of no use to anybody. */
static void end_line(struct text *text, const char *begin)
{
    while (text->end > begin && text->end[-1] == ' ')
        text->end--;
    *text->end = '\0';
    put(text, "\n");
}

static void put_line(struct text *text, const struct ladder_style *style,
                     const struct ladder_row *row, const char *label, size_t line)
{
    size_t area = style->width - LEFT - RIGHT;
    const char *begin = text->end;
    put_time(text, row, line);
    put_state(text, style, row, FLOW_CLIENT, line);
    if (line == 0 && *label)
        put_arrow(text, style, row, label, area);
    else
        put_continued(text, style, row, label, area);
    put_times(text, " ", GAP);
    put_state(text, style, row, FLOW_SERVER, line);
    end_line(text, begin);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

size_t ladder_draw(char buffer[static LADDER_MAX], const struct ladder_style *style,
                   const struct ladder_row *row)
{
    struct text text = {buffer, buffer + LADDER_MAX};
    char label[LADDER_LABEL_MAX];
    const char *lines[ROW_LINES];
    memcpy(label, row->label, sizeof label);
    *text.end = '\0';
    size_t labels = break_label(label, style->width - LEFT - RIGHT - 2 - SHAFT_LEAST, lines);
    size_t count = larger(labels, larger(row->entered_count[0], row->entered_count[1]));
    for (size_t i = 0; i < count; i++)
        put_line(&text, style, row, i < labels ? lines[i] : "", i);
    return (size_t)(text.end - buffer);
}

size_t ladder_heading(char buffer[static LADDER_MAX], const struct ladder_style *style,
                      const char *client, const char *server)
{
    struct text text = {buffer, buffer + LADDER_MAX};
    size_t begin = LADDER_INDENT;
    size_t used = begin + strlen("client ") + strlen(client) + strlen(server) + strlen(" server");
    *text.end = '\0';
    put_times(&text, " ", begin);
    put(&text, "client ");
    put(&text, client);
    if (used < style->width) {
        put_times(&text, " ", style->width - used);
    } else {
        put(&text, "\n");
        size_t width = used - begin - strlen("client ") - strlen(client);
        put_times(&text, " ", style->width > width ? style->width - width : 0);
    }
    put(&text, server);
    put(&text, " server\n");
    return (size_t)(text.end - buffer);
}
