/* SPDX-License-Identifier: MIT */
#include "tcpc/edit.h"

#include "tcpc/history.h"

#include <errno.h>
#include <histedit.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

/* The last line of the peer, as long as no newline has ended it: it is shown as the prompt. */
#define PROMPT_MAX 4096

struct editor {
    EditLine *line;
    History *history;
    bool editing;  /* a line is being typed: the screen is libedit's */
    bool finished; /* no line will be typed any more */
    size_t length; /* of the prompt */
    char prompt[PROMPT_MAX];
    char path[HISTORY_PATH_MAX]; /* empty: no history is kept */
    bool (*wait_key)(void *context);
    void *context;
};

const char *editor_name(void)
{
    return "libedit";
}

/* --- the screen --- */

static int columns(const struct editor *editor)
{
    int count = 0;
    el_get(editor->line, EL_GETTC, "co", &count);
    return count > 1 ? count : 80;
}

/* The columns of a character as libedit draws it, beginning at column. */
static int width_of(wchar_t c, int column)
{
    if (c == L'\t')
        return 8 - column % 8;
    if (c < 0x20 || c == 0x7f)
        return 2; /* ^X */
    int width = wcwidth(c);
    return width < 0 ? 8 : width; /* \U+12345 */
}

static int width_of_text(const char *text, size_t length)
{
    mbstate_t state = {0};
    int column = 0;
    while (length > 0) {
        wchar_t c;
        size_t n = mbrtowc(&c, text, length, &state);
        if (n == 0 || n > length) /* no character: one byte, one column */
            n = 1, c = L'?', state = (mbstate_t){0};
        column += width_of(c, column);
        text += n;
        length -= n;
    }
    return column;
}

static int width_to_cursor(const struct editor *editor)
{
    const LineInfoW *info = el_wline(editor->line);
    int column = width_of_text(editor->prompt, editor->length);
    for (const wchar_t *c = info->buffer; c < info->cursor; c++)
        column += width_of(*c, column);
    return column;
}

static void put_capability(const struct editor *editor, const char *name)
{
    char *text = NULL;
    el_get(editor->line, EL_GETTC, name, &text);
    if (text)
        fputs(text, stdout);
}

static bool can_erase(const struct editor *editor)
{
    char *up = NULL, *clear = NULL;
    el_get(editor->line, EL_GETTC, "up", &up);
    el_get(editor->line, EL_GETTC, "cd", &clear);
    return up && *up && clear && *clear;
}

/* Takes prompt and typed text off the screen; on a terminal that cannot, leaves them standing. */
static void erase(const struct editor *editor)
{
    if (!can_erase(editor)) {
        putchar('\n');
        return;
    }
    putchar('\r');
    for (int row = width_to_cursor(editor) / columns(editor); row > 0; row--)
        put_capability(editor, "up");
    put_capability(editor, "cd");
}

static void redraw(const struct editor *editor)
{
    fflush(stdout);
    el_set(editor->line, EL_REFRESH);
}

/* --- printing above the line --- */

/* A tab would be drawn where libedit does not expect it. */
static void prompt_add(struct editor *editor, char c)
{
    do {
        editor->prompt[editor->length++] = c == '\t' ? ' ' : c;
    } while (c == '\t' && editor->length % 8 != 0);
    editor->prompt[editor->length] = '\0';
}

static void prompt_flush(struct editor *editor, bool newline)
{
    fwrite(editor->prompt, 1, editor->length, stdout);
    if (newline)
        putchar('\n');
    editor->length = 0;
    editor->prompt[0] = '\0';
}

/* A prompt as wide as the screen is broken where the terminal would have broken it. */
static bool prompt_full(const struct editor *editor, char next)
{
    if (editor->length >= PROMPT_MAX - 16)
        return true;
    if ((next & 0xc0) == 0x80) /* the rest of a character */
        return false;
    return editor->length >= (size_t)columns(editor) &&
           width_of_text(editor->prompt, editor->length) >= columns(editor);
}

/* The beginning of a line whose end has not come. */
static void print_unfinished(struct editor *editor, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (prompt_full(editor, text[i]))
            prompt_flush(editor, true);
        prompt_add(editor, text[i]);
    }
    if (editor->finished)
        prompt_flush(editor, false);
}

void editor_print(struct editor *editor, const char *text, size_t length)
{
    const char *newline = memrchr(text, '\n', length);
    size_t lines = newline ? (size_t)(newline - text) + 1 : 0;
    if (editor->editing)
        erase(editor);
    if (lines) {
        prompt_flush(editor, false);
        fwrite(text, 1, lines, stdout);
    }
    print_unfinished(editor, text + lines, length - lines);
    if (editor->editing)
        redraw(editor);
    fflush(stdout);
}

void editor_notice(struct editor *editor, const char *line)
{
    if (editor->editing)
        erase(editor);
    fflush(stdout);
    fputs(line, stderr);
    if (editor->editing)
        redraw(editor);
}

/* The connection has ended under the user's hands: what was typed is gone, what was said stays. */
static void drop_line(struct editor *editor)
{
    erase(editor);
    prompt_flush(editor, editor->length > 0);
    fflush(stdout);
    editor->editing = false;
}

void editor_signalled(struct editor *editor, int signal)
{
    if (signal == SIGWINCH)
        el_resize(editor->line);
    if (!editor->editing)
        return;
    if (signal == SIGTSTP) {
        el_set(editor->line, EL_PREP_TERM, 0);
        raise(SIGSTOP);
    }
    if (signal == SIGCONT) {
        el_set(editor->line, EL_PREP_TERM, 1);
        redraw(editor);
    }
}

/* --- keys --- */

static char *show_prompt(EditLine *line)
{
    struct editor *editor = NULL;
    el_get(line, EL_CLIENTDATA, &editor);
    return editor->prompt;
}

/* One byte, after the connection had its turns.  False at the end. */
static bool read_byte(struct editor *editor, char *byte)
{
    ssize_t n;
    do {
        if (!editor->wait_key(editor->context)) {
            drop_line(editor);
            return false;
        }
        n = read(STDIN_FILENO, byte, 1);
    } while (n < 0 && (errno == EINTR || errno == EAGAIN));
    return n == 1;
}

/* libedit asks for the next key.  A byte that begins no character is passed over. */
static int read_key(EditLine *line, wchar_t *key)
{
    struct editor *editor = NULL;
    mbstate_t state = {0};
    char byte;
    el_get(line, EL_CLIENTDATA, &editor);
    while (read_byte(editor, &byte)) {
        size_t n = mbrtowc(key, &byte, 1, &state);
        if (n == 1 || n == 0)
            return 1;
        if (n == (size_t)-1)
            state = (mbstate_t){0};
    }
    return 0;
}

/* --- history --- */

static void history_load(struct editor *editor)
{
    HistEvent event;
    editor->history = history_init();
    if (!editor->history)
        return;
    history(editor->history, &event, H_SETSIZE, HISTORY_LINES);
    history(editor->history, &event, H_SETUNIQUE, 1);
    el_set(editor->line, EL_HIST, history, editor->history);
    if (history_path(editor->path, getenv("XDG_STATE_HOME"), getenv("HOME")))
        history(editor->history, &event, H_LOAD, editor->path);
    else
        editor->path[0] = '\0';
}

/* History is a comfort: whatever fails here is no error. */
static void history_store(struct editor *editor)
{
    HistEvent event;
    if (!editor->history || !editor->path[0])
        return;
    FILE *file = history_create(editor->path);
    if (!file)
        return;
    history(editor->history, &event, H_SAVE_FP, file);
    history_replace(editor->path, file);
}

static void history_keep(struct editor *editor, const char *line)
{
    HistEvent event;
    if (editor->history && history_wants(line))
        history(editor->history, &event, H_ENTER, line);
}

/* --- the life of an editor --- */

struct editor *editor_open(bool (*wait_key)(void *context), void *context)
{
    struct editor *editor = calloc(1, sizeof *editor);
    if (!editor)
        return NULL;
    editor->wait_key = wait_key;
    editor->context = context;
    editor->line = el_init("tcpc", stdin, stdout, stderr);
    if (!editor->line) {
        free(editor);
        return NULL;
    }
    el_set(editor->line, EL_CLIENTDATA, editor);
    el_set(editor->line, EL_PROMPT, show_prompt);
    el_set(editor->line, EL_EDITOR, "emacs");
    el_set(editor->line, EL_GETCFN, read_key);
    el_set(editor->line, EL_SIGNAL, 0);
    el_set(editor->line, EL_BIND, "^R", "em-inc-search-prev", NULL);
    history_load(editor);
    el_source(editor->line, NULL); /* ~/.editrc, as in every program that uses libedit */
    return editor;
}

const char *editor_read(struct editor *editor, size_t *length)
{
    int count = 0;
    editor->editing = true;
    const char *line = el_gets(editor->line, &count);
    editor->editing = false;
    bool typed = line && count > 0;
    if (!typed && editor->length > 0)
        putchar('\n');
    editor->length = 0; /* the prompt stays on the screen, with the line behind it */
    editor->prompt[0] = '\0';
    if (!typed)
        return NULL;
    *length = (size_t)count;
    history_keep(editor, line);
    return line;
}

void editor_finish(struct editor *editor)
{
    editor->finished = true; /* libedit gave the terminal back when the last line was read */
}

void editor_close(struct editor *editor)
{
    editor_finish(editor);
    history_store(editor);
    el_end(editor->line);
    if (editor->history)
        history_end(editor->history);
    free(editor);
}
