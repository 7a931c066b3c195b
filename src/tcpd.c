/* SPDX-License-Identifier: MIT */
/* tcpd: the command line.  What the daemon does is in master/ and below. */
#include "config.h"

#include "base/title.h"
#include "conf/conf.h"
#include "conn/conn.h"
#include "master/master.h"
#include "service/registry.h"
#include "spawner/check.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#ifdef HAVE_SYSTEMD
#define WITH_SYSTEMD "systemd"
#else
#define WITH_SYSTEMD "no systemd"
#endif

#ifdef HAVE_SECCOMP
#define WITH_SECCOMP "seccomp"
#else
#define WITH_SECCOMP "no seccomp"
#endif

static const char usage[] =
    "Usage: tcpd [-f] [-t|-T] [-c FILE] [-o PATH=VALUE]... [-p FILE]\n"
    "\n"
    "  -c, --config FILE     the configuration (default: " SYSCONFDIR "/tcpd.conf)\n"
    "  -f, --foreground      stay in the foreground; log to stderr as well when it is a terminal\n"
    "  -t, --test            check the configuration, say every error, and leave\n"
    "  -T, --dump            as -t, then print the whole effective configuration\n"
    "  -o, --set PATH=VALUE  override one setting by its path (repeatable): -o log.level=debug\n"
    "  -p, --pid-file FILE   write and lock a pid file\n"
    "  -V, --version         version, and what was compiled in\n"
    "  -h, --help            this text\n"
    "\n"
    "The manual: tcpd(8), tcpd.conf(5).\n";

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"foreground", no_argument, NULL, 'f'},
    {"test", no_argument, NULL, 't'},
    {"dump", no_argument, NULL, 'T'},
    {"set", required_argument, NULL, 'o'},
    {"pid-file", required_argument, NULL, 'p'},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

struct command_line {
    const char *config;
    const char *pid_file;
    struct conf_override *overrides; /* room for one for each argument */
    char **paths;                    /* of the overrides: copies */
    size_t override_count;
    bool foreground, test, dump, version, help;
};

/* The path is a copy: an upgrade passes the arguments on as they are. */
static int add_override(struct command_line *command, const char *argument)
{
    const char *equals = strchr(argument, '=');
    if (!equals || equals == argument) {
        fprintf(stderr, "tcpd: -o takes PATH=VALUE, as in -o log.level=debug, not \"%s\"\n",
                argument);
        return -1;
    }
    char *path = strndup(argument, (size_t)(equals - argument));
    if (!path)
        return -1;
    command->paths[command->override_count] = path;
    command->overrides[command->override_count++] =
        (struct conf_override){.path = path, .value = equals + 1};
    return 0;
}

static int take_option(struct command_line *command, int option)
{
    switch (option) {
    case 'c':
        command->config = optarg;
        return 0;
    case 'p':
        command->pid_file = optarg;
        return 0;
    case 'o':
        return add_override(command, optarg);
    case 'f':
        command->foreground = true;
        return 0;
    case 't':
        command->test = true;
        return 0;
    case 'T':
        command->dump = true;
        return 0;
    case 'V':
        command->version = true;
        return 0;
    case 'h':
        command->help = true;
        return 0;
    default: /* getopt_long has said what is wrong */
        return -1;
    }
}

static int parse(struct command_line *command, int argc, char **argv)
{
    int option;
    while ((option = getopt_long(argc, argv, "c:ftTo:p:Vh", long_options, NULL)) != -1)
        if (take_option(command, option))
            return -1;
    if (optind < argc) {
        fprintf(stderr, "tcpd: what is \"%s\"? tcpd takes options only\n", argv[optind]);
        return -1;
    }
    return 0;
}

static int print_version(void)
{
    printf("tcpd %s\nbuilt with: libconfig, %s, %s\nservices:", PACKAGE_VERSION, WITH_SYSTEMD,
           WITH_SECCOMP);
    for (unsigned i = 0; registry_at(i); i++)
        printf(" %s", registry_at(i)->type);
    printf("\n");
    return EX_OK;
}

static void print_report(const struct conf_report *report)
{
    for (size_t i = 0; i < report->count; i++)
        fprintf(stderr, "%s\n", report->messages[i]);
}

static size_t count_listens(const struct conf *conf)
{
    size_t count = 0;
    for (size_t i = 0; i < conf->service_count; i++)
        count += conf->services[i].listen_count;
    return count;
}

static int say_valid(const struct command_line *command, const struct conf *conf)
{
    if (command->dump)
        return conf_dump(conf, stdout) ? EX_IOERR : EX_OK;
    double bound = (double)conf->limits.connections * (double)CONN_MEMORY_MAX;
    printf("%s: valid: %zu services on %zu addresses; at most %u connections, which take up to "
           "%.1f GiB when every peer stops reading\n",
           command->config, conf->service_count, count_listens(conf), conf->limits.connections,
           bound / (1 << 30));
    return EX_OK;
}

static int check(const struct command_line *command)
{
    struct conf_report report;
    struct conf *conf =
        conf_load(command->config, command->overrides, command->override_count, &report);
    if (conf) {
        programs_check(conf, &report);
        conf_check_machine(conf, &report);
    }
    print_report(&report);
    int status = conf && report.errors == 0 ? say_valid(command, conf) : EX_CONFIG;
    conf_report_free(&report);
    conf_free(conf);
    return status;
}

static int run(const struct master_options *options)
{
    struct conf_report report;
    master_hold_changes();
    struct conf *conf =
        conf_load(options->config, options->overrides, options->override_count, &report);
    print_report(&report);
    conf_report_free(&report);
    return conf ? master_run(options, conf) : EX_CONFIG;
}

static int check_or_run(const struct command_line *command, char **argv)
{
    struct master_options options = {.config = command->config,
                                     .overrides = command->overrides,
                                     .override_count = command->override_count,
                                     .argv = argv,
                                     .version = PACKAGE_VERSION,
                                     .pid_file = command->pid_file,
                                     .foreground = command->foreground};
    bool only_check = command->test || command->dump;
    if (master_is_heir())
        return only_check ? master_check_heir(&options) : master_inherit(&options);
    return only_check ? check(command) : run(&options);
}

static int act(const struct command_line *command, char **argv)
{
    if (command->help)
        return fputs(usage, stdout) < 0 ? EX_IOERR : EX_OK;
    if (command->version)
        return print_version();
    return check_or_run(command, argv);
}

int main(int argc, char **argv)
{
    struct command_line command = {.config = SYSCONFDIR "/tcpd.conf"};
    argv = title_init(argv);
    command.overrides = calloc((size_t)argc + 1, sizeof *command.overrides);
    command.paths = calloc((size_t)argc + 1, sizeof *command.paths);
    if (!command.overrides || !command.paths)
        return EX_OSERR;
    int status = EX_USAGE;
    if (parse(&command, argc, argv) == 0)
        status = act(&command, argv);
    else
        fputs("Try \"tcpd --help\".\n", stderr);
    for (size_t i = 0; i < command.override_count; i++)
        free(command.paths[i]);
    free(command.overrides);
    free(command.paths);
    title_fini();
    return status;
}
