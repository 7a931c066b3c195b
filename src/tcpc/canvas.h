/* SPDX-License-Identifier: MIT */
/* What a ladder is drawn on: lines of text on stderr, or a picture in a file. */
#ifndef TCPD_TCPC_CANVAS_H
#define TCPD_TCPC_CANVAS_H

#include "base/error.h"
#include "tcpc/ladder.h"
#include "tcpc/story.h"

struct canvas;

struct canvas_ops {
    /* Who the two columns are; from here on rows are about these two. */
    void (*heading)(struct canvas *canvas, const char *client, const char *server);
    void (*row)(struct canvas *canvas, const struct ladder_row *row);
    void (*note)(struct canvas *canvas, const char *line); /* a line of text without newline */
    /* Completes what is drawn and frees the canvas.  -1 with an error: it is not complete. */
    int (*close)(struct canvas *canvas, struct error *error);
};

/* The first member of each kind of canvas. */
struct canvas {
    const struct canvas_ops *ops;
    bool utf8; /* what text may contain */
};

/*
 * Lines through the story's print, which is borrowed: as wide as the terminal that stderr is (80
 * columns if it is none), in colour if it is one that wants it, in UTF-8 if the locale has it.
 * NULL: no memory.
 */
struct canvas *canvas_text_open(const struct story *story);

/* A picture in SVG.  The file is complete after close.  NULL with an error. */
struct canvas *canvas_svg_open(const char *path, struct error *error);

#endif
