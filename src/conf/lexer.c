/* SPDX-License-Identifier: MIT */
#include "conf/lexer.h"

#include "conf/number.h"

#include <string.h>
#include <strings.h>

#define NAME_FIRST "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz*"
#define NAME_REST  NAME_FIRST "0123456789_-"

struct lexer {
    struct memory *memory;
    struct scalars *scalars;
    const char *at;
    unsigned line;
    char before; /* the token before this one: its first character; 0 at the start */
    unsigned depth;
    struct level {
        char closing;              /* what will close it */
        unsigned line;             /* in which it was opened */
        unsigned members;          /* settings in it so far */
    } levels[LEXER_DEPTH_MAX + 1]; /* the first is the file itself */
    struct error *error;
};

static void step_over(struct lexer *lexer, size_t length)
{
    for (const char *end = lexer->at + length; lexer->at < end; lexer->at++)
        lexer->line += *lexer->at == '\n';
}

static int skip_line_comment(struct lexer *lexer)
{
    lexer->at += strcspn(lexer->at, "\n");
    return 0;
}

static int skip_long_comment(struct lexer *lexer)
{
    const char *end = strstr(lexer->at + 2, "*/");
    if (end == NULL)
        return error_set(lexer->error, 0, "the comment that begins here has no end: */ is missing");
    step_over(lexer, (size_t)(end + 2 - lexer->at));
    return 0;
}

static struct scalar *scalar_next(struct lexer *lexer)
{
    struct scalars *scalars = lexer->scalars;
    if (scalars->count == scalars->capacity) {
        size_t capacity = scalars->capacity == 0 ? 64 : 2 * scalars->capacity;
        struct scalar *more = memory_take(lexer->memory, capacity * sizeof(*more));
        for (size_t i = 0; i < scalars->count; i++)
            more[i] = scalars->items[i];
        scalars->items = more;
        scalars->capacity = capacity;
    }
    struct scalar *scalar = &scalars->items[scalars->count++];
    scalar->line = lexer->line;
    return scalar;
}

/* Strings next to each other are one value. */
static int take_string(struct lexer *lexer)
{
    const char *end = lexer->at + 1;
    while (*end != '"' && *end != '\n')
        end += *end == '\\' && end[1] != '\n' ? 2 : 1;
    if (*end == '\n')
        return error_set(
            lexer->error, 0,
            "a string that begins in this line does not end in it: a quote is missing");
    if (lexer->before != '"')
        scalar_next(lexer);
    lexer->before = '"';
    lexer->at = end + 1;
    return 0;
}

static int take_number(struct lexer *lexer)
{
    if (lexer->before == '0')
        return error_set(lexer->error, 0, "a number after a number: strings stand in quotes");
    struct scalar *scalar = scalar_next(lexer);
    size_t length = number_scan(lexer->at, scalar);
    if (length == 0)
        return error_set(lexer->error, 0, "'%c' does not belong here", *lexer->at);
    if (scalar->octal)
        return error_set(lexer->error, 0,
                         "a number with a 0 before it is octal to some: write it without the 0, or "
                         "in quotes where a mode is wanted");
    scalar->text = memory_copy(lexer->memory, lexer->at, length);
    lexer->before = '0';
    lexer->at += length;
    return 0;
}

static bool is_boolean(const char *word, size_t length)
{
    return (length == 4 && strncasecmp(word, "true", 4) == 0) ||
           (length == 5 && strncasecmp(word, "false", 5) == 0);
}

static int take_word(struct lexer *lexer)
{
    size_t length = strspn(lexer->at, NAME_REST);
    bool is_value = is_boolean(lexer->at, length);
    bool value_wanted = lexer->before == '=' || lexer->before == ':';
    bool glued = lexer->before == '0' && strchr(" \t\r\n\f", lexer->at[-1]) == NULL;
    if ((value_wanted && !is_value) || glued)
        return error_set(lexer->error, 0, "the word %.*s is no value: strings stand in quotes",
                         length < 40 ? (int)length : 40, lexer->at);
    if (is_value)
        scalar_next(lexer);
    lexer->before = 'a';
    lexer->at += length;
    return 0;
}

static int count_member(struct lexer *lexer)
{
    if (++lexer->levels[lexer->depth].members > LEXER_MEMBERS_MAX)
        return error_set(lexer->error, 0, "more than %d settings in one group", LEXER_MEMBERS_MAX);
    return 0;
}

static int open_bracket(struct lexer *lexer)
{
    if (lexer->before == '}' && *lexer->at == '{')
        return error_set(lexer->error, 0, "a comma is missing between '}' and '{'");
    if (lexer->depth == LEXER_DEPTH_MAX)
        return error_set(lexer->error, 0, "more than %d groups and lists within each other",
                         LEXER_DEPTH_MAX);
    static const char closing[] = {['('] = ')', ['['] = ']', ['{'] = '}'};
    lexer->levels[++lexer->depth] =
        (struct level){closing[(unsigned char)*lexer->at], lexer->line, 0};
    return 0;
}

static int close_bracket(struct lexer *lexer)
{
    if (lexer->before == ',' && *lexer->at != '}')
        return error_set(lexer->error, 0, "a comma before '%c': no element follows it", *lexer->at);
    if (lexer->depth == 0)
        return error_set(lexer->error, 0, "'%c' closes nothing that is open", *lexer->at);
    const struct level *level = &lexer->levels[lexer->depth];
    if (*lexer->at != level->closing)
        return error_set(lexer->error, 0, "'%c' stands where '%c' would close what line %u opened",
                         *lexer->at, level->closing, level->line);
    lexer->depth--;
    return 0;
}

static int take_mark(struct lexer *lexer)
{
    char mark = *lexer->at;
    int result = 0;
    if (strchr("=:", mark) != NULL)
        result = count_member(lexer);
    else if (strchr("([{", mark) != NULL)
        result = open_bracket(lexer);
    else if (strchr(")]}", mark) != NULL)
        result = close_bracket(lexer);
    lexer->before = mark;
    lexer->at++;
    return result;
}

static int refuse_include(struct lexer *lexer)
{
    return error_set(lexer->error, 0,
                     "no @-directive is read here: name other files in the setting include");
}

static int refuse_byte(struct lexer *lexer)
{
    unsigned char byte = (unsigned char)*lexer->at;
    if (lexer->line == 1 && strncmp(lexer->at, "\xef\xbb\xbf", 3) == 0)
        return error_set(lexer->error, 0,
                         "the file begins with a byte order mark: save it as UTF-8 without one");
    if (byte > 0x20 && byte < 0x7f)
        return error_set(lexer->error, 0, "'%c' does not belong here", byte);
    return error_set(lexer->error, 0, "the byte 0x%02x does not belong here: is a quote missing?",
                     byte);
}

/* What a token begins with, and who takes it.  The first that fits counts. */
static const struct rule {
    const char *begin; /* one of these characters … */
    const char *whole; /* … or this */
    int (*take)(struct lexer *lexer);
} rules[] = {
    {"#", NULL, skip_line_comment},       {NULL, "//", skip_line_comment},
    {NULL, "/*", skip_long_comment},      {"\"", NULL, take_string},
    {"+-.0123456789", NULL, take_number}, {NAME_FIRST, NULL, take_word},
    {"=:,;{}()[]", NULL, take_mark},      {"@", NULL, refuse_include},
};

static bool rule_fits(const struct rule *rule, const char *at)
{
    if (rule->begin != NULL)
        return strchr(rule->begin, *at) != NULL;
    return strncmp(rule->whole, at, strlen(rule->whole)) == 0;
}

static int take_token(struct lexer *lexer)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (rule_fits(&rules[i], lexer->at))
            return rules[i].take(lexer);
    }
    return refuse_byte(lexer);
}

/* The end of the text: whatever is still open gets the blame, in its line. */
static int finish(struct lexer *lexer)
{
    if (lexer->depth == 0)
        return 0;
    const struct level *level = &lexer->levels[lexer->depth];
    lexer->line = level->line;
    return error_set(lexer->error, 0, "what is opened in this line has no end: '%c' is missing",
                     level->closing);
}

int lexer_scan(struct memory *memory, const char *text, struct scalars *scalars, unsigned *line,
               struct error *error)
{
    struct lexer lexer = {
        .memory = memory, .scalars = scalars, .at = text, .line = 1, .error = error};
    int result = 0;
    while (result == 0) {
        step_over(&lexer, strspn(lexer.at, " \t\r\n\f"));
        if (*lexer.at == '\0')
            break;
        result = take_token(&lexer);
    }
    if (result == 0)
        result = finish(&lexer);
    *line = lexer.line;
    return result;
}
