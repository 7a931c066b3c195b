/* SPDX-License-Identifier: MIT */
#include "tcpc/canvas.h"

#include "tcpc/ends.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_OF_NO_TERMINAL 80

struct text_canvas {
    struct canvas canvas;
    const struct story *story;
    bool colour;
};

/* https://no-color.org: set, and not empty. */
static bool wants_colour(void)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(STDERR_FILENO) && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
}

/* Asked for each row: a window may have changed its size. */
static unsigned width_now(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return WIDTH_OF_NO_TERMINAL;
    if (size.ws_col < LADDER_NARROWEST)
        return LADDER_NARROWEST;
    return size.ws_col < LADDER_WIDEST ? size.ws_col : LADDER_WIDEST;
}

static struct ladder_style style_of(const struct text_canvas *text)
{
    return (struct ladder_style){width_now(), text->canvas.utf8, text->colour};
}

static void print(const struct text_canvas *text, const char *lines)
{
    text->story->print(text->story->context, lines);
}

static void text_heading(struct canvas *canvas, const char *client, const char *server)
{
    const struct text_canvas *text = (struct text_canvas *)canvas;
    struct ladder_style style = style_of(text);
    char buffer[LADDER_MAX];
    ladder_heading(buffer, &style, client, server);
    print(text, buffer);
}

static void text_row(struct canvas *canvas, const struct ladder_row *row)
{
    const struct text_canvas *text = (struct text_canvas *)canvas;
    struct ladder_style style = style_of(text);
    char buffer[LADDER_MAX];
    ladder_draw(buffer, &style, row);
    print(text, buffer);
}

static void text_note(struct canvas *canvas, const char *line)
{
    const struct text_canvas *text = (struct text_canvas *)canvas;
    char buffer[LADDER_MAX];
    snprintf(buffer, sizeof buffer, "%*s%s\n", LADDER_INDENT, "", line);
    print(text, buffer);
}

static int text_close(struct canvas *canvas, struct error *error)
{
    (void)error;
    free(canvas);
    return 0;
}

static const struct canvas_ops text_ops = {text_heading, text_row, text_note, text_close};

struct canvas *canvas_text_open(const struct story *story)
{
    struct text_canvas *text = calloc(1, sizeof *text);
    if (!text)
        return NULL;
    text->canvas = (struct canvas){&text_ops, ends_utf8()};
    text->story = story;
    text->colour = wants_colour();
    return &text->canvas;
}
