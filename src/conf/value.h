/* SPDX-License-Identifier: MIT */
/* The small languages inside values: durations, modes, names. */
#ifndef TCPD_CONF_VALUE_H
#define TCPD_CONF_VALUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define DURATION_TEXT_MAX 32

/* Reads "250ms", "30s", "5m" or "1h" to nanoseconds; whether it was one that fits. */
bool value_duration(const char *text, uint64_t *ns);

/* Seconds to nanoseconds; false when they are negative or do not fit. */
bool value_seconds(int64_t seconds, uint64_t *ns);

/* Writes whole milliseconds in the largest unit that divides them; "0" for 0.  Returns buffer. */
const char *value_duration_print(uint64_t ns, char buffer[static DURATION_TEXT_MAX]);

#define VALUE_UNLIMITED (UINT64_MAX - 1)

/* Reads "1024", "64K", "1M", "2G" or "unlimited"; whether it was one that fits. */
bool value_limit(const char *text, uint64_t *limit);

#define RATE_TEXT_MAX 32

/* Reads "50/s", "600/m" or "10/h" to the nanoseconds between two; "" to 0.  Whether it was one. */
bool value_rate(const char *text, uint64_t *ns);

/* Writes it, so that value_rate reads the same; "" for 0.  Returns buffer. */
const char *value_rate_print(uint64_t ns, char buffer[static RATE_TEXT_MAX]);

/* Reads the number of a user or a group: 0 to 4294967294, with no 0 before it. */
bool value_id(const char *text, uint32_t *id);

/* Reads the permissions of a file, "0660": 0 and three octal digits. */
bool value_mode(const char *text, mode_t *mode);

/*
 * What is wrong with a text as a service's name, as the path of the log's socket, as the
 * name that stands before log lines, of a network interface, of an inherited socket, as the path of
 * the control socket, of a group, of a user ("" is fine in these three), as an absolute path, as
 * what a program is told its name is: the end of a sentence that begins with "expected", or NULL.
 * None is content with a newline.
 */
const char *value_name_wrong(const char *text);
const char *value_socket_wrong(const char *text);
const char *value_ident_wrong(const char *text);
const char *value_interface_wrong(const char *text);
const char *value_inherited_wrong(const char *text);
const char *value_control_wrong(const char *text);
const char *value_group_wrong(const char *text);
const char *value_user_wrong(const char *text);
const char *value_path_wrong(const char *text);
const char *value_argument_wrong(const char *text);

#endif
