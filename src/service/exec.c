/* SPDX-License-Identifier: MIT */
/* Exec: a program for each connection.  The spawner runs it; here nothing of it happens. */
#include "service/builtin.h"

const struct service_ops exec_service = {
    .type = "exec",
    .about = "runs a program for each connection, as inetd does",
    .speaks_first = true,
    .gives_away = true,
};
