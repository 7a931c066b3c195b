/* SPDX-License-Identifier: MIT */
#include "service/registry.h"

#include "service/builtin.h"

#include <string.h>

static const struct service_ops *const types[] = {
    &greet_service,   &echo_service, &discard_service, &chargen_service,
    &daytime_service, &time_service, &exec_service,    &status_service,
};

const struct service_ops *registry_at(unsigned i)
{
    return i < sizeof types / sizeof *types ? types[i] : NULL;
}

const struct service_ops *registry_find(const char *type)
{
    for (unsigned i = 0; registry_at(i); i++)
        if (strcmp(registry_at(i)->type, type) == 0)
            return registry_at(i);
    return NULL;
}
