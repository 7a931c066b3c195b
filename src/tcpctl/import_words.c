/* SPDX-License-Identifier: MIT */
#include "tcpctl/import_words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS "0123456789"

bool import_lines_next(struct import *import, struct import_lines *lines)
{
    if (*lines->at == '\0')
        return false;
    lines->length = strcspn(lines->at, "\n");
    lines->room = lines->length;
    lines->line = memory_copy(import->memory, lines->at, lines->length);
    lines->at += lines->length + (lines->at[lines->length] == '\n');
    lines->place.line++;
    return true;
}

/* The room doubles, so that many short lines do not take more and more. */
bool import_lines_join(struct import *import, struct import_lines *lines, size_t keep)
{
    if (*lines->at == '\0')
        return false;
    size_t more = strcspn(lines->at, "\n");
    if (keep + more > lines->room) {
        lines->room = 2 * (keep + more);
        char *line = memory_take(import->memory, lines->room + 1);
        lines->line = memcpy(line, lines->line, keep);
    }
    memcpy(lines->line + keep, lines->at, more);
    lines->length = keep + more;
    lines->line[lines->length] = '\0';
    lines->at += more + (lines->at[more] == '\n');
    lines->place.line++;
    return true;
}

struct import_list import_words(struct import *import, const char *text)
{
    struct import_list words = {0};
    text += strspn(text, IMPORT_BLANKS);
    while (*text != '\0') {
        size_t length = strcspn(text, IMPORT_BLANKS);
        import_list_add(import, &words, memory_copy(import->memory, text, length));
        text += length;
        text += strspn(text, IMPORT_BLANKS);
    }
    return words;
}

/* In double quotes only these are special to a shell. */
static bool is_replaced(char byte, const char *specials)
{
    return byte != '\0' && strchr("$`", byte) && strchr(specials, byte);
}

/* Takes what stands in quotes; returns what follows, or NULL: they are not closed. */
static const char *take_quoted(const char *at, const char *specials, char **to)
{
    char quote = *at++;
    while (*at != quote) {
        if (quote == '"' && *at == '\\' && at[1] != '\0' && strchr("\"\\$`", at[1]))
            at++;
        else if (*at == '\0' || (quote == '"' && is_replaced(*at, specials)))
            return NULL;
        *(*to)++ = *at++;
    }
    return at + 1;
}

static bool ends_word(char byte, const char *specials)
{
    return byte == '\0' || strchr(IMPORT_BLANKS, byte) || strchr(specials, byte);
}

/* Copies a word without its quotes; returns what follows, or NULL: they are wrong. */
static const char *take_word(const char *at, const char *specials, char *to)
{
    while (at && !ends_word(*at, specials)) {
        if (*at == '\'' || *at == '"') {
            at = take_quoted(at, specials, &to);
        } else {
            at += *at == '\\' && at[1] != '\0';
            *to++ = *at++;
        }
    }
    return at;
}

int import_shell_words(struct import *import, struct import_place place, const char *text,
                       const char *specials, struct import_list *words, const char **rest)
{
    *rest = text + strspn(text, IMPORT_BLANKS);
    while (**rest != '\0') {
        char *word = memory_take(import->memory, strlen(*rest) + 1);
        const char *end = take_word(*rest, specials, word);
        if (!end) {
            import_error(import, place,
                         "a quote is not closed, or in it stands what a shell would "
                         "replace: write what it stands for");
            return -1;
        }
        if (*end != '\0' && !strchr(IMPORT_BLANKS, *end))
            return 0; /* a word that has begun is the shell's too */
        import_list_add(import, words, word);
        *rest = end + strspn(end, IMPORT_BLANKS);
    }
    return 0;
}

bool import_starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

bool import_number(const char *text, unsigned long most, unsigned long *number)
{
    errno = 0;
    *number = strtoul(text, NULL, 10);
    return *text != '\0' && text[strspn(text, DIGITS)] == '\0' && errno == 0 && *number <= most;
}
