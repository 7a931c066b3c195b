/* SPDX-License-Identifier: MIT */
#include "master/peer.h"

#include "conf/value.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* Addresses: io/addr.h reads those with a port, so one is put behind those without. */

static bool try(struct addr *address, const char *before, const char *text, const char *behind)
{
    char whole[ADDR_TEXT_MAX];
    int length = snprintf(whole, sizeof whole, "%s%s%s", before, text, behind);
    return length >= 0 && (size_t)length < sizeof whole && addr_parse(address, whole, NULL) == 0 &&
           (address->family == AF_INET || address->family == AF_INET6);
}

static bool parse_address(struct addr *address, const char *text)
{
    if (text[0] == ':' && text[1] != ':')
        return false;
    return try(address, "", text, "") || try(address, "", text, ":0") ||
           try(address, "[", text, "]:0");
}

/* Unix peers. */

/* The next "KEY:N" of a list; *text moves on, to the end or behind the comma. */
static bool take_id(const char **text, const char *key, uint32_t *id)
{
    char number[16];
    size_t length = strcspn(*text, ","), start = strlen(key);
    if (length <= start || length - start >= sizeof number || strncmp(*text, key, start) != 0)
        return false;
    memcpy(number, *text + start, length - start);
    number[length - start] = '\0';
    *text += length + ((*text)[length] == ',');
    return value_id(number, id);
}

static bool parse_unix(struct peer *peer, const char *text)
{
    struct access_peer *access = &peer->access;
    bool ends_well = text[0] && text[strlen(text) - 1] != ',';
    peer->address.family = AF_UNIX;
    access->known = true;
    if (!ends_well || !take_id(&text, "uid:", &access->uid))
        return false;
    while (*text)
        if (access->gid_count == PEER_GROUPS_MAX ||
            !take_id(&text, "gid:", &peer->gids[access->gid_count++]))
            return false;
    return true;
}

int peer_parse(struct peer *peer, const char *text, struct error *error)
{
    peer->address = (struct addr){.family = AF_UNSPEC};
    peer->access = (struct access_peer){.address = &peer->address, .gids = peer->gids};
    bool is_unix = strncmp(text, "uid:", 4) == 0;
    if (is_unix ? parse_unix(peer, text) : parse_address(&peer->address, text))
        return 0;
    return error_set(error, 0,
                     "\"%.100s\" is no client: write an IPv4 or IPv6 address, or uid:N,gid:N for "
                     "one on a unix socket",
                     text);
}

static const char *format_unix(const struct access_peer *access, char *buffer)
{
    int length = snprintf(buffer, ADDR_TEXT_MAX, "uid:%u", (unsigned)access->uid);
    for (unsigned i = 0; i < access->gid_count && length < ADDR_TEXT_MAX - 1; i++)
        length += snprintf(buffer + length, (size_t)(ADDR_TEXT_MAX - length), ",gid:%u",
                           (unsigned)access->gids[i]);
    return buffer;
}

const char *peer_format(const struct peer *peer, char buffer[static ADDR_TEXT_MAX])
{
    if (peer->address.family == AF_UNIX)
        return format_unix(&peer->access, buffer);
    inet_ntop(peer->address.family, peer->address.bytes, buffer, ADDR_TEXT_MAX);
    return buffer;
}
