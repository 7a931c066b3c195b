/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "tcpctl/field.h"
#include "tcpctl/figures.h"
#include "tcpctl/heap.h"
#include "tcpctl/options.h"
#include "tcpctl/print.h"
#include "tcpctl/table.h"
#include "tcpctl/text.h"
#include "tcpctl/top.h"
#include "tcpctl/watch.h"

#include <errno.h>
#include <ncurses.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <term.h>
#include <time.h>
#include <unistd.h>

#define INTERVAL (2 * CLOCK_S)

struct top {
    struct watch watch;
    const struct figures_order *order;
    bool reverse;
    size_t skipped; /* connections above the first one that is shown */
    bool leave;
    bool gone; /* the terminal is */
};

/* --- Signals, which come only while the program waits --- */

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

static volatile sig_atomic_t caught; /* the signal that ends the program, or 0 */

static void catch (int signal)
{
    caught = signal;
}

/* Those that are ignored stay so.  *before becomes the mask to wait with. */
static void hold_signals(sigset_t *before)
{
    sigset_t held;
    sigemptyset(&held);
    sigaddset(&held, SIGWINCH);
    sigaddset(&held, SIGTSTP);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction action;
        sigaddset(&held, signals[i]);
        sigaction(signals[i], NULL, &action);
        if (action.sa_handler != SIG_IGN)
            sigaction(signals[i], &(struct sigaction){.sa_handler = catch}, NULL);
    }
    sigprocmask(SIG_BLOCK, &held, before);
}

static void end_by_signal(int signal, const sigset_t *before)
{
    sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    raise(signal);
    sigprocmask(SIG_SETMASK, before, NULL);
}

/* --- The screen --- */

/* A clean text on a line of its own, cut at the edge; the attribute fills the line. */
static void put_line(int line, attr_t attribute, const char *text)
{
    if (line < 0 || line >= LINES)
        return;
    mvhline(line, 0, (chtype)' ' | attribute, COLS);
    attron(attribute);
    mvaddnstr(line, 0, text, (int)text_fit(text, (size_t)COLS));
    attroff(attribute);
}

static void say(int line, attr_t attribute, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(int line, attr_t attribute, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    char *text = heap_vprint(format, values);
    va_end(values);
    char *clean = text_clean(text);
    put_line(line, attribute, clean);
    free(clean);
    free(text);
}

static void draw_head(const struct figures *figures)
{
    char uptime[TEXT_NUMBER_MAX];
    const json_t *status = figures->status;
    if (!status)
        return say(0, A_BOLD, "tcpd");
    say(0, A_BOLD, "tcpd %s  %s  pid %.0f  up %s  generation %.0f  %.0f open of at most %.0f",
        field_text(status, "version"), field_text(status, "state"), field_number(status, "pid"),
        text_duration(field_number(status, "uptime"), uptime), field_number(status, "generation"),
        field_number(status, "open"), field_number(status, "limit"));
}

static void draw_rates(const struct figures *figures)
{
    char accepted[TEXT_NUMBER_MAX], received[TEXT_NUMBER_MAX], sent[TEXT_NUMBER_MAX];
    if (!figures->has_rates)
        return say(1, A_NORMAL, "accepted -  received -  sent -");
    say(1, A_NORMAL, "accepted %s/s  received %s/s  sent %s/s",
        text_rate(figures->accepted, accepted), text_size(figures->received, received),
        text_size(figures->sent, sent));
}

static void draw_trouble(const struct watch *watch)
{
    if (watch->trouble.text[0])
        say(2, A_REVERSE, "trying again: %s", watch->trouble.text);
}

static void draw_help(void)
{
    char *help = heap_print("sort by:");
    for (const struct figures_order *order = figures_orders; order->name; order++) {
        char *longer = heap_print("%s %c %s,", help, order->key, order->name);
        free(help);
        help = longer;
    }
    say(LINES - 1, A_REVERSE, "%s again: reverse; arrows: scroll; space: now; q: leave", help);
    free(help);
}

/* As much of the table as fits below the line, at most `most` rows.  Returns the next free line. */
static int draw_table(const struct table *table, int line, int most)
{
    char *header = table_header(table);
    put_line(line++, A_REVERSE, header);
    free(header);
    for (size_t row = 0; row < table_rows(table) && (int)row < most; row++) {
        char *text = table_line(table, row);
        put_line(line++, A_NORMAL, text);
        free(text);
    }
    return line;
}

static const struct field service_fields[] = {
    {"SERVICE", "name", FIELD_TEXT},      {"STATE", "state", FIELD_TEXT},
    {"ACTIVE", "active", FIELD_COUNT},    {"ACCEPTED", "accepted", FIELD_COUNT},
    {"A/S", "accepted_rate", FIELD_RATE}, {"REJECTED", "rejected", FIELD_COUNT},
    {"RECEIVED", "received", FIELD_SIZE}, {"R/S", "received_rate", FIELD_SIZE},
    {"SENT", "sent", FIELD_SIZE},         {"S/S", "sent_rate", FIELD_SIZE},
};

#define SERVICE_FIELDS (sizeof service_fields / sizeof *service_fields)

/* Services leave half of the screen to the connections. */
static int draw_services(const struct figures *figures, int line)
{
    struct table table = {0};
    const json_t *services = json_object_get(figures->services, "services");
    field_add_columns(&table, service_fields, SERVICE_FIELDS);
    for (size_t i = 0; i < json_array_size(services); i++)
        field_add_row(&table, service_fields, SERVICE_FIELDS, json_array_get(services, i));
    int most = LINES / 2 - line;
    line = draw_table(&table, line, most);
    int hidden = (int)table_rows(&table) - (most > 0 ? most : 0);
    if (hidden > 0)
        say(line++, A_DIM, "%d more", hidden);
    table_free(&table);
    return line;
}

static void draw_connections(struct top *top, int line)
{
    size_t count;
    const json_t **sorted = figures_sort(&top->watch.figures, top->order, top->reverse, &count);
    if (top->skipped >= count)
        top->skipped = count ? count - 1 : 0;
    struct table table = {0};
    field_add_columns(&table, print_connection_fields, print_connection_field_count);
    int room = LINES - line - 3; /* without the two lines above and the help below */
    size_t end = room > 0 ? top->skipped + (size_t)room : top->skipped;
    for (size_t i = top->skipped; i < count && i < end; i++)
        field_add_row(&table, print_connection_fields, print_connection_field_count, sorted[i]);
    say(line, A_NORMAL, "%zu connection%s by %s%s, from number %zu", count, count == 1 ? "" : "s",
        top->order->name, top->reverse ? ", reversed" : "", top->skipped + (count > 0));
    draw_table(&table, line + 1, room);
    table_free(&table);
    free(sorted);
}

static void draw(struct top *top)
{
    const struct figures *figures = &top->watch.figures;
    erase();
    draw_head(figures);
    draw_rates(figures);
    draw_trouble(&top->watch);
    draw_connections(top, draw_services(figures, 3) + 1);
    draw_help();
    refresh();
}

/* --- Keys --- */

static void scroll_by(struct top *top, long rows)
{
    if (rows < 0 && top->skipped < (size_t)-rows)
        top->skipped = 0;
    else
        top->skipped += (size_t)rows; /* drawing keeps it below the number of connections */
}

static void sort_by(struct top *top, const struct figures_order *order)
{
    top->reverse = order == top->order && !top->reverse;
    top->order = order;
    top->skipped = 0;
}

static void take_key(struct top *top, int key)
{
    static const struct {
        int key;
        int rows, pages;
    } steps[] = {{KEY_DOWN, 1, 0}, {KEY_UP, -1, 0}, {KEY_NPAGE, 0, 1}, {KEY_PPAGE, 0, -1}};
    const struct figures_order *order = figures_order_find(key);
    if (order)
        sort_by(top, order);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (steps[i].key == key)
            scroll_by(top, steps[i].rows + (long)steps[i].pages * (LINES / 2));
    }
    if (key == ' ')
        watch_hurry(&top->watch, clock_now());
    if (key == KEY_RESIZE)
        clearok(curscr, TRUE);
    top->leave |= key == 'q';
}

/* A flood of keys does not keep the daemon's answers waiting. */
static bool take_keys(struct top *top)
{
    int count = 0;
    for (int key = getch(); key != ERR && count < 64; key = getch(), count++)
        take_key(top, key);
    return count > 0;
}

/* --- From the first to the last --- */

/* Waits for a key, an answer, the time or a signal. */
static void wait_for_something(struct top *top, const sigset_t *mask)
{
    struct pollfd wanted[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                              {.fd = watch_fd(&top->watch), .events = POLLIN}};
    uint64_t now = clock_now();
    uint64_t due = watch_due(&top->watch);
    uint64_t left = due > now ? due - now : 0;
    struct timespec limit = {.tv_sec = (time_t)(left / CLOCK_S), .tv_nsec = (long)(left % CLOCK_S)};
    if (ppoll(wanted, 2, &limit, mask) > 0)
        top->gone = (wanted[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

static void run(struct top *top, const sigset_t *mask)
{
    draw(top);
    while (!top->leave && !top->gone && !caught) {
        wait_for_something(top, mask);
        bool changed = take_keys(top);
        changed |= watch_turn(&top->watch, clock_now());
        if (changed && !top->leave)
            draw(top);
    }
}

/* Asked before newterm(), which loses memory when it fails. */
static bool is_terminal_known(void)
{
    int error;
    if (setupterm(NULL, STDOUT_FILENO, &error) != OK)
        return false;
    del_curterm(cur_term);
    return true;
}

static SCREEN *open_screen(void)
{
    SCREEN *screen = NULL;
    if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && is_terminal_known())
        screen = newterm(NULL, stdout, stdin);
    if (!screen)
        return NULL;
    cbreak();
    noecho();
    curs_set(0);
    nodelay(stdscr, TRUE);
    keypad(stdscr, TRUE);
    set_escdelay(25);
    return screen;
}

int top_run(const struct options *options)
{
    struct top top = {.order = figures_orders};
    sigset_t mask;
    hold_signals(&mask);
    SCREEN *screen = open_screen();
    if (!screen) {
        fputs("tcpctl: top wants a terminal, and a TERM that names its kind\n", stderr);
        return EX_USAGE;
    }
    watch_init(&top.watch, options->socket, options->interval ? options->interval : INTERVAL);
    run(&top, &mask);
    endwin();
    delscreen(screen);
    watch_fini(&top.watch);
    if (caught)
        end_by_signal(caught, &mask);
    return top.gone ? EX_IOERR : EX_OK;
}

const char *top_made_with(void)
{
    return "ncurses";
}
