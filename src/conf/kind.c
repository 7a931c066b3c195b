/* SPDX-License-Identifier: MIT */
#include "conf/kind.h"

#include "conf/nearest.h"
#include "conf/value.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TYPE(type) (1U << (type))

struct kind {
    unsigned types;   /* of node it can be read from */
    const char *type; /* how these are called */
    /* What would be right, for the end of "expected …". */
    const char *(*expected)(struct memory *memory, const struct option *option);
    /* Reads the node into the field; false: it is not what was expected. */
    bool (*read)(struct memory *memory, const struct option *option, const struct node *node,
                 void *field);
    void (*print)(FILE *out, const struct option *option, const void *field);
};

static void store(const struct option *option, void *field, uint64_t value)
{
    switch (option->size) {
    case 1:
        *(uint8_t *)field = (uint8_t)value;
        break;
    case 4:
        *(uint32_t *)field = (uint32_t)value;
        break;
    default:
        assert(option->size == 8);
        *(uint64_t *)field = value;
    }
}

static uint64_t fetch(const struct option *option, const void *field)
{
    switch (option->size) {
    case 1:
        return *(const uint8_t *)field;
    case 4:
        return *(const uint32_t *)field;
    default:
        assert(option->size == 8);
        return *(const uint64_t *)field;
    }
}

static bool in_range(const struct option *option, uint64_t value)
{
    return (option->or_zero && value == 0) || (value >= option->min && value <= option->max);
}

static bool number_read(struct memory *memory, const struct option *option, const struct node *node,
                        void *field)
{
    (void)memory;
    if (!node->fits || node->number < 0 || !in_range(option, (uint64_t)node->number))
        return false;
    store(option, field, (uint64_t)node->number);
    return true;
}

static const char *number_expected(struct memory *memory, const struct option *option)
{
    return memory_print(memory, "an integer from %" PRIu64 " to %" PRIu64 "%s", option->min,
                        option->max, option->or_zero ? ", or 0" : "");
}

static void number_print(FILE *out, const struct option *option, const void *field)
{
    fprintf(out, "%" PRIu64, fetch(option, field));
}

/* Of a signed one the range stands in the table as two's complement. */
static bool integer_read(struct memory *memory, const struct option *option,
                         const struct node *node, void *field)
{
    (void)memory;
    if (!node->fits || node->number < (int64_t)option->min || node->number > (int64_t)option->max)
        return false;
    store(option, field, (uint64_t)node->number);
    return true;
}

static const char *integer_expected(struct memory *memory, const struct option *option)
{
    return memory_print(memory, "an integer from %" PRId64 " to %" PRId64, (int64_t)option->min,
                        (int64_t)option->max);
}

static void integer_print(FILE *out, const struct option *option, const void *field)
{
    fprintf(out, "%" PRId32, (int32_t)fetch(option, field));
}

static bool limit_read(struct memory *memory, const struct option *option, const struct node *node,
                       void *field)
{
    (void)memory;
    uint64_t limit = 0;
    bool valid = node->type == NODE_STRING ? value_limit(node->text, &limit)
                                           : node->fits && node->number >= 0;
    if (!valid)
        return false;
    store(option, field, node->type == NODE_STRING ? limit : (uint64_t)node->number);
    return true;
}

static const char *limit_expected(struct memory *memory, const struct option *option)
{
    (void)memory;
    (void)option;
    return "a number, a string with a unit (\"64K\", \"1M\", \"2G\"), or \"unlimited\"";
}

static void limit_print(FILE *out, const struct option *option, const void *field)
{
    uint64_t limit = fetch(option, field);
    if (limit == VALUE_UNLIMITED)
        fputs("\"unlimited\"", out);
    else if (limit <= INT32_MAX)
        fprintf(out, "%" PRIu64, limit);
    else
        fprintf(out, "\"%" PRIu64 "\"", limit);
}

static bool duration_read(struct memory *memory, const struct option *option,
                          const struct node *node, void *field)
{
    (void)memory;
    uint64_t ns = 0;
    bool valid = node->type == NODE_STRING ? value_duration(node->text, &ns)
                                           : node->fits && value_seconds(node->number, &ns);
    if (!valid || !in_range(option, ns))
        return false;
    store(option, field, ns);
    return true;
}

static const char *duration_expected(struct memory *memory, const struct option *option)
{
    char low[DURATION_TEXT_MAX];
    char high[DURATION_TEXT_MAX];
    return memory_print(memory,
                        "a duration, seconds or a string with a unit (\"250ms\", \"30s\", \"5m\", "
                        "\"1h\"), from %s to %s%s",
                        value_duration_print(option->min, low),
                        value_duration_print(option->max, high),
                        option->or_zero ? ", or 0 for off" : "");
}

static void duration_print(FILE *out, const struct option *option, const void *field)
{
    char text[DURATION_TEXT_MAX];
    uint64_t ns = fetch(option, field);
    value_duration_print(ns, text);
    fprintf(out, ns == 0 ? "%s" : "\"%s\"", text);
}

static bool rate_read(struct memory *memory, const struct option *option, const struct node *node,
                      void *field)
{
    (void)memory;
    uint64_t ns = 0;
    if (!value_rate(node->text, &ns))
        return false;
    store(option, field, ns);
    return true;
}

static const char *rate_expected(struct memory *memory, const struct option *option)
{
    (void)option;
    return memory_print(memory, "a rate such as \"50/s\", \"600/m\" or \"10/h\", from 1 to "
                                "1000000 in any unit, or \"\" for none");
}

static void rate_print(FILE *out, const struct option *option, const void *field)
{
    char text[RATE_TEXT_MAX];
    fprintf(out, "\"%s\"", value_rate_print(fetch(option, field), text));
}

static bool choice_read(struct memory *memory, const struct option *option, const struct node *node,
                        void *field)
{
    (void)memory;
    for (const struct choice *choice = option->choices; choice->word != NULL; choice++) {
        if (strcmp(choice->word, node->text) == 0) {
            store(option, field, (uint64_t)choice->value);
            return true;
        }
    }
    return false;
}

static const char *choice_expected(struct memory *memory, const struct option *option)
{
    const char *text = "one of";
    for (const struct choice *choice = option->choices; choice->word != NULL; choice++)
        text = memory_print(memory, "%s %s\"%s\"", text,
                            choice != option->choices && choice[1].word == NULL ? "and " : "",
                            choice->word);
    return text;
}

static void choice_print(FILE *out, const struct option *option, const void *field)
{
    const struct choice *choice = option->choices;
    while (choice[1].word != NULL && choice->value != (int)fetch(option, field))
        choice++;
    fprintf(out, "\"%s\"", choice->word);
}

static bool switch_read(struct memory *memory, const struct option *option, const struct node *node,
                        void *field)
{
    (void)memory;
    store(option, field, node->on);
    return true;
}

static void switch_print(FILE *out, const struct option *option, const void *field)
{
    fputs(fetch(option, field) != 0 ? "true" : "false", out);
}

static bool mode_read(struct memory *memory, const struct option *option, const struct node *node,
                      void *field)
{
    (void)memory;
    mode_t mode;
    if (!value_mode(node->text, &mode))
        return false;
    store(option, field, mode);
    return true;
}

static const char *mode_expected(struct memory *memory, const struct option *option)
{
    (void)memory;
    (void)option;
    return "permissions such as \"0660\", a 0 and three octal digits";
}

static void mode_print(FILE *out, const struct option *option, const void *field)
{
    fprintf(out, "\"%04o\"", (unsigned)fetch(option, field));
}

static bool string_read(struct memory *memory, const struct option *option, const struct node *node,
                        void *field)
{
    if (option->wrong(node->text) != NULL)
        return false;
    *(const char **)field = memory_copy(memory, node->text, strlen(node->text));
    return true;
}

/* The check of a text words what it wants whenever it is not content: it never is with a newline.
 */
static const char *text_expected(struct memory *memory, const struct option *option)
{
    (void)memory;
    return option->wrong("\n");
}

static void string_print(FILE *out, const struct option *option, const void *field)
{
    (void)option;
    option_print_string(out, *(const char *const *)field);
}

static bool word_read(struct memory *memory, const struct option *option, const struct node *node,
                      void *field)
{
    (void)memory;
    if (option->wrong(node->text) != NULL)
        return false;
    size_t length = strlen(node->text);
    assert(length < option->size);
    memcpy(field, node->text, length + 1);
    return true;
}

static void word_print(FILE *out, const struct option *option, const void *field)
{
    (void)option;
    option_print_string(out, field);
}

const struct kind kind_number = {TYPE(NODE_INTEGER), "an integer", number_expected, number_read,
                                 number_print};
const struct kind kind_integer = {TYPE(NODE_INTEGER), "an integer", integer_expected, integer_read,
                                  integer_print};
const struct kind kind_limit = {TYPE(NODE_INTEGER) | TYPE(NODE_STRING), "a number or a string",
                                limit_expected, limit_read, limit_print};
const struct kind kind_duration = {TYPE(NODE_INTEGER) | TYPE(NODE_STRING),
                                   "a duration, an integer of seconds or a string such as \"30s\"",
                                   duration_expected, duration_read, duration_print};
const struct kind kind_rate = {TYPE(NODE_STRING), "a string", rate_expected, rate_read, rate_print};
const struct kind kind_choice = {TYPE(NODE_STRING), "a string", choice_expected, choice_read,
                                 choice_print};
const struct kind kind_switch = {TYPE(NODE_BOOL), "a boolean, true or false", NULL, switch_read,
                                 switch_print};
const struct kind kind_mode = {TYPE(NODE_STRING), "a string", mode_expected, mode_read, mode_print};
const struct kind kind_string = {TYPE(NODE_STRING), "a string", text_expected, string_read,
                                 string_print};
const struct kind kind_word = {TYPE(NODE_STRING), "a string", text_expected, word_read, word_print};

static void *field_of(const struct option *option, void *base)
{
    return (char *)base + option->offset;
}

/* "; did you mean …?" when a choice was nearly right, else nothing. */
static const char *choice_hint(struct memory *memory, const struct option *option, const char *text)
{
    const char *words[32] = {NULL};
    for (size_t i = 0; option->choices != NULL && option->choices[i].word != NULL && i < 31; i++)
        words[i] = option->choices[i].word;
    const char *near = nearest(text, words);
    return near == NULL ? "" : memory_print(memory, "; did you mean \"%s\"?", near);
}

void option_read(struct reading *reading, const struct option *option, const struct node *node,
                 void *base)
{
    struct memory *memory = reading->memory;
    const struct kind *kind = option->kind;
    if ((kind->types & TYPE(node->type)) == 0) {
        node_error(reading, node, "expected %s, got %s", kind->type, node_print(memory, node));
        return;
    }
    if (kind->read(memory, option, node, field_of(option, base)))
        return;
    const char *hint = node->type == NODE_STRING ? choice_hint(memory, option, node->text) : "";
    node_error(reading, node, "expected %s, got %s%s", kind->expected(memory, option),
               node_print(memory, node), hint);
}

/* A default stands in the table as one would write it in a file. */
static struct node standard_node(const char *text)
{
    struct node node = {.type = NODE_STRING, .text = text};
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        node.type = NODE_BOOL;
        node.on = text[0] == 't';
    } else if (text[0] != '\0' && strspn(text, "0123456789") == strlen(text) &&
               (text[0] != '0' || text[1] == '\0')) {
        node.type = NODE_INTEGER;
        node.number = strtoll(text, NULL, 10);
        node.fits = true;
    }
    return node;
}

void option_default(struct memory *memory, const struct option *option, void *base)
{
    if (option->standard == NULL)
        return;
    struct node node = standard_node(option->standard);
    bool valid = (option->kind->types & TYPE(node.type)) != 0 &&
                 option->kind->read(memory, option, &node, field_of(option, base));
    assert(valid);
    (void)valid;
}

void option_print(FILE *out, const struct option *option, const void *base)
{
    const void *field = (const char *)base + option->offset;
    fprintf(out, "%s = ", option->name);
    option->kind->print(out, option, field);
    fputs(";", out);
}
