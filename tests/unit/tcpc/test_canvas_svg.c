/* SPDX-License-Identifier: MIT */
#include "tcpc/canvas.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/tcpd-canvas-XXXXXX";
static char content[65536];

static struct canvas *begin(void)
{
    struct error error;
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
    struct canvas *canvas = canvas_svg_open(path, &error);
    cr_assert_not_null(canvas);
    return canvas;
}

static void finish(struct canvas *canvas)
{
    struct error error;
    cr_assert_eq(canvas->ops->close(canvas, &error), 0);
    FILE *file = fopen(path, "re");
    cr_assert_not_null(file);
    content[fread(content, 1, sizeof content - 1, file)] = '\0';
    fclose(file);
    unlink(path);
}

static void has(const char *words)
{
    cr_expect_not_null(strstr(content, words), "no %s in %s", words, content);
}

Test(canvas_svg, a_picture_is_complete)
{
    struct canvas *canvas = begin();
    struct ladder_row row = {.from = FLOW_SERVER,
                             .kind = LADDER_FIN,
                             .label = "FIN seq=1 \u2026",
                             .entered_count = {1, 2},
                             .entered = {{STATE_FIN_WAIT_2}, {STATE_CLOSE_WAIT, STATE_LAST_ACK}}};
    canvas->ops->heading(canvas, "1.2.3.4:5", "6.7.8.9:10");
    canvas->ops->row(canvas, &row);
    finish(canvas);
    cr_expect_eq(strncmp(content, "<svg xmlns=\"http://www.w3.org/2000/svg\" ", 40), 0);
    cr_expect_str_eq(content + strlen(content) - 7, "</svg>\n");
    has(">1.2.3.4:5</text>");
    has(">FIN seq=1 \u2026</text>");
    has(">LAST_ACK</text>");
    has("class=\"arrow fin\" d=\"M750 ");
    cr_expect_null(strstr(content, "height=\"0000000000\""));
}

Test(canvas_svg, text_is_text)
{
    struct canvas *canvas = begin();
    canvas->ops->note(canvas, "a<b>&c");
    finish(canvas);
    has(">a&lt;b&gt;&amp;c</text>");
}

Test(canvas_svg, a_state_without_a_segment_has_no_arrow)
{
    struct canvas *canvas = begin();
    struct ladder_row row = {.entered_count = {1, 0}, .entered = {{STATE_SYN_SENT}}};
    canvas->ops->row(canvas, &row);
    finish(canvas);
    has(">SYN_SENT</text>");
    cr_expect_null(strstr(content, "class=\"arrow"));
}

Test(canvas_svg, what_cannot_be_written_is_said)
{
    struct error error;
    cr_expect_null(canvas_svg_open("/nowhere/x.svg", &error));
    cr_expect_str_eq(error.text, "--trace: cannot write /nowhere/x.svg: No such file or directory");
    struct canvas *canvas = canvas_svg_open("/dev/full", &error);
    if (canvas) {
        cr_expect_neq(canvas->ops->close(canvas, &error), 0);
        cr_expect_str_eq(error.text, "cannot write the picture: No space left on device");
    }
}
