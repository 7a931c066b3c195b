/* SPDX-License-Identifier: MIT */
/*
 * A reload: the configuration is read and checked in a process of its own,
 * which writes what it has read into a memfd; so no file, and no file system, can hurt the
 * master.  Then a new generation is forked, and the old one drains when all its children are ready.
 */
#include "base/log.h"
#include "conf/diff.h"
#include "master/state.h"
#include "spawner/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define TRIAL_TIME (10 * CLOCK_S)

/* In the trial's process. */

static int write_all(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, text, length);
        if (written < 0 && errno != EINTR)
            return -1;
        text += written > 0 ? written : 0;
        length -= written > 0 ? (size_t)written : 0;
    }
    return 0;
}

static int read_configuration(void *argument)
{
    const struct master *master = argument;
    const struct master_options *options = master->options;
    struct conf_report report;
    struct conf *conf =
        conf_load(master->config, options->overrides, options->override_count, &report);
    if (conf)
        programs_check(conf, &report);
    for (size_t i = 0; i < report.count; i++)
        dprintf(STDOUT_FILENO, "%s\n", report.messages[i]);
    if (!conf || report.errors > 0)
        return EX_CONFIG;
    size_t length;
    char *text = conf_snapshot_text(conf, &length);
    return text && write_all(master->changes.text, text, length) == 0 ? EX_OK : EX_OSERR;
}

/* In the master. */

void reload_begin(struct master *master)
{
    struct changes *changes = &master->changes;
    struct error error = {0};
    changes->step = CHANGE_TRIAL;
    changes->text = memfd_create("tcpd-configuration", MFD_CLOEXEC);
    if (changes->text < 0)
        error_set(&error, errno, "cannot make a file in memory");
    if (changes->text < 0 ||
        trial_start(&changes->trial, read_configuration, master, changes->text, TRIAL_TIME, &error))
        change_refused(master, error.text, NULL, 0);
}

/* Lines of the trial's output, cut in place; at most `most`. */
static size_t cut_lines(char *text, const char **lines, size_t most)
{
    size_t count = 0;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line && count < most;
         line = strtok_r(NULL, "\n", &rest))
        lines[count++] = line;
    return count;
}

static void refuse(struct master *master, const struct error *verdict)
{
    static const char invalid[] = "the configuration is not valid; the running one stays";
    struct trial *trial = &master->changes.trial;
    const char *lines[200];
    char sentence[sizeof verdict->text + 64];
    size_t count = cut_lines(trial->text, lines, sizeof lines / sizeof *lines);
    bool is_invalid = WIFEXITED(trial->status) && WEXITSTATUS(trial->status) == EX_CONFIG;
    snprintf(sentence, sizeof sentence, "the configuration was not read: %s", verdict->text);
    change_refused(master, is_invalid && !trial->timed_out ? invalid : sentence, lines, count);
}

static void log_warnings(struct master *master)
{
    const char *lines[200];
    size_t count = cut_lines(master->changes.trial.text, lines, sizeof lines / sizeof *lines);
    for (size_t i = 0; i < count; i++)
        log_say(LOG_WARNING, "%s", lines[i]);
}

static struct conf *load_text(const struct master *master, struct error *error)
{
    const struct master_options *options = master->options;
    struct stat file;
    struct conf_report report;
    int fd = master->changes.text;
    size_t length = fstat(fd, &file) == 0 ? (size_t)file.st_size : 0;
    char *text = mmap(NULL, length ? length : 1, PROT_READ, MAP_PRIVATE, fd, 0);
    if (text == MAP_FAILED) {
        error_set(error, errno, "cannot read the configuration from memory");
        return NULL;
    }
    struct conf *conf =
        conf_load_snapshot(text, length, options->overrides, options->override_count, &report);
    if (!conf)
        error_set(error, 0, "%s", report.count ? report.messages[0] : "it cannot be read");
    conf_report_free(&report);
    munmap(text, length ? length : 1);
    return conf;
}

void reload_tried(struct master *master, const struct error *verdict)
{
    struct error error = {0};
    if (verdict->text[0]) {
        refuse(master, verdict);
        return;
    }
    log_warnings(master);
    struct conf *conf = load_text(master, &error);
    if (conf)
        change_start(master, conf);
    else
        change_refused(master, error.text, NULL, 0);
}

/* What has changed. */

static const char *const hows[] = {
    [CONF_ADDED] = "added", [CONF_REMOVED] = "removed", [CONF_CHANGED] = "changed"};

static void add_change(json_t *answer, const struct conf_change *change)
{
    static const char *const kinds[] = {[CONF_SERVICE] = "services", [CONF_LISTENER] = "listeners"};
    if (change->kind == CONF_SETTING) {
        json_array_append_new(json_object_get(answer, "settings"), json_string(change->what));
        return;
    }
    json_t *group = json_object_get(answer, kinds[change->kind]);
    json_array_append_new(json_object_get(group, hows[change->how]), json_string(change->what));
}

json_t *reload_answer(const struct master *master, const struct conf *before)
{
    const struct generation *next = master->changes.next;
    json_t *answer = json_pack("{s:b,s:i,s:{s:[],s:[],s:[]},s:{s:[],s:[],s:[]},s:[]}", "ok", 1,
                               "generation", (int)next->number, "services", "added", "removed",
                               "changed", "listeners", "added", "removed", "changed", "settings");
    struct conf_diff diff = {0};
    if (!answer || !before)
        return answer;
    conf_diff(before, next->conf, &diff);
    for (size_t i = 0; i < diff.count; i++)
        add_change(answer, &diff.changes[i]);
    conf_diff_free(&diff);
    return answer;
}
