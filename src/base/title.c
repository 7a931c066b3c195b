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

/* In one piece, so that nothing is lost when unsetenv(3) takes a string out of the list. */
static char **copy_strings(char **strings)
{
    size_t count = 0, bytes = 0;
    for (; strings[count]; count++)
        bytes += strlen(strings[count]) + 1;
    char **copy = malloc((count + 1) * sizeof *copy + bytes);
    if (!copy)
        return NULL;
    char *at = (char *)(copy + count + 1);
    for (size_t i = 0; i < count; i++) {
        copy[i] = at;
        at = stpcpy(at, strings[i]) + 1;
    }
    copy[count] = NULL;
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
    free(arguments);
    free(environment);
    arguments = environment = environ = NULL;
}
