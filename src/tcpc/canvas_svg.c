/* SPDX-License-Identifier: MIT */
#include "tcpc/canvas.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH    900
#define CLIENT_X 250
#define SERVER_X 750
#define TIME_X   110 /* where the time ends */
#define LINE     18  /* from one line of text to the next */
#define ROW      34  /* a row whose ends enter one state at most */
#define SLOPE    8   /* how much lower an arrow ends than it begins */
#define HEAD     9   /* of an arrow, its length */
#define MARGIN   16

struct svg_canvas {
    struct canvas canvas;
    FILE *file;
    unsigned long height; /* so far */
};

/* The height is known at the end: the head is then written once more, in the same length. */
static void write_head(const struct svg_canvas *svg)
{
    fprintf(svg->file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%010lu\" "
            "viewBox=\"0 0 %d %010lu\">\n",
            WIDTH, svg->height, WIDTH, svg->height);
}

static void write_style(const struct svg_canvas *svg)
{
    fputs("<style>\n"
          "text { font: 13px monospace; fill: #222 }\n"
          ".state { font-weight: bold }\n"
          ".time { fill: #888 }\n"
          ".life { stroke: #bbb; stroke-width: 2 }\n"
          ".arrow { stroke-width: 1.5; fill: none }\n"
          ".data { stroke: #222 } .syn { stroke: #0a7d2c } .fin { stroke: #0b6fa4 }\n"
          ".rst { stroke: #c00 } .marked { stroke: #b36b00 } .folded { stroke: #888 }\n"
          "</style>\n"
          "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
          svg->file);
}

static void write_text(const struct svg_canvas *svg, unsigned x, unsigned long y,
                       const char *attributes, const char *text)
{
    fprintf(svg->file, "<text x=\"%u\" y=\"%lu\"%s>", x, y, attributes);
    for (; *text; text++) {
        if (*text == '<')
            fputs("&lt;", svg->file);
        else if (*text == '>')
            fputs("&gt;", svg->file);
        else if (*text == '&')
            fputs("&amp;", svg->file);
        else
            putc(*text, svg->file);
    }
    fputs("</text>\n", svg->file);
}

static void write_life(const struct svg_canvas *svg, unsigned long height)
{
    static const int xs[] = {CLIENT_X, SERVER_X};
    for (size_t i = 0; i < 2; i++)
        fprintf(svg->file, "<path class=\"life\" d=\"M%d %lu v%lu\"/>\n", xs[i], svg->height,
                height);
}

static void svg_heading(struct canvas *canvas, const char *client, const char *server)
{
    struct svg_canvas *svg = (struct svg_canvas *)canvas;
    unsigned long y = svg->height + LINE;
    write_text(svg, CLIENT_X, y, " text-anchor=\"middle\" class=\"state\"", "client");
    write_text(svg, SERVER_X, y, " text-anchor=\"middle\" class=\"state\"", "server");
    write_text(svg, CLIENT_X, y + LINE, " text-anchor=\"middle\"", client);
    write_text(svg, SERVER_X, y + LINE, " text-anchor=\"middle\"", server);
    svg->height += 2 * LINE + LINE / 2;
}

static void write_arrow(const struct svg_canvas *svg, const struct ladder_row *row, unsigned long y)
{
    static const char *const classes[] = {
        [LADDER_DATA] = "data", [LADDER_SYN] = "syn",       [LADDER_FIN] = "fin",
        [LADDER_RST] = "rst",   [LADDER_MARKED] = "marked", [LADDER_FOLDED] = "folded",
    };
    if (!row->label[0])
        return;
    bool right = row->from == FLOW_CLIENT;
    int from = right ? CLIENT_X : SERVER_X, to = right ? SERVER_X : CLIENT_X;
    int back = right ? -HEAD : HEAD;
    fprintf(svg->file, "<path class=\"arrow %s\" d=\"M%d %lu L%d %lu m%d %d L%d %lu l%d %d\"/>\n",
            classes[row->kind], from, y, to, y + SLOPE, back, -5, to, y + SLOPE, back, 4);
}

static void write_states(const struct svg_canvas *svg, const struct ladder_row *row,
                         unsigned long y)
{
    for (size_t i = 0; i < row->entered_count[FLOW_CLIENT]; i++)
        write_text(svg, CLIENT_X - 10, y + i * LINE, " text-anchor=\"end\" class=\"state\"",
                   state_name(row->entered[FLOW_CLIENT][i]));
    for (size_t i = 0; i < row->entered_count[FLOW_SERVER]; i++)
        write_text(svg, SERVER_X + 10, y + i * LINE, " class=\"state\"",
                   state_name(row->entered[FLOW_SERVER][i]));
}

static void svg_row(struct canvas *canvas, const struct ladder_row *row)
{
    struct svg_canvas *svg = (struct svg_canvas *)canvas;
    char time[LADDER_TIME_MAX];
    size_t states = row->entered_count[FLOW_CLIENT] > row->entered_count[FLOW_SERVER]
                        ? row->entered_count[FLOW_CLIENT]
                        : row->entered_count[FLOW_SERVER];
    unsigned long y = svg->height + ROW / 2, height = ROW + (states > 1 ? states - 1 : 0) * LINE;
    write_life(svg, height);
    write_text(svg, TIME_X, y + 4, " text-anchor=\"end\" class=\"time\"",
               ladder_time(row->time, time));
    write_arrow(svg, row, y);
    write_text(svg, (CLIENT_X + SERVER_X) / 2, y - 2, " text-anchor=\"middle\"", row->label);
    write_states(svg, row, y + 4);
    svg->height += height;
}

static void svg_note(struct canvas *canvas, const char *line)
{
    struct svg_canvas *svg = (struct svg_canvas *)canvas;
    svg->height += LINE;
    write_text(svg, MARGIN, svg->height, "", line);
}

static int svg_close(struct canvas *canvas, struct error *error)
{
    struct svg_canvas *svg = (struct svg_canvas *)canvas;
    svg->height += MARGIN;
    fputs("</svg>\n", svg->file);
    rewind(svg->file);
    write_head(svg);
    bool failed = ferror(svg->file) != 0;
    failed |= fclose(svg->file) != 0;
    int errnum = errno;
    free(svg);
    return failed ? error_set(error, errnum, "cannot write the picture") : 0;
}

static const struct canvas_ops svg_ops = {svg_heading, svg_row, svg_note, svg_close};

struct canvas *canvas_svg_open(const char *path, struct error *error)
{
    struct svg_canvas *svg = calloc(1, sizeof *svg);
    FILE *file = svg ? fopen(path, "we") : NULL;
    if (!file || fseek(file, 0, SEEK_SET) != 0) {
        error_set(error, errno, "--trace: cannot write %.200s", path);
        if (file)
            fclose(file);
        free(svg);
        return NULL;
    }
    svg->canvas = (struct canvas){&svg_ops, true};
    svg->file = file;
    write_head(svg);
    write_style(svg);
    return &svg->canvas;
}
