/* SPDX-License-Identifier: MIT */
#include "tcpctl/import_machine.h"

#include "tcpctl/heap.h"
#include "tcpctl/import_words.h"

#include <arpa/inet.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define PORT_MAX 65535
#define ID_MAX   4294967294UL

void import_bar(struct import *import, struct import_entry *entry, struct import_place place,
                const char *format, ...)
{
    va_list values;
    va_start(values, format);
    char *text = heap_vprint(format, values);
    va_end(values);
    import_note_at(import, entry, place, "%s", text);
    free(text);
    entry->barred = true;
}

int import_port(struct import *import, struct import_entry *entry, struct import_place place,
                const char *name)
{
    unsigned long number;
    if (import_number(name, PORT_MAX, &number))
        return (int)number;
    const struct servent *known = getservbyname(name, "tcp");
    if (known)
        return ntohs((uint16_t)known->s_port);
    import_note_at(import, entry, place, "\"%s\" is no port, and no service in /etc/services",
                   name);
    return -1;
}

static void add_address(struct import *import, struct import_entry *entry, const char *host,
                        int port)
{
    bool is_ipv6 = strchr(host, ':') != NULL;
    import_list_add(import, &entry->listens,
                    memory_print(import->memory, "%s%s%s:%d", is_ipv6 ? "[" : "", host,
                                 is_ipv6 ? "]" : "", port));
}

/* Every address of a family, or of both. */
static void listen_anywhere(struct import *import, struct import_entry *entry, int port,
                            sa_family_t family)
{
    static const char *const hosts[] = {[AF_UNSPEC] = "", [AF_INET] = "0.0.0.0", [AF_INET6] = "::"};
    add_address(import, entry, hosts[family], port);
}

/* The addresses that were found, each once; returns them as a text. */
static const char *add_found(struct import *import, struct import_entry *entry,
                             const struct addrinfo *found, int port)
{
    const char *text = "";
    for (; found; found = found->ai_next) {
        char host[NI_MAXHOST];
        if (getnameinfo(found->ai_addr, found->ai_addrlen, host, sizeof host, NULL, 0,
                        NI_NUMERICHOST) != 0)
            continue;
        add_address(import, entry, host, port);
        text = memory_print(import->memory, "%s%s%s", text, *text ? ", " : "", host);
    }
    return text;
}

void import_listen(struct import *import, struct import_entry *entry, struct import_place place,
                   const char *host, int port, sa_family_t family)
{
    if (!host || strcmp(host, "*") == 0) {
        listen_anywhere(import, entry, port, family);
        return;
    }
    struct addrinfo hints = {
        .ai_flags = AI_NUMERICHOST, .ai_family = family, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, NULL, &hints, &found) == 0) {
        add_found(import, entry, found, port);
        freeaddrinfo(found);
        return;
    }
    hints.ai_flags = 0;
    int result = getaddrinfo(host, NULL, &hints, &found);
    if (result != 0) {
        import_bar(import, entry, place, "the address of \"%s\" cannot be found: %s", host,
                   gai_strerror(result));
        add_address(import, entry, host, port);
        return;
    }
    import_note_at(import, entry, place, "\"%s\" was looked up now and is %s: tcpd looks up none",
                   host, add_found(import, entry, found, port));
    freeaddrinfo(found);
}

void import_user(struct import *import, struct import_entry *entry, struct import_place place,
                 const char *user)
{
    unsigned long number;
    if (import_number(user, ID_MAX, &number)) {
        const struct passwd *known = getpwuid((uid_t)number);
        if (known)
            user = known->pw_name;
    }
    entry->user = memory_copy(import->memory, user, strlen(user));
    import_set_text(import, entry, "user", user);
    if (!getpwnam(user))
        import_bar(import, entry, place, "there is no user \"%s\" on this machine", user);
}

void import_group(struct import *import, struct import_entry *entry, struct import_place place,
                  const char *group)
{
    unsigned long number;
    if (import_number(group, ID_MAX, &number)) {
        const struct group *known = getgrgid((gid_t)number);
        if (known)
            group = known->gr_name;
    }
    entry->group = memory_copy(import->memory, group, strlen(group));
    import_set_text(import, entry, "group", group);
    if (!getgrnam(group))
        import_bar(import, entry, place, "there is no group \"%s\" on this machine", group);
}
