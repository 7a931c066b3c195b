/* SPDX-License-Identifier: MIT */
#include "conf/exec.h"

#include "conf/identity.h"
#include "conf/kind.h"
#include "conf/value.h"
#include "conf/variable.h"

#include <string.h>

#define ARGUMENTS_MAX 1000

const char *const exec_settings[] = {
    "command",      "argv0",       "user",    "group",     "directory", "chroot",
    "environment",  "umask",       "nice",    "instances", "stderr",    "wait",
    "kill_timeout", "count_bytes", "sandbox", "writable",  "rlimits",   NULL,
};

void exec_prepare(struct reading *reading, struct conf_service *service)
{
    struct conf_program *program = &service->program;
    for (const struct option *option = option_program; option->name != NULL; option++)
        option_default(reading->memory, option, program);
    program->limits =
        (struct program_limits){PROGRAM_LIMIT_UNSET, PROGRAM_LIMIT_UNSET, PROGRAM_LIMIT_UNSET,
                                PROGRAM_LIMIT_UNSET, PROGRAM_LIMIT_UNSET, PROGRAM_LIMIT_UNSET};
    program->environment = memory_take(reading->memory, sizeof(*program->environment));
    program->writable = memory_take(reading->memory, sizeof(*program->writable));
}

/* The settings that are no plain values. */

/* A list of strings, or one of them alone; NULL: it is something else, which has been said. */
static const char **read_strings(struct reading *reading, const struct node *node,
                                 const char *example)
{
    bool many = node->type == NODE_LIST || node->type == NODE_ARRAY;
    unsigned count = many ? node->count : 1;
    if (count > ARGUMENTS_MAX) {
        node_error(reading, node, "expected at most %d strings, got %u", ARGUMENTS_MAX, count);
        return NULL;
    }
    const char **strings = memory_take(reading->memory, (count + 1) * sizeof(*strings));
    const struct node *child = many ? node->first : node;
    for (unsigned i = 0; i < count; i++, child = child->next) {
        if (child->type != NODE_STRING) {
            node_error(reading, child, "expected a string, such as in %s, got %s", example,
                       node_print(reading->memory, child));
            return NULL;
        }
        strings[i] = child->text;
    }
    return strings;
}

static void read_command(struct reading *reading, const struct node *node,
                         struct conf_program *program)
{
    static const char example[] = "command = [ \"/usr/sbin/in.fingerd\", \"-w\" ]";
    const char **command = read_strings(reading, node, example);
    if (command == NULL)
        return;
    if (command[0] == NULL || value_path_wrong(command[0]) != NULL) {
        node_error(reading, node,
                   "expected the absolute path of a program and its arguments, such as %s, got %s",
                   example, node_print(reading->memory, node));
        return;
    }
    const char *name = strrchr(command[0], '/') + 1;
    program->command = command;
    program->file = node->place.source->name;
    program->line = node->place.line;
    program->program.name = name;
    if (program->argv0 == NULL)
        program->argv0 = name;
}

static void read_writable(struct reading *reading, const struct node *node,
                          struct conf_program *program)
{
    const char **paths = read_strings(reading, node, "writable = [ \"/var/lib/thing\" ]");
    for (size_t i = 0; paths != NULL && paths[i] != NULL; i++) {
        if (value_path_wrong(paths[i]) != NULL)
            node_error(reading, node, "expected absolute paths, got \"%.200s\"", paths[i]);
    }
    if (paths != NULL)
        program->writable = paths;
}

static void read_environment(struct reading *reading, const struct node *node,
                             struct conf_program *program)
{
    if (node->type != NODE_GROUP) {
        node_error(reading, node, "expected a group such as { LANG = \"C\"; }, got %s",
                   node_print(reading->memory, node));
        return;
    }
    program->environment =
        memory_take(reading->memory, (node->count + 1) * sizeof(*program->environment));
    for (const struct node *child = node->first; child != NULL; child = child->next) {
        if (child->type != NODE_STRING)
            node_error(reading, child, "expected a string, got %s",
                       node_print(reading->memory, child));
        else if (variable_is_own(child->name, strlen(child->name)))
            node_error(reading, child, "this variable is tcpd's own: choose another name");
        else
            program->environment[program->environment_count++] =
                memory_print(reading->memory, "%s=%s", child->name, child->text);
    }
}

static const struct own {
    const char *name;
    void (*read)(struct reading *reading, const struct node *node, struct conf_program *program);
} own[] = {
    {"command", read_command},
    {"environment", read_environment},
    {"writable", read_writable},
};

#define OWN_COUNT (sizeof(own) / sizeof(own[0]))

bool exec_read(struct reading *reading, const struct node *node, struct conf_service *service)
{
    struct conf_program *program = &service->program;
    for (size_t i = 0; i < OWN_COUNT; i++) {
        if (strcmp(node->name, own[i].name) == 0) {
            own[i].read(reading, node, program);
            return true;
        }
    }
    if (strcmp(node->name, option_rlimits.name) == 0) {
        option_read_section(reading, &option_rlimits, node, program);
        return true;
    }
    const struct option *option = option_find(&(struct section){"", option_program}, node->name);
    if (option != NULL)
        option_read(reading, option, node, program);
    return option != NULL;
}

/* All of them together. */

static void refuse_all(struct reading *reading, const struct node *service)
{
    for (size_t i = 0; exec_settings[i] != NULL; i++) {
        const struct node *node = node_child(service, exec_settings[i]);
        if (node != NULL)
            node_error(reading, node, "this is for a service of the type \"exec\" only");
    }
}

/* What cannot be done for a program that accepts by itself. */
static void check_wait(struct reading *reading, const struct node *node,
                       const struct conf_service *service)
{
    const struct limits *limits = &service->service.limits;
    const struct node *wait = node_child(node, "wait");
    const char *other = NULL;
    if (service->service.access != NULL)
        other = "access";
    else if (service->service.proxy_protocol != PROXY_PROTOCOL_OFF)
        other = "proxy_protocol";
    else if (limits->per_address != 0 || limits->rate != 0)
        other = "limits for a client address";
    else if (service->program.count_bytes)
        other = "count_bytes";
    if (other != NULL)
        node_error(reading, wait, "the program accepts connections itself, so there can be no %s",
                   other);
    if (service->listen_count > 1)
        node_error(reading, wait, "the program gets one listening socket: give it one address");
}

void exec_check(struct reading *reading, const struct node *node, struct conf_service *service)
{
    struct conf_program *program = &service->program;
    if (service->service.ops == NULL)
        return;
    if (!service->service.ops->gives_away) {
        refuse_all(reading, node);
        return;
    }
    if (node_child(node, "command") == NULL)
        node_error(reading, node, "command is missing: add command = [ \"/usr/sbin/in.fingerd\" ]");
    if (program->writable[0] != NULL && program->sandbox == PROGRAM_SANDBOX_NONE)
        node_error(reading, node_child(node, "writable"),
                   "without a sandbox everything is: add sandbox = \"strict\"");
    if (program->wait)
        check_wait(reading, node, service);
    identity_resolve_program(reading, node, &program->identity);
    program->program.most = program->wait ? 1 : program->instances;
    program->program.counts_bytes = program->count_bytes;
    program->program.takes_listener = program->wait;
    service->service.program = &program->program;
}

/* Printing. */

static void print_strings(FILE *out, const char *name, const char *const *strings)
{
    fprintf(out, "      %s = [", name);
    for (size_t i = 0; strings[i] != NULL; i++) {
        fputs(i > 0 ? ", " : " ", out);
        option_print_string(out, strings[i]);
    }
    fputs(" ];\n", out);
}

static void print_environment(FILE *out, const struct conf_program *program)
{
    fputs("      environment = {", out);
    for (size_t i = 0; i < program->environment_count; i++) {
        const char *equals = strchr(program->environment[i], '=');
        fprintf(out, " %.*s = ", (int)(equals - program->environment[i]), program->environment[i]);
        option_print_string(out, equals + 1);
        fputc(';', out);
    }
    fputs(" };\n", out);
}

static bool is_set(const struct option *option, const struct conf_program *program)
{
    const char *field = (const char *)program + option->offset;
    if (option->kind == &kind_string)
        return *(const char *const *)(const void *)field != NULL;
    return option->kind != &kind_limit ||
           *(const uint64_t *)(const void *)field != PROGRAM_LIMIT_UNSET;
}

static void print_options(FILE *out, const struct option *option,
                          const struct conf_program *program, const char *before,
                          const char *behind)
{
    for (; option->name != NULL; option++) {
        if (!is_set(option, program))
            continue;
        fputs(before, out);
        option_print(out, option, program);
        fputs(behind, out);
    }
}

void exec_print(FILE *out, const struct conf_service *service)
{
    const struct conf_program *program = &service->program;
    if (service->service.program == NULL)
        return;
    print_strings(out, "command", program->command);
    print_options(out, option_program, program, "      ", "\n");
    print_environment(out, program);
    fputs("      rlimits = {", out);
    print_options(out, option_rlimits.options, program, " ", "");
    fputs(" };\n", out);
    if (program->writable[0] != NULL)
        print_strings(out, "writable", program->writable);
}
