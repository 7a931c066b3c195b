/* SPDX-License-Identifier: MIT */
/* The one list of service types: nothing else knows them by name. */
#ifndef TCPD_SERVICE_REGISTRY_H
#define TCPD_SERVICE_REGISTRY_H

#include "conn/service.h"

/* The type with this name, or NULL.  Any thread. */
const struct service_ops *registry_find(const char *type);

/* The type number i, from 0, or NULL behind the last.  Any thread. */
const struct service_ops *registry_at(unsigned i);

#endif
