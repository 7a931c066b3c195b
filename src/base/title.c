/* SPDX-License-Identifier: MIT */
#include "base/title.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static char *room; /* argv and, where it follows, the environment */
static size_t room_size;
static char **arguments, **environment; /* the copies */

/* The end of the strings that stand one behind the other from `end` on. */
static char *end_of(char **strings, char *end)
{
    for (; *strings && *strings == end; strings++)
        end = *strings + strlen(*strings) + 1;
    return end;
}

static void free_strings(char **strings)
{
    for (char **string = strings; string && *string; string++)
        free(*string);
    free(strings);
}

static char **copy_strings(char **strings)
{
    size_t count = 0;
    while (strings[count])
        count++;
    char **copy = calloc(count + 1, sizeof *copy);
    for (size_t i = 0; copy && i < count; i++)
        copy[i] = strdup(strings[i]);
    return copy;
}

/* What stands in the room goes elsewhere before the room is written to. */
char **title_init(char **argv)
{
    arguments = copy_strings(argv);
    environment = copy_strings(environ);
    if (!arguments || !environment || !argv[0])
        return argv;
    room = argv[0];
    room_size = (size_t)(end_of(environ, end_of(argv, argv[0])) - room);
    environ = environment;
    return arguments;
}

void title_set(const char *format, ...)
{
    char title[128];
    va_list args;
    va_start(args, format);
    vsnprintf(title, sizeof title, format, args);
    va_end(args);
    prctl(PR_SET_NAME, title);
    if (!room)
        return;
    memset(room, 0, room_size);
    memcpy(room, title, strnlen(title, room_size - 1));
}

void title_fini(void)
{
    free_strings(arguments);
    free_strings(environment);
    arguments = environment = environ = NULL;
}
