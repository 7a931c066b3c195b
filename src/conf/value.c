/* SPDX-License-Identifier: MIT */
#include "conf/value.h"

#include "base/clock.h"

#include <inttypes.h>
#include <limits.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* Largest first, as value_duration_print tries them. */
static const struct unit {
    const char *name;
    uint64_t ns;
} units[] = {
    {"h", 3600 * CLOCK_S},
    {"m", 60 * CLOCK_S},
    {"s", CLOCK_S},
    {"ms", CLOCK_MS},
};

#define UNIT_COUNT (sizeof(units) / sizeof(units[0]))

/* Reads digits and nothing else; returns what follows them, or NULL. */
static const char *read_digits(const char *text, uint64_t *number)
{
    size_t length = strspn(text, DIGITS);
    *number = 0;
    for (size_t i = 0; i < length; i++) {
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (__builtin_mul_overflow(*number, UINT64_C(10), number) ||
            __builtin_add_overflow(*number, digit, number))
            return NULL;
    }
    return length == 0 ? NULL : text + length;
}

bool value_duration(const char *text, uint64_t *ns)
{
    uint64_t number;
    const char *rest = read_digits(text, &number);
    for (size_t i = 0; rest != NULL && i < UNIT_COUNT; i++) {
        if (strcmp(rest, units[i].name) == 0)
            return !__builtin_mul_overflow(number, units[i].ns, ns);
    }
    return false;
}

bool value_seconds(int64_t seconds, uint64_t *ns)
{
    return seconds >= 0 && !__builtin_mul_overflow((uint64_t)seconds, CLOCK_S, ns);
}

const char *value_duration_print(uint64_t ns, char buffer[static DURATION_TEXT_MAX])
{
    size_t i = 0;
    while (i + 1 < UNIT_COUNT && ns % units[i].ns != 0)
        i++;
    const char *unit = ns == 0 ? "" : units[i].name;
    snprintf(buffer, DURATION_TEXT_MAX, "%" PRIu64 "%s", ns / units[i].ns, unit);
    return buffer;
}

bool value_limit(const char *text, uint64_t *limit)
{
    static const char letters[] = "KMG";
    uint64_t number;
    *limit = VALUE_UNLIMITED;
    if (strcmp(text, "unlimited") == 0)
        return true;
    const char *rest = read_digits(text, &number);
    if (rest == NULL)
        return false;
    const char *unit = *rest == '\0' ? NULL : strchr(letters, *rest);
    if (*rest != '\0' && (unit == NULL || rest[1] != '\0'))
        return false;
    unsigned shift = unit == NULL ? 0 : 10 * (unsigned)(unit - letters + 1);
    *limit = number << shift;
    return *limit >> shift == number && *limit < VALUE_UNLIMITED;
}

static const struct rate_unit {
    const char *name;
    uint64_t ns;
} rate_units[] = {{"/s", CLOCK_S}, {"/m", 60 * CLOCK_S}, {"/h", 3600 * CLOCK_S}};

#define RATE_UNIT_COUNT (sizeof(rate_units) / sizeof(rate_units[0]))
#define RATE_MAX        1000000 /* in any unit */

bool value_rate(const char *text, uint64_t *ns)
{
    uint64_t number;
    *ns = 0;
    if (*text == '\0')
        return true;
    const char *rest = read_digits(text, &number);
    for (size_t i = 0; rest != NULL && i < RATE_UNIT_COUNT; i++) {
        if (strcmp(rest, rate_units[i].name) != 0)
            continue;
        if (number > 0 && number <= RATE_MAX)
            *ns = rate_units[i].ns / number;
        return *ns > 0;
    }
    return false;
}

/* In the first unit in which it is a whole number. */
const char *value_rate_print(uint64_t ns, char buffer[static RATE_TEXT_MAX])
{
    buffer[0] = '\0';
    for (size_t i = 0; ns > 0 && i < RATE_UNIT_COUNT; i++) {
        uint64_t unit = rate_units[i].ns;
        uint64_t number = unit / ns;
        if (number > 0 && number <= RATE_MAX && unit / number == ns) {
            snprintf(buffer, RATE_TEXT_MAX, "%" PRIu64 "%s", number, rate_units[i].name);
            break;
        }
    }
    return buffer;
}

bool value_id(const char *text, uint32_t *id)
{
    uint64_t number;
    const char *rest = read_digits(text, &number);
    if (rest == NULL || *rest != '\0' || (text[0] == '0' && text[1] != '\0') ||
        number >= UINT32_MAX)
        return false;
    *id = (uint32_t)number;
    return true;
}

bool value_mode(const char *text, mode_t *mode)
{
    if (strlen(text) != 4 || text[0] != '0' || strspn(text, "01234567") != 4)
        return false;
    *mode = 0;
    for (const char *at = text; *at != '\0'; at++)
        *mode = *mode * 8 + (mode_t)(*at - '0');
    return true;
}

/* Whether it has 1 to most bytes, all of them among the allowed ones. */
static bool consists_of(const char *text, size_t most, const char *allowed)
{
    size_t length = strnlen(text, most + 1);
    return length >= 1 && length <= most && strspn(text, allowed) >= length;
}

const char *value_name_wrong(const char *text)
{
    if (consists_of(text, 32, LOWER DIGITS "_-"))
        return NULL;
    return "1 to 32 of the characters a-z 0-9 _ -";
}

const char *value_socket_wrong(const char *text)
{
    if (text[0] == '/' && strlen(text) < sizeof(((struct sockaddr_un *)NULL)->sun_path))
        return NULL;
    return "the absolute path of a socket, of at most 107 bytes";
}

const char *value_ident_wrong(const char *text)
{
    if (consists_of(text, 32, LOWER UPPER DIGITS "_.-"))
        return NULL;
    return "1 to 32 of the characters A-Z a-z 0-9 _ . -";
}

/* As the kernel's dev_valid_name has it. */
const char *value_interface_wrong(const char *text)
{
    size_t length = strnlen(text, IFNAMSIZ);
    bool dots = strcmp(text, ".") == 0 || strcmp(text, "..") == 0;
    if (length >= 1 && length < IFNAMSIZ && !dots && strpbrk(text, "/: \t\n\v\f\r") == NULL)
        return NULL;
    return "the name of a network interface, such as \"eth0\": 1 to 15 characters";
}

/* As systemd.socket(5) has FileDescriptorName=: 1 to 255 printable ASCII characters, no colon. */
const char *value_inherited_wrong(const char *text)
{
    size_t length = strnlen(text, 256);
    bool printable = length >= 1 && length <= 255;
    for (size_t i = 0; printable && i < length; i++)
        printable = text[i] > 0x20 && text[i] < 0x7f && text[i] != ':';
    return printable ? NULL : "\"systemd:NAME\" with a NAME of 1 to 255 visible characters, no ':'";
}

const char *value_control_wrong(const char *text)
{
    size_t length = strlen(text);
    bool folder = length > 0 && text[length - 1] == '/';
    if (length == 0 || (!folder && value_socket_wrong(text) == NULL))
        return NULL;
    return "the absolute path of a socket, of at most 107 bytes, or \"\" for none";
}

/* What the system calls somebody is its own business; a name that cannot be one is refused. */
static bool may_be_known(const char *text)
{
    size_t length = strnlen(text, 64);
    bool printable = length < 64;
    for (size_t i = 0; printable && i < length; i++)
        printable = (unsigned char)text[i] >= 0x20 && text[i] != 0x7f && text[i] != ':';
    return printable;
}

const char *value_path_wrong(const char *text)
{
    return text[0] == '/' && strlen(text) < PATH_MAX ? NULL : "an absolute path";
}

const char *value_argument_wrong(const char *text)
{
    bool fit = text[0] != '\0' && strchr(text, '\n') == NULL;
    return fit ? NULL : "a string that is not empty and has no newline";
}

const char *value_group_wrong(const char *text)
{
    return may_be_known(text) ? NULL : "the name of a group, of at most 63 bytes, or \"\" for none";
}

const char *value_user_wrong(const char *text)
{
    return may_be_known(text) ? NULL : "the name of a user, of at most 63 bytes, or \"\" for none";
}
