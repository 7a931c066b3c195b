/* SPDX-License-Identifier: MIT */
/* Configurations made of strings, for the tests of conf/. */
#ifndef TESTS_UNIT_CONF_HELP_H
#define TESTS_UNIT_CONF_HELP_H

#include "conf/conf.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ECHO "services = ( { name = \"echo\"; type = \"echo\"; listen = \"127.0.0.1:6007\"; } );\n"

/* A folder of its own for each test, left as the working folder. */
static inline void enter_folder(void)
{
    static char folder[] = "/tmp/tcpd-conf-XXXXXX";
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
}

static inline void leave_folder(void)
{
    char folder[64];
    cr_assert_not_null(getcwd(folder, sizeof(folder)));
    cr_assert_eq(strncmp(folder, "/tmp/tcpd-conf-", 15), 0);
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0);
}

static inline void write_file(const char *name, const char *text)
{
    FILE *out = fopen(name, "w");
    cr_assert_not_null(out);
    fputs(text, out);
    cr_assert_eq(fclose(out), 0);
}

/* Sanitizers tell nothing of speed. */
static inline bool is_sanitized(void)
{
    const char *built_with = getenv("TCPD_BUILT_WITH");
    return built_with != NULL && strstr(built_with, "-fsanitize") != NULL;
}

/* What conf_load made of a text, or of files that are there already. */
struct loaded {
    struct conf *conf;
    struct conf_report report;
};

static inline struct loaded load_with(const char *text, const struct conf_override *overrides,
                                      size_t count)
{
    struct loaded loaded;
    if (text != NULL)
        write_file("test.conf", text);
    loaded.conf = conf_load("test.conf", overrides, count, &loaded.report);
    cr_assert_eq(loaded.conf == NULL, loaded.report.errors > 0);
    return loaded;
}

static inline struct loaded load(const char *text)
{
    return load_with(text, NULL, 0);
}

static inline void unload(struct loaded *loaded)
{
    conf_free(loaded->conf);
    conf_report_free(&loaded->report);
}

/* Whether a message begins with one text and holds the other. */
static inline bool says(const struct loaded *loaded, const char *start, const char *part)
{
    for (size_t i = 0; i < loaded->report.count; i++) {
        const char *message = loaded->report.messages[i];
        if (strncmp(message, start, strlen(start)) == 0 && strstr(message, part) != NULL)
            return true;
    }
    return false;
}

/* Loads a text without -o and expects one error: where, and a part of the sentence. */
static inline void expect_error(const char *text, const char *start, const char *part)
{
    struct loaded loaded = load(text);
    cr_assert_eq(loaded.report.errors, 1, "%zu errors for %s", loaded.report.errors, text);
    cr_assert(says(&loaded, start, part), "got: %s", loaded.report.messages[0]);
    unload(&loaded);
}

static inline void expect_valid(const char *text)
{
    struct loaded loaded = load(text);
    cr_assert_eq(loaded.report.errors, 0, "%s: %s", text,
                 loaded.report.errors > 0 ? loaded.report.messages[0] : "");
    unload(&loaded);
}

#endif
