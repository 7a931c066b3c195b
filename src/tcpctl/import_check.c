/* SPDX-License-Identifier: MIT */
/* When all is read: names, addresses and programs, such that tcpd -t is content on this machine. */
#include "tcpctl/import_machine.h"
#include "tcpctl/import_program.h"
#include "tcpctl/import_words.h"

#include "conf/lookup.h"
#include "io/addr.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>

#define NAME_MAX_LENGTH 32
#define GROUPS_MOST     1024
#define LIST_MOST       1000
#define SERVICES_MOST   1024
#define ADDRESSES_MOST  4096

/* --- Names ------------------------------------------------------------------------------------ */

static bool is_taken(const struct import *import, const struct import_entry *by, const char *name)
{
    const struct import_entry *at = import->entries;
    while (at != by && (!at->is_service || strcmp(at->name, name) != 0))
        at = at->next;
    return at != by;
}

/* What a service may be called, from whatever it was. */
static const char *fit_name(struct import *import, const char *text)
{
    char *name = memory_copy(import->memory, text, strnlen(text, NAME_MAX_LENGTH));
    for (char *at = name; *at != '\0'; at++) {
        char lower = (char)tolower((unsigned char)*at);
        bool fits = (lower >= 'a' && lower <= 'z') || strchr("0123456789_-", lower);
        *at = fits ? lower : '-';
    }
    return *name ? name : "service";
}

/* How many before the entry would have had that name, had they been alone. */
static unsigned count_namesakes(const struct import *import, const struct import_entry *by,
                                const char *base)
{
    unsigned count = 0;
    for (const struct import_entry *at = import->entries; at != by; at = at->next)
        count += at->is_service && strcmp(at->base, base) == 0;
    return count;
}

/* A second one of the name gets a number, and no number is tried that a namesake has. */
static void name_entry(struct import *import, struct import_entry *entry)
{
    bool is_number = entry->name[strspn(entry->name, "0123456789")] == '\0';
    const char *text = is_number && entry->path ? import_base(entry->path) : entry->name;
    entry->base = fit_name(import, text);
    entry->name = entry->base;
    unsigned namesakes = count_namesakes(import, entry, entry->base);
    for (unsigned i = namesakes > 0 ? namesakes + 1 : 2; is_taken(import, entry, entry->name); i++)
        entry->name = memory_print(import->memory, "%.*s-%u", NAME_MAX_LENGTH - 6, entry->base, i);
}

/* --- Addresses -------------------------------------------------------------------------------- */

/* Whether two addresses could not both be bound; false too where one is none. */
static bool clash(const char *a, const char *b)
{
    struct addr first;
    struct addr second;
    return addr_parse(&first, a, NULL) == 0 && addr_parse(&second, b, NULL) == 0 &&
           addr_clash(&first, &second);
}

/* The address of the entry that another one has too, or NULL. */
static const char *find_clash(const struct import_entry *entry, const struct import_entry *other)
{
    for (size_t i = 0; i < entry->listens.count * other->listens.count; i++) {
        const char *address = entry->listens.items[i / other->listens.count];
        if (clash(address, other->listens.items[i % other->listens.count]))
            return address;
    }
    return NULL;
}

static void check_addresses(struct import *import, struct import_entry *entry)
{
    for (const struct import_entry *at = import->entries; at != entry; at = at->next) {
        const char *address = at->is_service && !at->barred ? find_clash(entry, at) : NULL;
        if (!address)
            continue;
        import_bar(import, entry, entry->place, "%s has %s already (%s:%u)", at->name, address,
                   at->place.file, at->place.line);
        return;
    }
}

static void check_address_forms(struct import *import, struct import_entry *entry)
{
    struct addr address;
    struct error error;
    for (size_t i = 0; i < entry->listens.count; i++) {
        const char *text = entry->listens.items[i];
        if (addr_parse(&address, text, &error) != 0)
            import_bar(import, entry, entry->place, "%s", error.text);
        else if (address.family == AF_UNIX && text[strlen(text) - 1] == '/')
            import_bar(import, entry, entry->place, "%s: a socket needs a name of its own", text);
    }
}

/* --- Programs --------------------------------------------------------------------------------- */

struct account {
    uid_t uid;
    gid_t groups[GROUPS_MOST];
    int count;
};

/* Whom the program would be; false: nobody was named, or that cannot be found out. */
static bool find_account(const struct import_entry *entry, struct account *account)
{
    gid_t primary;
    gid_t named;
    account->count = GROUPS_MOST;
    if (!entry->user || lookup_user(entry->user, &account->uid, &primary) != 0)
        return false;
    bool has_group = entry->group && lookup_group(entry->group, &named) == 0;
    return getgrouplist(entry->user, has_group ? named : primary, account->groups,
                        &account->count) >= 0;
}

/* By its permissions: a program to be executed, or a folder to be passed. */
static bool may_execute(const struct account *account, const struct stat *status)
{
    if (account->uid == 0)
        return S_ISDIR(status->st_mode) || (status->st_mode & (S_IXUSR | S_IXGRP | S_IXOTH));
    if (account->uid == status->st_uid)
        return status->st_mode & S_IXUSR;
    for (int i = 0; i < account->count; i++) {
        if (account->groups[i] == status->st_gid)
            return status->st_mode & S_IXGRP;
    }
    return status->st_mode & S_IXOTH;
}

/* Whether the user could execute the program; true too where it cannot be told. */
static bool is_for_user(struct import *import, const struct import_entry *entry)
{
    struct account account;
    struct stat status;
    if (!find_account(entry, &account))
        return true;
    const char *path = entry->path;
    for (const char *end = path + 1; end; end = strchr(end + 1, '/')) {
        const char *folder = memory_copy(import->memory, path, (size_t)(end - path));
        if (stat(folder, &status) == 0 && !may_execute(&account, &status))
            return false;
    }
    return stat(path, &status) != 0 || may_execute(&account, &status);
}

/* Why the program could not be executed by anybody, or NULL: it can, or that is hidden from us. */
static const char *what_is_wrong(const char *path)
{
    struct stat status;
    if (*path != '/')
        return "tcpd wants its path";
    if (stat(path, &status) != 0)
        return errno == EACCES ? NULL : "there is no such file on this machine";
    if (!S_ISREG(status.st_mode))
        return "that is no program";
    return status.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH) ? NULL : "it cannot be executed";
}

/* The arguments of the program, or the variables of its environment. */
static size_t count_of(const struct import_entry *entry, const char *name)
{
    size_t count = 0;
    for (const struct import_setting *at = entry->settings; at; at = at->next)
        count += import_starts_with(at->name, name) ? at->values.count : 0;
    return count;
}

static void check_program(struct import *import, struct import_entry *entry)
{
    static const char *const lists[] = {"command", "environment."};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        if (count_of(entry, lists[i]) > LIST_MOST)
            import_bar(import, entry, entry->place, "more than %d arguments or variables",
                       LIST_MOST);
    }
    const char *wrong = entry->path ? what_is_wrong(entry->path) : NULL;
    if (wrong)
        import_bar(import, entry, entry->place, "%s: %s", entry->path, wrong);
    else if (entry->path && !is_for_user(import, entry))
        import_bar(import, entry, entry->place, "%s: the user \"%s\" cannot execute it",
                   entry->path, entry->user);
}

/* A program with wait has the socket that listens, and tcpd does not see who comes. */
static void check_wait(struct import *import, struct import_entry *entry)
{
    if (!import_find(entry, "wait"))
        return;
    bool lists = import_unset(entry, "access.");
    bool limits = import_unset(entry, "limits.");
    if (lists || limits)
        import_note(import, entry,
                    "with wait the program accepts connections itself: nobody else "
                    "looks at %s",
                    lists ? "who connects" : "how many connect, and how fast");
    if (entry->listens.count > 1)
        import_bar(import, entry, entry->place,
                   "with wait the program gets one listening socket: make it a service for each "
                   "address");
}

/* As many as tcpd takes. */
static void check_counts(struct import *import)
{
    size_t services = 0;
    size_t addresses = 0;
    for (struct import_entry *entry = import->entries; entry; entry = entry->next) {
        services += entry->is_service;
        addresses += entry->listens.count;
        if (services > SERVICES_MOST || addresses > ADDRESSES_MOST) {
            import_error(import, entry->place, "more than %d services, or %d addresses",
                         SERVICES_MOST, ADDRESSES_MOST);
            return;
        }
    }
}

void import_check(struct import *import)
{
    check_counts(import);
    if (import->errors > 0)
        return;
    for (struct import_entry *entry = import->entries; entry; entry = entry->next) {
        if (!entry->is_service)
            continue;
        name_entry(import, entry);
        entry->barred |= entry->disabled;
        check_wait(import, entry);
        if (entry->barred)
            continue;
        check_address_forms(import, entry);
        check_program(import, entry);
        if (!entry->barred)
            check_addresses(import, entry);
    }
}
