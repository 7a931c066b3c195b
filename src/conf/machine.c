/* SPDX-License-Identifier: MIT */
/* A valid configuration held against the machine on which it is to run. */
#include "conf/conf.h"

#include "conf/listen.h"
#include "conf/reading.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Descriptors of a child that are no connection and no listener: its log, the
 * channel to the master, standard streams, what libraries open for a moment; and for each
 * worker its loop and what wakes it.
 */
#define DESCRIPTORS_CHILD  32
#define DESCRIPTORS_WORKER 4

#define WARNING_MAX 512

static void warn_at(struct conf_report *report, const char *file, unsigned line, const char *path,
                    const char *format, ...) __attribute__((format(printf, 5, 6)));

static void warn_at(struct conf_report *report, const char *file, unsigned line, const char *path,
                    const char *format, ...)
{
    char message[WARNING_MAX];
    va_list values;
    va_start(values, format);
    vsnprintf(message, sizeof(message), format, values);
    va_end(values);
    report_add(report, false, file, line, path, message);
}

static uint64_t descriptors_besides(const struct conf *conf)
{
    uint64_t count = DESCRIPTORS_CHILD + (uint64_t)conf->pool.threads * DESCRIPTORS_WORKER;
    for (size_t i = 0; i < conf->service_count; i++)
        count += conf->services[i].listen_count;
    return count;
}

static void check_descriptors(const struct conf *conf, struct conf_report *report)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max == RLIM_INFINITY)
        return;
    uint64_t besides = descriptors_besides(conf);
    uint64_t each = limit.rlim_max > besides ? limit.rlim_max - besides : 0;
    uint64_t all = each * conf->pool.processes;
    if (all >= conf->limits.connections)
        return;
    warn_at(report, conf->limits_file, conf->limits_line, "limits.connections",
            "%u connections do not fit: the hard limit of %llu open files (RLIMIT_NOFILE) leaves "
            "room for %llu in %u child process%s; raise it (LimitNOFILE= in the unit), or lower "
            "this",
            conf->limits.connections, (unsigned long long)limit.rlim_max, (unsigned long long)all,
            conf->pool.processes, conf->pool.processes == 1 ? "" : "es");
}

/* The most that the kernel grants as a backlog; 0: unknown. */
static int somaxconn(void)
{
    FILE *in = fopen("/proc/sys/net/core/somaxconn", "re");
    if (in == NULL)
        return 0;
    char text[32] = "";
    if (fgets(text, sizeof(text), in) == NULL)
        text[0] = '\0';
    fclose(in);
    return atoi(text);
}

/* One address of one service, and what is to be said about it. */
struct inspection {
    const struct listen *listen;
    const char *path; /* services.NAME.listen */
    struct conf_report *report;
    int somaxconn;
};

#define inspection_warn(inspection, ...)                                                           \
    warn_at((inspection)->report, (inspection)->listen->file, (inspection)->listen->line,          \
            (inspection)->path, __VA_ARGS__)

static void check_backlog(const struct inspection *inspection)
{
    int backlog = inspection->listen->backlog;
    if (inspection->listen->inherited != NULL || inspection->somaxconn <= 0 ||
        backlog <= inspection->somaxconn)
        return;
    inspection_warn(inspection,
                    "the kernel cuts the backlog of %d down to %d: raise the sysctl "
                    "net.core.somaxconn, or lower this",
                    backlog, inspection->somaxconn);
}

static void check_interface(const struct inspection *inspection)
{
    const char *interface = inspection->listen->interface;
    if (interface != NULL && if_nametoindex(interface) == 0)
        inspection_warn(inspection, "there is no network interface \"%s\" now", interface);
}

/* The folder of an absolute path.  Returns buffer. */
static const char *folder_of(const char *path, char buffer[static ADDR_TEXT_MAX])
{
    const char *slash = strrchr(path, '/');
    int length = slash == path ? 1 : (int)(slash - path);
    snprintf(buffer, ADDR_TEXT_MAX, "%.*s", length, path);
    return buffer;
}

static void check_folder(const struct inspection *inspection)
{
    if (inspection->listen->address.family != AF_UNIX)
        return;
    char buffer[ADDR_TEXT_MAX];
    const char *folder = folder_of(inspection->listen->address.path, buffer);
    if (access(folder, W_OK | X_OK) != 0)
        inspection_warn(inspection, "no socket can be made in the folder %s: %s", folder,
                        strerror(errno));
}

static void inspect(const struct inspection *inspection)
{
    check_backlog(inspection);
    check_interface(inspection);
    check_folder(inspection);
}

/* Who may write to the folder may put a socket of his own where the daemon's is looked for. */
static void check_control(const struct conf *conf, struct conf_report *report)
{
    if (conf->control_file == NULL || conf->control.socket[0] == '\0')
        return;
    char buffer[ADDR_TEXT_MAX];
    const char *folder = folder_of(conf->control.socket, buffer);
    struct stat status;
    const char *wrong = NULL;
    if (stat(folder, &status) != 0)
        wrong = strerror(errno);
    else if (!S_ISDIR(status.st_mode))
        wrong = strerror(ENOTDIR);
    if (wrong != NULL)
        warn_at(report, conf->control_file, conf->control_line, "control.socket",
                "no socket can be made in the folder %s: %s", folder, wrong);
    else if ((status.st_mode & S_IWOTH) != 0)
        warn_at(report, conf->control_file, conf->control_line, "control.socket",
                "everybody may write to the folder %s, and put something else there: choose one "
                "that belongs to tcpd",
                folder);
}

static void check_program(const struct conf_service *service, struct conf_report *report)
{
    const struct conf_identity *identity = &service->program.identity;
    struct error error = {0};
    char path[64];
    if (service->service.program == NULL || identity->file == NULL ||
        conf_identity_check(identity, "programs", &error) == 0)
        return;
    snprintf(path, sizeof(path), "services.%s.%s", service->service.name, identity->path);
    warn_at(report, identity->file, identity->line, path, "%s", error.text);
}

static void check_identity(const struct conf *conf, struct conf_report *report)
{
    const struct conf_identity *identity = &conf->identity;
    struct error error = {0};
    if (identity->file != NULL && conf_identity_check(identity, "children", &error) != 0)
        warn_at(report, identity->file, identity->line, identity->path, "%s", error.text);
}

void conf_check_machine(const struct conf *conf, struct conf_report *report)
{
    check_identity(conf, report);
    check_descriptors(conf, report);
    check_control(conf, report);
    int most = somaxconn();
    for (size_t i = 0; i < conf->service_count; i++) {
        const struct conf_service *service = &conf->services[i];
        char path[64];
        check_program(service, report);
        snprintf(path, sizeof(path), "services.%s.listen", service->service.name);
        for (size_t j = 0; j < service->listen_count; j++)
            inspect(&(struct inspection){&service->listens[j], path, report, most});
    }
}
