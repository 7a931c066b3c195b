/* SPDX-License-Identifier: MIT */
/* The built-in services, for the registry. */
#ifndef TCPD_SERVICE_BUILTIN_H
#define TCPD_SERVICE_BUILTIN_H

#include "conn/service.h"

extern const struct service_ops greet_service, echo_service, discard_service, chargen_service,
    daytime_service, time_service, status_service, exec_service;

/* A `data` callback for services that do not listen: takes everything. */
size_t builtin_ignore(struct conn *conn, const char *bytes, size_t length);

#endif
