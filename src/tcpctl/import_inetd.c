/* SPDX-License-Identifier: MIT */
/* inetd.conf: a service in a line. */
#include "tcpctl/import_machine.h"
#include "tcpctl/import_program.h"
#include "tcpctl/import_words.h"

#include <pwd.h>
#include <string.h>

#define RATE_MAX      1000000
#define NOT_FOR_PORTS "tcpd serves no datagrams: only TCP and stream sockets of unix"

/* What stands in a line. */
enum field { SERVICE, SOCKET_TYPE, PROTOCOL, WAIT, USER, PROGRAM, ARGV0, FIRST_ARGUMENT };

struct inetd {
    struct import *import;
    bool gnu;         /* the dialect of inetutils */
    const char *host; /* of the lines that name none */
    struct import_entry *entry;
    struct import_list words;
    sa_family_t family;
};

/* Why a line is left out, and nothing else of it is looked at. */
static bool leave_out(struct inetd *inetd, const char *why)
{
    import_note(inetd->import, inetd->entry, "left out: %s", why);
    return false;
}

static bool mistake(struct inetd *inetd, enum field field, const char *wanted)
{
    import_error(inetd->import, inetd->entry->place, "\"%s\" stands where %s is wanted",
                 inetd->words.items[field], wanted);
    return false;
}

static bool take_socket_type(struct inetd *inetd)
{
    static const char *const others[] = {"dgram", "raw", "rdm", "seqpacket"};
    const char *type = inetd->words.items[SOCKET_TYPE];
    if (strcmp(type, "stream") == 0)
        return true;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (strcmp(type, others[i]) == 0)
            return leave_out(inetd, NOT_FOR_PORTS);
    }
    return mistake(inetd, SOCKET_TYPE, "a type of socket, such as stream or dgram,");
}

/* The families of each protocol: OpenBSD's inetd, which is Debian's, and that of inetutils. */
static const struct protocol {
    const char *name;
    sa_family_t families[2];
} protocols[] = {
    {"tcp", {AF_UNSPEC, AF_INET}},     {"tcp4", {AF_INET, AF_INET}},
    {"tcp6", {AF_INET6, AF_UNSPEC}},   {"tcp6only", {AF_INET6, AF_INET6}},
    {"tcp46", {AF_UNSPEC, AF_UNSPEC}}, {"unix", {AF_UNIX, AF_UNIX}},
};

static bool take_protocol(struct inetd *inetd)
{
    const char *text = inetd->words.items[PROTOCOL];
    if (import_starts_with(text, "rpc/"))
        return leave_out(inetd, "an RPC service, and tcpd registers with no portmapper");
    size_t length = strcspn(text, ",");
    if (text[length] != '\0')
        import_note(inetd->import, inetd->entry,
                    "%s: the sizes of a socket's buffers are the kernel's (tcp(7))",
                    text + length + 1);
    for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++) {
        if (strlen(protocols[i].name) == length && strncmp(text, protocols[i].name, length) == 0) {
            inetd->family = protocols[i].families[inetd->gnu];
            return true;
        }
    }
    return mistake(inetd, PROTOCOL, "a protocol, such as tcp, tcp6 or unix,");
}

/* One host after the other: "127.0.0.1,[::1]". */
static void listen_on(struct inetd *inetd, const char *hosts, int port)
{
    struct import *import = inetd->import;
    while (*hosts != '\0') {
        size_t length = strcspn(hosts, ",");
        bool bracketed = *hosts == '[' && length > 1 && hosts[length - 1] == ']';
        const char *host = memory_copy(import->memory, hosts + bracketed, length - 2 * bracketed);
        if (*host != '\0')
            import_listen(import, inetd->entry, inetd->entry->place, host, port, inetd->family);
        hosts += length;
        hosts += strspn(hosts, ",");
    }
}

static void listen_on_path(struct inetd *inetd, const char *path)
{
    import_list_add(inetd->import, &inetd->entry->listens,
                    memory_print(inetd->import->memory, "unix:%s", path));
    inetd->entry->listen_options = "mode = \"0666\";"; /* as inetd has it */
    inetd->entry->name = import_base(path);
}

static bool take_service(struct inetd *inetd)
{
    const char *text = inetd->words.items[SERVICE];
    if (import_starts_with(text, "tcpmux/"))
        return leave_out(inetd, "a service of tcpmux (RFC 1078), which tcpd does not speak");
    if (inetd->family == AF_UNIX) {
        listen_on_path(inetd, text);
        return true;
    }
    const char *colon = strrchr(text, ':');
    inetd->entry->name = colon ? colon + 1 : text;
    int port = import_port(inetd->import, inetd->entry, inetd->entry->place, inetd->entry->name);
    if (port < 0)
        return false;
    size_t length = colon ? (size_t)(colon - text) : 0;
    const char *hosts = colon ? memory_copy(inetd->import->memory, text, length) : inetd->host;
    listen_on(inetd, hosts, port);
    if (inetd->entry->listens.count == 0)
        return mistake(inetd, SERVICE, "a host before the colon, or no colon,");
    return true;
}

/*
 * How many numbers stand behind wait or nowait, and in which form: .most.most_of_one_address a
 * minute, or, in FreeBSD's, /children/most_of_one_address/children_of_one_address.  -1: neither.
 */
static int read_numbers(const char *text, unsigned long numbers[3])
{
    const char *marks = *text == '/' ? "/" : ".:";
    int most = *text == '/' ? 3 : 2;
    int count = 0;
    while (*text != '\0' && count < most && strchr(marks, *text)) {
        char digits[16] = "";
        size_t length = strcspn(++text, marks);
        if (length < sizeof digits)
            memcpy(digits, text, length);
        if (!import_number(digits, RATE_MAX, &numbers[count++]))
            return -1;
        text += length;
    }
    return *text == '\0' ? count : -1;
}

static void set_number(struct inetd *inetd, const char *name, unsigned long number)
{
    if (number > 0)
        import_set(inetd->import, inetd->entry, name,
                   memory_print(inetd->import->memory, "%lu", number));
}

static void take_numbers(struct inetd *inetd, bool freebsd, const unsigned long numbers[3])
{
    if (numbers[1] > 0)
        import_rate(inetd->import, inetd->entry, numbers[1], 'm');
    if (freebsd) {
        set_number(inetd, "instances", numbers[0]);
        set_number(inetd, "limits.per_address", numbers[2]);
    } else if (numbers[0] > 0) {
        import_note(inetd->import, inetd->entry,
                    "no more than %lu a minute: tcpd counts for each client address, not for all "
                    "together, and refuses only that one",
                    numbers[0]);
        if (numbers[1] == 0)
            import_rate(inetd->import, inetd->entry, numbers[0], 'm');
    }
}

static bool take_wait(struct inetd *inetd)
{
    const char *text = inetd->words.items[WAIT];
    bool nowait = import_starts_with(text, "nowait");
    unsigned long numbers[3] = {0};
    if (nowait || import_starts_with(text, "wait")) {
        const char *rest = text + strlen(nowait ? "nowait" : "wait");
        if (read_numbers(rest, numbers) >= 0) {
            if (!nowait && import_find(inetd->entry, "command"))
                import_set(inetd->import, inetd->entry, "wait", "true");
            take_numbers(inetd, *rest == '/', numbers);
            return true;
        }
    }
    return mistake(inetd, WAIT, "wait or nowait, perhaps with numbers behind a dot,");
}

/* user, user.group, user:group, user/class; a dot may also belong to the name. */
static void take_user(struct inetd *inetd)
{
    struct import *import = inetd->import;
    struct import_entry *entry = inetd->entry;
    const char *text = inetd->words.items[USER];
    size_t length = strcspn(text, "/");
    if (text[length] != '\0')
        import_note(import, entry, "the login class \"%s\" means nothing on Linux",
                    text + length + 1);
    char *user = memory_copy(import->memory, text, length);
    char *mark = strchr(user, ':');
    if (!mark && !getpwnam(user))
        mark = strchr(user, '.');
    if (mark)
        *mark++ = '\0';
    import_user(import, entry, entry->place, user);
    if (mark)
        import_group(import, entry, entry->place, mark);
}

static bool take_program(struct inetd *inetd)
{
    struct import *import = inetd->import;
    struct import_entry *entry = inetd->entry;
    const struct import_list *words = &inetd->words;
    if (strcmp(words->items[PROGRAM], "internal") == 0)
        return import_builtin(import, entry, entry->name);
    const char *argv0 = words->count > ARGV0 ? words->items[ARGV0] : NULL;
    import_program(import, entry, words->items[PROGRAM], argv0);
    import_arguments(import, entry, words, FIRST_ARGUMENT);
    take_user(inetd);
    return true;
}

/* The three descriptors of the program are the socket; one that listens is of no use for words. */
static bool take_rest(struct inetd *inetd)
{
    bool is_program = import_find(inetd->entry, "command") != NULL;
    if (is_program && !import_find(inetd->entry, "wait"))
        import_set_text(inetd->import, inetd->entry, "stderr", "socket");
    import_patience(inetd->import, inetd->entry);
    return true;
}

static void take_fields(struct inetd *inetd)
{
    static bool (*const steps[])(struct inetd * inetd) = {
        take_socket_type, take_protocol, take_service, take_program, take_wait, take_rest,
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (!steps[i](inetd))
            return;
    }
}

/* "host:" alone is for the lines that follow. */
static bool takes_host(struct inetd *inetd, const char *word)
{
    size_t length = strlen(word);
    if (inetd->words.count != 1 || length < 2 || word[length - 1] != ':')
        return false;
    inetd->host = memory_copy(inetd->import->memory, word, length - 1);
    return true;
}

static void take_line(struct inetd *inetd, struct import_place place, const char *line)
{
    struct import *import = inetd->import;
    const char *rest = "";
    inetd->words = (struct import_list){0};
    if (!inetd->gnu)
        inetd->words = import_words(import, line);
    else if (import_shell_words(import, place, line, "", &inetd->words, &rest) != 0)
        return;
    if (takes_host(inetd, inetd->words.items[0]))
        return;
    inetd->entry = import_add(import, place, line);
    if (inetd->words.count > PROGRAM)
        take_fields(inetd);
    else
        import_error(
            import, place,
            "a line has a service, the type of its socket, its protocol, wait or nowait, a "
            "user, a program and its arguments: here are %zu of these fields",
            inetd->words.count);
}

static bool is_blank(const char *line)
{
    return line[strspn(line, IMPORT_BLANKS)] == '\0';
}

/* A line that begins with a blank goes on with the one before it. */
static void join(struct import *import, struct import_lines *lines)
{
    while (*lines->at == ' ' || *lines->at == '\t') {
        size_t before = lines->length;
        import_lines_join(import, lines, before);
        if (lines->line[before + strspn(lines->line + before, IMPORT_BLANKS)] == '#')
            import_error(import, lines->place,
                         "to inetd this is no comment: it goes on with the line before it; a "
                         "comment begins at the beginning of a line");
    }
}

static void read_lines(struct import *import, const char *file, const char *text, bool gnu)
{
    struct inetd inetd = {.import = import, .gnu = gnu, .host = "*"};
    struct import_lines lines = {.at = text, .place = {.file = file}};
    while (import_lines_next(import, &lines)) {
        struct import_place place = lines.place;
        if (*lines.line == '#' || is_blank(lines.line))
            continue;
        join(import, &lines);
        take_line(&inetd, place, lines.line);
    }
}

void import_inetd(struct import *import, const char *file, const char *text)
{
    read_lines(import, file, text, false);
}

void import_inetutils(struct import *import, const char *file, const char *text)
{
    read_lines(import, file, text, true);
}
