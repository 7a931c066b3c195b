/* SPDX-License-Identifier: MIT */
/* Command lines of tcpserver, one after the other or each in a script that runs it. */
#include "tcpctl/import_machine.h"
#include "tcpctl/import_program.h"
#include "tcpctl/import_words.h"

#include "conf/value.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIMIT_MAX     1000000
#define LIMIT_DEFAULT "40"
#define BACKLOG_MAX   65535

struct tcpserver {
    struct import *import;
    struct import_entry *entry;
    struct import_list words;
    size_t at;                           /* the word that is looked at */
    const char *letter;                  /* the option within it */
    const char *account;                 /* of envuidgid, for -U */
    const char *uid, *gid;               /* of -u, -g, -U */
    const char *limit;                   /* of -c */
    const char *backlog, *interface;     /* of -b, -I */
    bool asks_for_names, asks_for_users; /* -h, -r: both by default */
};

static const char *word(const struct tcpserver *server)
{
    return server->at < server->words.count ? server->words.items[server->at] : NULL;
}

static bool mistake(struct tcpserver *server, const char *found, const char *wanted)
{
    import_error(server->import, server->entry->place, "%s%s%s stands where %s is wanted",
                 found ? "\"" : "", found ? found : "nothing", found ? "\"" : "", wanted);
    return false;
}

/* --- Options ---------------------------------------------------------------------------------- */

static bool take_limit(struct tcpserver *server, const char *value)
{
    unsigned long number;
    if (!import_number(value, LIMIT_MAX, &number) || number == 0)
        return mistake(server, value, "a number of programs, behind -c,");
    server->limit = value;
    return true;
}

static bool take_backlog(struct tcpserver *server, const char *value)
{
    unsigned long number;
    if (!import_number(value, BACKLOG_MAX, &number) || number == 0)
        return mistake(server, value, "a number of connections, behind -b,");
    server->backlog = value;
    return true;
}

static bool take_uid(struct tcpserver *server, const char *value)
{
    server->uid = value;
    return true;
}

static bool take_gid(struct tcpserver *server, const char *value)
{
    server->gid = value;
    return true;
}

/* $UID and $GID are what envuidgid has made of an account. */
static bool take_account(struct tcpserver *server, const char *value)
{
    (void)value;
    server->uid = server->account;
    if (!server->account)
        import_bar(server->import, server->entry, server->entry->place,
                   "-U: the user is what $UID says, which is not known here: set user and group");
    return true;
}

static bool take_interface(struct tcpserver *server, const char *value)
{
    if (value_interface_wrong(value))
        return mistake(server, value, "the name of a network interface, behind -I,");
    server->interface = value;
    return true;
}

/* 0 is what one gives it to have nothing looked up. */
static bool take_localname(struct tcpserver *server, const char *value)
{
    if (strcmp(value, "0") != 0)
        import_note(server->import, server->entry,
                    "-l: tcpd sets no TCPLOCALHOST, and nobody else can");
    return true;
}

static bool take_rules(struct tcpserver *server, const char *value)
{
    import_bar(server->import, server->entry, server->entry->place,
               "-x: who may connect stands in %s, which tcpd does not read: write it into access",
               value);
    return true;
}

static bool ask_for_names(struct tcpserver *server, const char *value)
{
    (void)value;
    server->asks_for_names = *server->letter == 'h';
    return true;
}

static bool ask_for_users(struct tcpserver *server, const char *value)
{
    (void)value;
    server->asks_for_users = *server->letter == 'r';
    return true;
}

/* Those with neither say what tcpd does anyway, or nothing without another one. */
static const struct server_option {
    char letter;
    bool has_value;
    bool (*take)(struct tcpserver *server, const char *value);
    const char *lost;
} server_options[] = {
    {'c', true, take_limit, NULL},
    {'b', true, take_backlog, NULL},
    {'u', true, take_uid, NULL},
    {'g', true, take_gid, NULL},
    {'U', false, take_account, NULL},
    {'I', true, take_interface, NULL},
    {'l', true, take_localname, NULL},
    {'x', true, take_rules, NULL},
    {'X', false, NULL, NULL},
    {'h', false, ask_for_names, NULL},
    {'H', false, ask_for_names, NULL},
    {'r', false, ask_for_users, NULL},
    {'R', false, ask_for_users, NULL},
    {'t', true, NULL, "tcpd asks nobody who the user is (RFC 1413), so nothing is waited for"},
    {'p', false, NULL, "tcpd looks up no names, so there is none to mistrust"},
    {'P', false, NULL, NULL},
    {'B', true, NULL, "tcpd sends no banner: let the program, or a shell before it, send it"},
    {'o', false, NULL, "IP options are left to the kernel (ip(7))"},
    {'O', false, NULL, NULL},
    {'d', false, NULL, "tcpd never delays what is sent: TCP_NODELAY is always on"},
    {'D', false, NULL, NULL},
    {'q', false, NULL, "how much is logged is set for the whole daemon: log.level, log.access"},
    {'Q', false, NULL, NULL},
    {'v', false, NULL, NULL},
    {'1', false, NULL, "the port is told by tcpctl services and by the log"},
    {'4', false, NULL, NULL},
    {'6', false, NULL, "PROTO is TCP, and no variable begins with TCP6"},
};

static const struct server_option *find_option(char letter)
{
    for (size_t i = 0; i < sizeof server_options / sizeof *server_options; i++) {
        if (server_options[i].letter == letter)
            return &server_options[i];
    }
    return NULL;
}

/* The value is the rest of the word, or the next one. */
static const char *value_of(struct tcpserver *server)
{
    if (server->letter[1] != '\0')
        return server->letter + 1;
    server->at++;
    return word(server);
}

static bool take_option(struct tcpserver *server)
{
    const struct server_option *option = find_option(*server->letter);
    char name[] = {'-', *server->letter, '\0'};
    if (!option)
        return mistake(server, name, "an option of tcpserver");
    const char *value = option->has_value ? value_of(server) : NULL;
    if (option->has_value && !value)
        return mistake(server, NULL, "the value of an option");
    if (option->take && !option->take(server, value))
        return false;
    if (option->lost)
        import_note(server->import, server->entry, "%s: %s", name, option->lost);
    server->letter = option->has_value ? "" : server->letter + 1;
    return true;
}

static bool take_options(struct tcpserver *server)
{
    for (; word(server) && word(server)[0] == '-' && word(server)[1] != '\0'; server->at++) {
        if (strcmp(word(server), "--") == 0) {
            server->at++;
            return true;
        }
        server->letter = word(server) + 1;
        while (*server->letter != '\0') {
            if (!take_option(server))
                return false;
        }
    }
    return true;
}

/* --- What stands before and behind them ------------------------------------------------------- */

/* What the programs of daemontools put before it. */
static bool take_prefix(struct tcpserver *server)
{
    for (; word(server); server->at++) {
        const char *text = word(server);
        if (strcmp(import_base(text), "tcpserver") == 0) {
            server->at++;
            return true;
        }
        bool envuidgid = strcmp(import_base(text), "envuidgid") == 0;
        bool setuidgid = strcmp(import_base(text), "setuidgid") == 0;
        if (import_variable_name(text) > 0) {
            import_variable(server->import, server->entry, server->entry->place, text);
        } else if (envuidgid || setuidgid) {
            server->at++;
            server->account = word(server);
            server->uid = setuidgid ? server->account : server->uid;
        } else if (strcmp(text, "exec") != 0 && strcmp(import_base(text), "env") != 0) {
            return mistake(server, text, "tcpserver, behind exec, env, envuidgid or setuidgid,");
        }
    }
    return mistake(server, NULL, "tcpserver");
}

/* Host 0 is every address; that of IPv6 is both families where tcpserver knows them. */
static bool take_address(struct tcpserver *server)
{
    struct import *import = server->import;
    struct import_entry *entry = server->entry;
    const char *host = word(server);
    server->at++;
    const char *port = word(server);
    server->at++;
    if (!port || !word(server)) {
        import_error(import, entry->place, "a host, a port and a program are wanted");
        return false;
    }
    int number = import_port(import, entry, entry->place, port);
    if (number < 0)
        return false;
    entry->name = port;
    bool both = strcmp(host, "::") == 0;
    bool any = both || strcmp(host, "0") == 0;
    import_listen(import, entry, entry->place, any ? NULL : host, number,
                  any && !both ? AF_INET : AF_UNSPEC);
    return true;
}

static void take_user(struct tcpserver *server)
{
    struct import *import = server->import;
    struct import_entry *entry = server->entry;
    if (server->uid)
        import_user(import, entry, entry->place, server->uid);
    else if (!entry->barred)
        import_note(import, entry, "no -u: the program runs as the user of the daemon");
    if (server->gid)
        import_group(import, entry, entry->place, server->gid);
}

/* As execvp(3) finds it; NULL: nowhere. */
static const char *search(struct import *import, const char *program)
{
    const char *path = getenv("PATH");
    while (path && *path) {
        size_t length = strcspn(path, ":");
        const char *file = memory_print(import->memory, "%.*s/%s", (int)length, path, program);
        if (*path == '/' && access(file, X_OK) == 0)
            return file;
        path += length + (path[length] == ':');
    }
    return NULL;
}

static void take_program(struct tcpserver *server)
{
    struct import *import = server->import;
    struct import_entry *entry = server->entry;
    const char *argv0 = word(server);
    const char *program = strchr(argv0, '/') ? argv0 : search(import, argv0);
    if (!program)
        import_bar(import, entry, entry->place, "there is no program \"%s\" in PATH", argv0);
    import_program(import, entry, program ? program : argv0, argv0);
    import_arguments(import, entry, &server->words, server->at + 1);
}

static void take_variables(struct tcpserver *server)
{
    if (server->asks_for_names)
        import_note(server->import, server->entry,
                    "no -H: tcpd looks up no names, and sets no TCPREMOTEHOST");
    if (server->asks_for_users)
        import_note(
            server->import, server->entry,
            "no -R: tcpd asks nobody who the user is (RFC 1413), and sets no TCPREMOTEINFO");
}

static void take_listen_options(struct tcpserver *server)
{
    struct memory *memory = server->import->memory;
    const char *options = "";
    if (server->backlog)
        options = memory_print(memory, "backlog = %s;", server->backlog);
    if (server->interface)
        options = memory_print(memory, "%s%sinterface = %s;", options, *options ? " " : "",
                               import_quote(server->import, server->interface));
    server->entry->listen_options = *options ? options : NULL;
}

static void take_words(struct tcpserver *server)
{
    if (!take_prefix(server))
        return;
    if (!take_options(server) || !take_address(server))
        return;
    take_listen_options(server);
    take_program(server);
    take_user(server);
    import_set(server->import, server->entry, "instances", server->limit);
    take_variables(server);
    import_patience(server->import, server->entry);
}

/* What a shell does with the rest: 2>&1, a pipe to a logger and & change nothing of a service. */
static bool take_rest(struct tcpserver *server, const char *rest)
{
    if (import_starts_with(rest, "2>&1"))
        rest += strlen("2>&1");
    rest += strspn(rest, IMPORT_BLANKS);
    if (*rest == '|')
        import_note(server->import, server->entry, "the pipe \"%s\" is left out: tcpd has a log",
                    rest);
    if (*rest == '|' || *rest == '\0' || strcmp(rest, "&") == 0)
        return true;
    import_error(server->import, server->entry->place,
                 "\"%s\" is something for a shell to do: put it in quotes, or write what it "
                 "stands for",
                 rest);
    return false;
}

/* A backslash at the end of a line joins it with the next one. */
static void join(struct import *import, struct import_lines *lines)
{
    bool more = true;
    while (more && lines->length > 0 && lines->line[lines->length - 1] == '\\')
        more = import_lines_join(import, lines, lines->length - 1);
}

/* A word that begins with # begins a comment. */
static void cut_comment(struct import_list *words)
{
    for (size_t i = 0; i < words->count; i++) {
        if (words->items[i][0] == '#')
            words->count = i;
    }
}

static void take_line(struct import *import, struct import_place place, const char *line)
{
    struct tcpserver server = {
        .import = import, .limit = LIMIT_DEFAULT, .asks_for_names = true, .asks_for_users = true};
    const char *rest;
    if (import_shell_words(import, place, line, IMPORT_SHELL_SPECIALS, &server.words, &rest) != 0)
        return;
    cut_comment(&server.words);
    if (server.words.count == 0 && *rest == '\0')
        return;
    bool redirects = server.words.count == 1 && strcmp(server.words.items[0], "exec") == 0;
    if (redirects && strcmp(rest, "2>&1") == 0)
        return;
    server.entry = import_add(import, place, line);
    if (take_rest(&server, rest))
        take_words(&server);
}

void import_tcpserver(struct import *import, const char *file, const char *text)
{
    struct import_lines lines = {.at = text, .place = {.file = file}};
    while (import_lines_next(import, &lines)) {
        struct import_place place = lines.place;
        join(import, &lines);
        if (lines.line[strspn(lines.line, IMPORT_BLANKS)] != '#')
            take_line(import, place, lines.line);
    }
}
