/* SPDX-License-Identifier: MIT */
/* tcpctl import-inetd: no daemon is asked. */
#include "tcpctl/heap.h"
#include "tcpctl/import.h"
#include "tcpctl/import_program.h"
#include "tcpctl/import_words.h"
#include "tcpctl/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define SIZE_MAX_READ (1024U * 1024)
#define PIECE         65536

static const struct format {
    const char *name;
    import_reader *read;
} formats[] = {
    {"inetd", import_inetd},
    {"inetutils", import_inetutils},
    {"xinetd", import_xinetd},
    {"tcpserver", import_tcpserver},
};

import_reader *import_reader_named(const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(formats[i].name, name) == 0)
            return formats[i].read;
    }
    return NULL;
}

static bool is_one_of(const char *word, const char *const *words)
{
    while (*words && strcmp(*words, word) != 0)
        words++;
    return *words != NULL;
}

static bool has_tcpserver(const struct import_list *words)
{
    for (size_t i = 0; i < words->count; i++) {
        if (strcmp(import_base(words->items[i]), "tcpserver") == 0)
            return true;
    }
    return false;
}

/* By the words of the first line that is no comment; a script may begin with others. */
static import_reader *reader_of_line(const struct import_list *words)
{
    static const char *const xinetd[] = {"service", "defaults", "include", "includedir", NULL};
    if (is_one_of(words->items[0], xinetd) && words->count < 4)
        return import_xinetd;
    if (has_tcpserver(words))
        return import_tcpserver;
    return strcmp(words->items[0], "exec") == 0 ? NULL : import_inetd;
}

import_reader *import_reader_for(const char *text)
{
    struct import import = {.memory = memory_new()};
    struct import_lines lines = {.at = text};
    import_reader *reader = NULL;
    while (!reader && import_lines_next(&import, &lines)) {
        struct import_list words = import_words(&import, lines.line);
        if (words.count > 0 && words.items[0][0] != '#')
            reader = reader_of_line(&words);
    }
    memory_free(import.memory);
    return reader ? reader : import_inetd;
}

/* The whole stream, and a NUL behind it; NULL: errno tells why not, 0 that it is too long. */
static char *read_stream(FILE *stream, size_t *length)
{
    char *text = heap_grow(NULL, PIECE + 1, 1);
    size_t count;
    *length = 0;
    errno = 0;
    while ((count = fread(text + *length, 1, PIECE, stream)) > 0 && *length <= SIZE_MAX_READ) {
        *length += count;
        text = heap_grow(text, *length + PIECE + 1, 1);
    }
    text[*length] = '\0';
    if (!ferror(stream) && *length <= SIZE_MAX_READ)
        return text;
    free(text);
    return NULL;
}

const char *import_read(struct import *import, struct import_place place, const char *file)
{
    bool standard = strcmp(file, "-") == 0;
    FILE *stream = standard ? stdin : fopen(file, "re");
    size_t length;
    char *text = stream ? read_stream(stream, &length) : NULL;
    const char *copy = NULL;
    if (!text)
        import_error(import, place, "%s cannot be read: %s", file,
                     errno ? strerror(errno) : "it is larger than 1 MiB");
    else if (strlen(text) < length)
        import_error(import, place, "%s is no text: it has a byte 0", file);
    else
        copy = memory_copy(import->memory, text, length);
    free(text);
    if (stream && !standard)
        fclose(stream);
    return copy;
}

/* Whether it could be read; mistakes in it are counted in the import. */
static bool read_argument(struct import *import, const char *file, const char *format)
{
    const char *text = import_read(import, (struct import_place){file, 1}, file);
    if (!text)
        return false;
    import_reader *reader = format ? import_reader_named(format) : import_reader_for(text);
    reader(import, strcmp(file, "-") == 0 ? "<stdin>" : file, text);
    return true;
}

int import_run(const struct options *options)
{
    struct import import = {.memory = memory_new()};
    bool readable = true;
    for (unsigned i = 0; i < options->argument_count; i++)
        readable &= read_argument(&import, options->arguments[i], options->format);
    if (import.errors == 0)
        import_check(&import);
    if (import.errors == 0) {
        import_warn(&import, stderr);
        import_print(&import, stdout);
    }
    int status = import.errors == 0 ? EX_OK : readable ? EX_DATAERR : EX_NOINPUT;
    memory_free(import.memory);
    return status;
}
