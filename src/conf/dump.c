/* SPDX-License-Identifier: MIT */
/* A configuration becomes text again, by the tables that read it. */
#include "conf/dump.h"

#include "conf/access.h"
#include "conf/exec.h"
#include "conf/listen.h"
#include "conf/option.h"
#include "conf/proxies.h"

#include <string.h>

/* One a line: they stand in no group. */
static void print_top(FILE *out, const struct section *section, const void *base)
{
    for (const struct option *option = section->options; option->name != NULL; option++) {
        option_print(out, option, base);
        fputc('\n', out);
    }
}

static void print_section(FILE *out, const struct section *section, const void *base,
                          const char *indent)
{
    fprintf(out, "%s%s = {", indent, section->name);
    for (const struct option *option = section->options; option->name != NULL; option++) {
        fputc(' ', out);
        option_print(out, option, base);
    }
    fputs(" };\n", out);
}

/* Only what the form of the address allows: the rest would be refused. */
static bool is_printed(const struct option *option, const struct listen *listen)
{
    if (listen->inherited != NULL)
        return false;
    if (strcmp(option->name, "interface") == 0)
        return listen->interface != NULL;
    return strcmp(option->name, "mode") != 0 || listen->address.family == AF_UNIX;
}

void dump_listen(FILE *out, const struct listen *listen)
{
    char text[LISTEN_TEXT_MAX];
    fputs("{ address = ", out);
    option_print_string(out, listen_print(listen, text));
    fputc(';', out);
    for (const struct option *option = option_listen; option->name != NULL; option++) {
        if (!is_printed(option, listen))
            continue;
        fputc(' ', out);
        option_print(out, option, listen);
    }
    fputs(" }", out);
}

static void print_listens(FILE *out, const struct conf_service *service)
{
    fputs("      listen = (\n", out);
    for (size_t i = 0; i < service->listen_count; i++) {
        fputs("        ", out);
        dump_listen(out, &service->listens[i]);
        fputs(i + 1 < service->listen_count ? ",\n" : "\n      );\n", out);
    }
}

void dump_service(FILE *out, const struct conf_service *service, bool with_listens)
{
    fprintf(out, "      type = \"%s\";\n", service->service.ops->type);
    if (with_listens)
        print_listens(out, service);
    fputs("      access = {", out);
    access_print(out, &service->access);
    fputs(" };\n", out);
    proxies_print(out, service);
    exec_print(out, service);
    for (const struct section *section = option_service; section->name != NULL; section++)
        print_section(out, section, &service->service, "      ");
}

int conf_dump(const struct conf *conf, FILE *out)
{
    print_top(out, option_daemon, conf);
    for (const struct section *section = option_daemon + 1; section->name != NULL; section++)
        print_section(out, section, conf, "");
    fputs("services = (\n", out);
    for (size_t i = 0; i < conf->service_count; i++) {
        fprintf(out, "    {\n      name = \"%s\";\n", conf->services[i].service.name);
        dump_service(out, &conf->services[i], true);
        fputs(i + 1 < conf->service_count ? "    },\n" : "    }\n);\n", out);
    }
    return fflush(out) != 0 || ferror(out) != 0 ? -1 : 0;
}
