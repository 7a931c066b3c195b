/* SPDX-License-Identifier: MIT */
/* Without libedit: no editor ever opens, so the rest is never called. */
#include "tcpc/edit.h"

const char *editor_name(void)
{
    return "none";
}

struct editor *editor_open(bool (*wait_key)(void *context), void *context)
{
    (void)wait_key;
    (void)context;
    return NULL;
}

const char *editor_read(struct editor *editor, size_t *length)
{
    (void)editor;
    *length = 0;
    return NULL;
}

void editor_print(struct editor *editor, const char *text, size_t length)
{
    (void)editor;
    (void)text;
    (void)length;
}

void editor_notice(struct editor *editor, const char *line)
{
    (void)editor;
    (void)line;
}

void editor_signalled(struct editor *editor, int signal)
{
    (void)editor;
    (void)signal;
}

void editor_finish(struct editor *editor)
{
    (void)editor;
}

void editor_close(struct editor *editor)
{
    (void)editor;
}
