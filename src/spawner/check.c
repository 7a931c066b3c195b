/* SPDX-License-Identifier: MIT */
#include "spawner/check.h"

#include "conf/reading.h"
#include "spawner/launch.h"

#include <stdio.h>
#include <unistd.h>

static void complain(struct conf_report *report, const struct conf_service *service,
                     const char *sentence)
{
    char path[64];
    snprintf(path, sizeof path, "services.%s.command", service->service.name);
    report_add(report, true, service->program.file, service->program.line, path, sentence);
}

static int check(const struct conf_service *service, struct error *error)
{
    struct recipe recipe;
    int failed = recipe_init(&recipe, service, error);
    if (!failed)
        failed = launch_try(&recipe, error);
    recipe_fini(&recipe);
    return failed;
}

/* Without the rights that it takes, somebody who only asks would be told of their lack. */
static bool can_be_checked(const struct conf_program *program)
{
    return geteuid() == 0 || (!program->identity.changes && !program->chroot);
}

void programs_check(const struct conf *conf, struct conf_report *report)
{
    for (size_t i = 0; i < conf->service_count; i++) {
        const struct conf_service *service = &conf->services[i];
        struct error error = {0};
        if (service->service.program && can_be_checked(&service->program) && check(service, &error))
            complain(report, service, error.text);
    }
}
