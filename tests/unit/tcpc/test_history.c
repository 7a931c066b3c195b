/* SPDX-License-Identifier: MIT */
#include "tcpc/history.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

Test(history, the_place)
{
    char path[HISTORY_PATH_MAX];
    cr_assert(history_path(path, "/state", "/home/ada"));
    cr_expect_str_eq(path, "/state/tcpc/history");
    cr_assert(history_path(path, NULL, "/home/ada"));
    cr_expect_str_eq(path, "/home/ada/.local/state/tcpc/history");
    cr_assert(history_path(path, "", "/home/ada"));
    cr_expect_str_eq(path, "/home/ada/.local/state/tcpc/history");
    cr_assert(history_path(path, "relative", "/home/ada"));
    cr_expect_str_eq(path, "/home/ada/.local/state/tcpc/history");
}

Test(history, no_place)
{
    char path[HISTORY_PATH_MAX], longest[HISTORY_PATH_MAX];
    memset(longest, 'x', sizeof longest);
    longest[0] = '/';
    longest[sizeof longest - 1] = '\0';
    cr_expect_not(history_path(path, NULL, NULL));
    cr_expect_not(history_path(path, "relative", "relative"));
    cr_expect_not(history_path(path, longest, NULL));
}

Test(history, lines_worth_keeping)
{
    cr_expect(history_wants("line\n"));
    cr_expect_not(history_wants("\n"));
    cr_expect_not(history_wants(""));
    cr_expect_not(history_wants(" secret\n"));
    cr_expect_not(history_wants("\tsecret\n"));
}

Test(history, a_file_that_only_its_owner_reads_in_place_at_once)
{
    char folder[] = "/tmp/tcpc-history-XXXXXX", path[256];
    struct stat status;
    cr_assert(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a/b/history", folder);
    umask(0);
    FILE *file = history_create(path);
    cr_assert(file);
    fputs("line\n", file);
    cr_expect_neq(stat(path, &status), 0);
    cr_assert(history_replace(path, file));
    cr_assert_eq(stat(path, &status), 0);
    cr_expect_eq(status.st_mode & 0777, 0600);
    snprintf(path, sizeof path, "%s/a/b", folder);
    cr_assert_eq(stat(path, &status), 0);
    cr_expect_eq(status.st_mode & 0777, 0700);
    snprintf(path, sizeof path, "rm -r %s", folder);
    cr_expect_eq(system(path), 0);
}

Test(history, a_place_that_cannot_be_is_no_crash)
{
    cr_expect_null(history_create("/dev/null/tcpc/history"));
}
