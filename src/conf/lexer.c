/* SPDX-License-Identifier: MIT */
#include "conf/lexer.h"

#include "conf/number.h"

#include <string.h>
#include <strings.h>

#define NAME_FIRST "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz*"
#define NAME_REST  NAME_FIRST "0123456789_-"

/* What may come next. */
enum want {
    WANT_NAME,   /* of a setting, or the end of the group */
    WANT_EQUALS, /* between name and value */
    WANT_VALUE,
    WANT_FIRST, /* a value, or the end of an empty list */
    WANT_NEXT,  /* after a value: a separator, the end, in a group also a name */
};

struct lexer {
    struct memory *memory;
    struct scalars *scalars;
    const char *at;
    unsigned line;
    unsigned line_before; /* of the token before this one */
    enum want want;
    char before; /* the token before this one: '"' a string, '0' a number, else its character */
    unsigned depth;
    struct level {
        char closing;              /* what will close it; 0: the end of the file */
        unsigned line;             /* in which it was opened */
        unsigned members;          /* settings in it so far */
    } levels[LEXER_DEPTH_MAX + 1]; /* the first is the file itself */
    struct error *error;
};

static bool in_group(const struct lexer *lexer)
{
    char closing = lexer->levels[lexer->depth].closing;
    return closing == '}' || closing == 0;
}

/*
 * libconfig 1.5 loses the memory of a string that stands where it must not, and
 * its "syntax error" says little: the grammar is small enough to be checked here.
 */
static int unexpected(struct lexer *lexer, const char *what, int length)
{
    static const char *const wanted[] = {
        [WANT_NAME] = "the name of a setting",
        [WANT_EQUALS] = "'='",
        [WANT_VALUE] = "a value",
        [WANT_FIRST] = "a value",
        [WANT_NEXT] = "',' or the end of the list",
    };
    const char *want = wanted[lexer->want];
    if (lexer->want == WANT_NEXT && in_group(lexer))
        want = "';' or the next setting";
    return error_set(lexer->error, 0, "%.*s stands where %s is wanted", length, what, want);
}

static bool wants_value(const struct lexer *lexer)
{
    return lexer->want == WANT_VALUE || lexer->want == WANT_FIRST;
}

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
    scalars->values++;
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
    bool continues = lexer->want == WANT_NEXT && lexer->before == '"';
    if (!wants_value(lexer) && !continues)
        return unexpected(lexer, "a string", 8);
    if (!continues)
        scalar_next(lexer);
    lexer->want = WANT_NEXT;
    lexer->before = '"';
    lexer->at = end + 1;
    return 0;
}

static int take_number(struct lexer *lexer)
{
    if (lexer->want == WANT_NEXT && lexer->before == '0')
        return error_set(lexer->error, 0, "a number after a number: strings stand in quotes");
    if (!wants_value(lexer))
        return unexpected(lexer, "a number", 8);
    struct scalar *scalar = scalar_next(lexer);
    size_t length = number_scan(lexer->at, scalar);
    if (length == 0)
        return error_set(lexer->error, 0, "'%c' does not belong here", *lexer->at);
    if (scalar->octal)
        return error_set(lexer->error, 0,
                         "a number with a 0 before it is octal to some: write it without the 0, or "
                         "in quotes where a mode is wanted");
    scalar->text = memory_copy(lexer->memory, lexer->at, length);
    lexer->want = WANT_NEXT;
    lexer->before = '0';
    lexer->at += length;
    return 0;
}

static bool is_boolean(const char *word, size_t length)
{
    return (length == 4 && strncasecmp(word, "true", 4) == 0) ||
           (length == 5 && strncasecmp(word, "false", 5) == 0);
}

/* "5m" without quotes: a word that touches the number before it. */
static bool is_glued(const struct lexer *lexer)
{
    return lexer->before == '0' && strchr(" \t\r\n\f/", lexer->at[-1]) == NULL;
}

static int take_word(struct lexer *lexer)
{
    size_t length = strspn(lexer->at, NAME_REST);
    int shown = length < 40 ? (int)length : 40;
    bool boolean = is_boolean(lexer->at, length);
    if ((wants_value(lexer) && !boolean) || is_glued(lexer))
        return error_set(lexer->error, 0, "the word %.*s is no value: strings stand in quotes",
                         shown, lexer->at);
    bool wants_name = lexer->want == WANT_NAME || (lexer->want == WANT_NEXT && in_group(lexer));
    if (!wants_value(lexer) && (!wants_name || boolean))
        return unexpected(lexer, lexer->at, shown);
    if (boolean)
        scalar_next(lexer);
    lexer->want = boolean ? WANT_NEXT : WANT_EQUALS;
    lexer->before = 'a';
    lexer->at += length;
    return 0;
}

static int unexpected_mark(struct lexer *lexer)
{
    const char mark[] = {'\'', *lexer->at, '\'', '\0'};
    return unexpected(lexer, mark, 3);
}

static int take_equals(struct lexer *lexer)
{
    if (lexer->want != WANT_EQUALS)
        return unexpected_mark(lexer);
    if (++lexer->levels[lexer->depth].members > LEXER_MEMBERS_MAX)
        return error_set(lexer->error, 0, "more than %d settings in one group", LEXER_MEMBERS_MAX);
    lexer->want = WANT_VALUE;
    return 0;
}

/* A group may have ',' between its settings as well. */
static int take_separator(struct lexer *lexer)
{
    if (lexer->want != WANT_NEXT || (*lexer->at == ';' && !in_group(lexer)))
        return unexpected_mark(lexer);
    lexer->want = in_group(lexer) ? WANT_NAME : WANT_VALUE;
    return 0;
}

static int open_bracket(struct lexer *lexer)
{
    if (lexer->before == '}' && *lexer->at == '{' && lexer->want == WANT_NEXT)
        return error_set(lexer->error, 0, "a comma is missing between '}' and '{'");
    if (!wants_value(lexer))
        return unexpected_mark(lexer);
    if (lexer->levels[lexer->depth].closing == ']')
        return error_set(lexer->error, 0, "a list in [ ] holds no groups or lists: use ( )");
    if (lexer->depth == LEXER_DEPTH_MAX)
        return error_set(lexer->error, 0, "more than %d groups and lists within each other",
                         LEXER_DEPTH_MAX);
    static const char closing[] = {['('] = ')', ['['] = ']', ['{'] = '}'};
    char mark = *lexer->at;
    lexer->levels[++lexer->depth] = (struct level){closing[(unsigned char)mark], lexer->line, 0};
    lexer->want = mark == '{' ? WANT_NAME : WANT_FIRST;
    lexer->scalars->values++;
    return 0;
}

static int close_bracket(struct lexer *lexer)
{
    const struct level *level = &lexer->levels[lexer->depth];
    if (lexer->depth == 0)
        return error_set(lexer->error, 0, "'%c' closes nothing that is open", *lexer->at);
    if (*lexer->at != level->closing)
        return error_set(lexer->error, 0, "'%c' stands where '%c' would close what line %u opened",
                         *lexer->at, level->closing, level->line);
    if (lexer->want == WANT_VALUE && !in_group(lexer))
        return error_set(lexer->error, 0, "a comma before '%c': no element follows it", *lexer->at);
    if (lexer->want == WANT_VALUE || lexer->want == WANT_EQUALS)
        return unexpected_mark(lexer);
    lexer->depth--;
    lexer->want = WANT_NEXT;
    return 0;
}

static int take_mark(struct lexer *lexer)
{
    static const struct mark {
        const char *marks;
        int (*take)(struct lexer *lexer);
    } marks[] = {
        {"=:", take_equals}, {",;", take_separator}, {"([{", open_bracket}, {")]}", close_bracket}};
    size_t i = 0;
    while (strchr(marks[i].marks, *lexer->at) == NULL)
        i++;
    int result = marks[i].take(lexer);
    lexer->before = *lexer->at;
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

/* Each value costs memory many times its length, which a bound on the files alone would not hold.
 */
static int check_values(struct lexer *lexer)
{
    if (lexer->scalars->values <= lexer->scalars->most)
        return 0;
    return error_set(lexer->error, 0, "more than %d values in all files together",
                     LEXER_VALUES_MAX);
}

/* The end of the text: whatever is still open gets the blame, in its line. */
static int finish(struct lexer *lexer)
{
    if (lexer->depth == 0 && (lexer->want == WANT_NAME || lexer->want == WANT_NEXT))
        return 0;
    lexer->line = lexer->line_before;
    if (lexer->depth == 0)
        return unexpected(lexer, "the end of the file", 19);
    const struct level *level = &lexer->levels[lexer->depth];
    lexer->line = level->line;
    return error_set(lexer->error, 0, "what is opened in this line has no end: '%c' is missing",
                     level->closing);
}

int lexer_scan(struct memory *memory, const char *text, struct scalars *scalars, unsigned *line,
               struct error *error)
{
    struct lexer lexer = {.memory = memory,
                          .scalars = scalars,
                          .at = text,
                          .line = 1,
                          .want = WANT_NAME,
                          .error = error};
    int result = 0;
    while (result == 0) {
        step_over(&lexer, strspn(lexer.at, " \t\r\n\f"));
        if (*lexer.at == '\0')
            break;
        lexer.line_before = lexer.line;
        result = take_token(&lexer);
        if (result == 0)
            result = check_values(&lexer);
    }
    if (result == 0)
        result = finish(&lexer);
    *line = lexer.line;
    return result;
}
