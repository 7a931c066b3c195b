/* SPDX-License-Identifier: MIT */
/* Warnings about what this machine does not give. */
#include "conf/help.h"

#include <sys/resource.h>

TestSuite(conf_machine, .init = enter_folder, .fini = leave_folder, .timeout = 60);

static struct loaded check(const char *text)
{
    struct loaded loaded = load(text);
    cr_assert_not_null(loaded.conf, "%s", loaded.report.messages[0]);
    conf_check_machine(loaded.conf, &loaded.report);
    cr_assert_eq(loaded.report.errors, 0);
    return loaded;
}

static void limit_files(rlim_t most)
{
    struct rlimit limit = {most, most};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

Test(conf_machine, descriptors_do_not_suffice)
{
    limit_files(1024);
    struct loaded loaded = check("\nlimits = { connections = 1000; };\n" ECHO);
    cr_expect(says(&loaded, "test.conf:2: warning: limits.connections: ",
                   "1000 connections do not fit: the hard limit of 1024 open files"));
    unload(&loaded);
}

Test(conf_machine, descriptors_suffice)
{
    limit_files(1024);
    struct loaded one = check("pool = { threads = 2; };\nlimits = { connections = 900; };\n" ECHO);
    struct loaded two = check("pool = { processes = 2; threads = 2; };\n"
                              "limits = { connections = 1800; };\n" ECHO);
    cr_expect_eq(one.report.count, 0);
    cr_expect_eq(two.report.count, 0);
    unload(&one);
    unload(&two);
}

Test(conf_machine, hardly_any_descriptors)
{
    limit_files(20);
    struct loaded loaded = check(ECHO);
    cr_expect(says(&loaded, "test.conf:1: warning: limits.connections: ", "leaves room for 0 in"));
    unload(&loaded);
}

Test(conf_machine, folders_and_interfaces_that_are_missing)
{
    struct loaded loaded = check("limits = { connections = 1; };\n"
                                 "services = ( { name = \"a\"; type = \"echo\"; listen = (\n"
                                 "{ address = \"unix:/no/such/folder/a\"; backlog = 1; },\n"
                                 "{ address = \"unix:/a\"; backlog = 1; },\n"
                                 "{ address = \":1\"; interface = \"no-such-if\"; backlog = 1; },\n"
                                 "{ address = \":2\"; interface = \"lo\"; backlog = 1; },\n"
                                 "\"systemd:x\" ); } );\n");
    cr_expect(says(&loaded, "test.conf:3: warning: services.a.listen: ", "folder /no/such/folder"));
    cr_expect(says(&loaded, "test.conf:5: warning: services.a.listen: ", "\"no-such-if\""));
    cr_expect_not(says(&loaded, "test.conf:6: ", ""));
    cr_expect_not(says(&loaded, "test.conf:7: ", ""));
    unload(&loaded);
}

Test(conf_machine, backlog_is_cut)
{
    FILE *in = fopen("/proc/sys/net/core/somaxconn", "re");
    int most = 0;
    if (in == NULL || fscanf(in, "%d", &most) != 1 || most >= 65535)
        cr_skip_test("somaxconn is unknown, or not below the largest backlog");
    fclose(in);
    struct loaded loaded = check(
        "limits = { connections = 1; };\nservices = ( { name = \"a\"; type = \"echo\"; listen =\n"
        "{ address = \":1\"; backlog = 65535; }; } );\n");
    cr_expect(says(
        &loaded, "test.conf:2: warning: services.a.listen: ", "cuts the backlog of 65535 down to"));
    unload(&loaded);
}

#define CONTROL(path) "limits = { connections = 1; };\ncontrol = { socket = \"" path "\"; };\n"

Test(conf_machine, folder_of_the_control_socket)
{
    const char *start = "test.conf:2: warning: control.socket: ";
    struct loaded missing = check(CONTROL("/no/such/folder/s") ECHO);
    cr_expect(says(&missing, start, "in the folder /no/such/folder: No such file"));
    unload(&missing);
    struct loaded file = check(CONTROL("/dev/null/s") ECHO);
    cr_expect(says(&file, start, "in the folder /dev/null: Not a directory"));
    unload(&file);
    struct loaded root = check(CONTROL("/s") ECHO);
    cr_expect_not(says(&root, start, ""));
    unload(&root);
}

Test(conf_machine, folder_of_the_control_socket_is_open_to_everybody)
{
    char folder[64];
    cr_assert_not_null(getcwd(folder, sizeof(folder)));
    char text[512];
    snprintf(text, sizeof(text),
             "limits = { connections = 1; };\ncontrol = { socket = \"%s/d/s\"; };\n" ECHO, folder);
    mkdir("d", 0755);
    struct loaded closed = check(text);
    cr_expect_not(says(&closed, "test.conf:2: warning: control.socket: ", ""));
    unload(&closed);
    chmod("d", 01777);
    struct loaded open = check(text);
    cr_expect(says(&open, "test.conf:2: warning: control.socket: ", "everybody may write to"));
    unload(&open);
    chmod("d", 0775);
    struct loaded group = check(text);
    cr_expect_not(says(&group, "test.conf:2: warning: control.socket: ", ""));
    unload(&group);
}

/* The default may be made at the start; nothing is said unless somebody asked for a place. */
Test(conf_machine, control_socket_that_nobody_set)
{
    struct loaded none = check(CONTROL("") ECHO);
    cr_expect_not(says(&none, "test.conf:2: ", ""));
    unload(&none);
    struct loaded standard = check("limits = { connections = 1; };\n" ECHO);
    cr_expect_null(standard.conf->control_file);
    cr_expect_not(says(&standard, "", "control.socket"));
    unload(&standard);
    struct conf_override override = {"control.socket", "/no/such/folder/s"};
    struct loaded loaded = load_with(ECHO, &override, 1);
    conf_check_machine(loaded.conf, &loaded.report);
    cr_expect(says(&loaded, "-o control.socket: warning: control.socket: ", "/no/such/folder"));
    unload(&loaded);
}
