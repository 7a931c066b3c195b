/* SPDX-License-Identifier: MIT */
/* Files that are none, and files in files. */
#include "conf/help.h"

#include <sys/socket.h>
#include <sys/un.h>

TestSuite(conf_files, .init = enter_folder, .fini = leave_folder, .timeout = 60);

Test(conf_files, missing)
{
    expect_error(NULL, "test.conf:1: error: file: ", "cannot be opened: No such file");
}

Test(conf_files, folder)
{
    mkdir("test.conf", 0755);
    expect_error(NULL, "test.conf:1: error: file: ", "is a directory: only a regular file is read");
}

Test(conf_files, fifo_does_not_block)
{
    mkfifo("test.conf", 0644);
    expect_error(NULL, "test.conf:1: error: file: ", "is a FIFO");
}

Test(conf_files, unix_socket)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "test.conf"};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    expect_error(NULL, "test.conf:1: error: file: ", "is a socket");
    close(fd);
}

Test(conf_files, device)
{
    cr_assert_eq(symlink("/dev/zero", "test.conf"), 0);
    expect_error(NULL, "test.conf:1: error: file: ", "is a character device");
}

Test(conf_files, symlink_loop)
{
    cr_assert_eq(symlink("test.conf", "test.conf"), 0);
    expect_error(NULL, "test.conf:1: error: file: ", "cannot be opened");
}

Test(conf_files, file_of_four_mebibytes_is_the_largest)
{
    const size_t most = 4 * 1024 * 1024;
    char *text = malloc(most + 2);
    memset(text, ' ', most + 1);
    memcpy(text, ECHO, strlen(ECHO));
    text[most] = '\0';
    expect_valid(text);
    text[most] = '#';
    text[most + 1] = '\0';
    expect_error(text, "test.conf:1: error: file: ", "is larger than 4 MiB");
    free(text);
}

Test(conf_files, services_of_a_folder_are_added_in_its_order)
{
    mkdir("d", 0755);
    write_file("d/b.conf", "services = ( { name = \"b\"; type = \"echo\"; listen = \":2\"; } );");
    write_file("d/a.conf", "\nservices = ( { name = \"a\"; type = \"echo\"; listen = \":1\"; } );");
    write_file("d/c.conf", "# nothing yet\n");
    write_file("d/d.conf~", "broken");
    struct loaded loaded = load("include = \"d/*.conf\";\n" ECHO);
    cr_assert_eq(loaded.report.errors, 0);
    cr_assert_eq(loaded.conf->service_count, 3);
    cr_expect_str_eq(loaded.conf->services[0].service.name, "echo");
    cr_expect_str_eq(loaded.conf->services[1].service.name, "a");
    cr_expect_str_eq(loaded.conf->services[1].file, "d/a.conf");
    cr_expect_eq(loaded.conf->services[1].line, 2);
    cr_expect_str_eq(loaded.conf->services[2].service.name, "b");
    cr_expect_eq(loaded.conf->services[2].service.index, 2);
    unload(&loaded);
}

Test(conf_files, included_files_are_relative_to_the_file)
{
    mkdir("etc[1]", 0755);
    write_file("etc[1]/x.conf", ECHO);
    write_file("etc[1]/main.conf", "include = [ \"x.con?\" ];");
    struct conf_report report;
    struct conf *conf = conf_load("etc[1]/main.conf", NULL, 0, &report);
    cr_expect_not_null(conf, "%s", report.messages[0]);
    conf_free(conf);
    conf_report_free(&report);
}

Test(conf_files, pattern_without_a_match_is_fine)
{
    expect_valid("include = ( \"no-such-folder/*.conf\", \"*.none\" );\n" ECHO);
}

Test(conf_files, pattern_through_an_unreadable_folder)
{
    cr_assert_eq(symlink("loop", "loop"), 0);
    expect_error("include = \"loop/*.conf\";\n" ECHO, "test.conf:1: error: include: ",
                 "loop/*.conf leads through a folder that cannot be read");
}

Test(conf_files, included_files_may_be_all_there_is)
{
    write_file("a.inc", ECHO);
    expect_valid("include = \"a.inc\";\n");
}

Test(conf_files, included_folder_fifo_and_missing_file_are_named_in_one_run)
{
    mkdir("a.inc", 0755);
    mkfifo("b.inc", 0644);
    struct loaded loaded = load("include = [\n\"*.inc\",\n\"none.txt\" ];\n" ECHO);
    cr_expect_eq(loaded.report.errors, 3);
    cr_expect(says(&loaded, "test.conf:2: error: include.[0]: ", "a.inc is a directory"));
    cr_expect(says(&loaded, "test.conf:2: error: include.[0]: ", "b.inc is a FIFO"));
    cr_expect(says(&loaded, "test.conf:3: error: include.[1]: ", "none.txt cannot be opened"));
    unload(&loaded);
}

Test(conf_files, loops_are_found)
{
    expect_error("include = \"*.conf\";\n" ECHO,
                 "test.conf:1: error: include: ", "test.conf was read already");
    cr_assert_eq(symlink("test.conf", "other"), 0);
    expect_error("include = \"other\";\n" ECHO,
                 "test.conf:1: error: include: ", "other was read already");
    write_file("a.inc", "include = \"test.conf\";");
    expect_error("include = \"a.inc\";\n" ECHO,
                 "a.inc:1: error: include: ", "holds nothing but services");
}

Test(conf_files, mistakes_are_told_with_their_own_file)
{
    write_file("a.inc", "services = (\n { name = \"echo\"; type = \"echo\"; listen = \":1\"; } );\n"
                        "log = { };\n");
    write_file("b.inc", "services = (\n { name = \"b\"; type = \"echo\";\n"
                        "listen = \"127.0.0.1:6007\";\n limits = { connections = 5000000000; };"
                        " } );");
    write_file("c.inc", "services = (");
    write_file("d.inc", "services = { };");
    struct loaded loaded = load("include = \"*.inc\";\npool = { queue = 0; };\n" ECHO);
    cr_expect_eq(loaded.report.errors, 7);
    cr_expect(says(&loaded, "test.conf:2: error: pool.queue: ", "expected"));
    cr_expect(says(&loaded, "a.inc:2: error: services.echo.name: ", "at test.conf:3"));
    cr_expect(says(&loaded, "a.inc:3: error: log: ", "move this to test.conf"));
    cr_expect(says(&loaded, "b.inc:3: error: services.b.listen: ",
                   "taken by services.echo.listen (127.0.0.1:6007) at test.conf:3"));
    cr_expect(says(&loaded, "b.inc:4: error: services.b.limits.connections: ", "5000000000"));
    cr_expect(says(&loaded, "c.inc:1: error: syntax: ", "')' is missing"));
    cr_expect(says(&loaded, "d.inc:1: error: services: ", "expected a list"));
    unload(&loaded);
}

Test(conf_files, escape_sequences_do_not_reach_the_terminal)
{
    expect_error("include = \"\\x1b]2;x\\x07\\x0a.conf\";\n" ECHO,
                 "test.conf:1: error: include: ", "\\x1b]2;x\\x07\\x0a.conf cannot be opened");
}

Test(conf_files, large_files_are_read_in_time)
{
    FILE *out = fopen("test.conf", "w");
    for (int group = 0; ftell(out) < 1000 * 1000; group++) {
        fprintf(out, "g%d = {", group);
        for (int i = 0; i < 1000; i++)
            fprintf(out, "s%d=1;", i);
        fputs("};", out);
    }
    fclose(out);
    struct loaded loaded = load(NULL);
    cr_expect_gt(loaded.report.errors, 100);
    unload(&loaded);
}

/* So many values, one in a line: lists of a hundred, since a long one is slow to grow. */
static void write_values(const char *name, int count)
{
    FILE *out = fopen(name, "w");
    cr_assert_not_null(out);
    fputs("services = (\n", out); /* is one, too */
    for (int i = 1; i < count; i++) {
        bool opens = i % 100 == 1, last = i + 1 == count, closes = i % 100 == 0 || last;
        fprintf(out, "%s%s%s\n", opens ? "(" : "1", closes ? ")" : "",
                last || (opens && !closes) ? "" : ",");
    }
    fputs(");\n", out);
    cr_assert_eq(fclose(out), 0);
}

Test(conf_files, values_have_a_bound_over_all_files)
{
    write_file("test.conf", "include = [ \"a.inc\", \"b.inc\" ];\n" ECHO); /* 3 values, and 5 */
    write_values("a.inc", 100002);
    write_values("b.inc", 99990);
    struct loaded most = load(NULL);
    cr_expect_not(says(&most, "b.inc:", "error: syntax: "));
    unload(&most);
    FILE *out = fopen("b.inc", "a");
    fputs("services2 = 1;\n", out);
    fclose(out);
    struct loaded more = load(NULL);
    cr_expect(says(
        &more, "b.inc:99992: error: syntax: ", "more than 200000 values in all files together"));
    unload(&more);
}

Test(conf_files, files_have_a_bound_together)
{
    const size_t most = 1024 * 1024;
    char *text = malloc(most + 1);
    memset(text, ' ', most);
    text[most] = '\0';
    for (int i = 10; i < 26; i++) {
        char name[32];
        snprintf(name, sizeof(name), "%d.inc", i);
        write_file(name, text);
    }
    write_file("26.inc", "nonsense");
    expect_error("include = \"*.inc\";\n" ECHO, "test.conf:1: error: include: ",
                 "25.inc makes all files together larger than 16 MiB");
    unlink("25.inc");
    expect_error("include = \"*.inc\";\n" ECHO, "26.inc:1: error: syntax: ", "");
    free(text);
}

Test(conf_files, included_files_have_a_number)
{
    for (int i = 0; i <= 1000; i++) {
        char name[32];
        snprintf(name, sizeof(name), "%04d.inc", i);
        write_file(name, "");
    }
    expect_error("include = \"*.inc\";\n" ECHO,
                 "test.conf:1: error: include: ", "*.inc matches 1001 files: the most is 1000");
    expect_error("include = [ \"0???.inc\", \"1000.inc\" ];\n" ECHO,
                 "test.conf:1: error: include.[1]: ", "1000.inc is one file too many");
    unlink("1000.inc");
    expect_valid("include = \"*.inc\";\n" ECHO);
}

Test(conf_files, patterns_that_match_the_same_files_again_are_given_up)
{
    for (int i = 0; i < 999; i++) {
        char name[32];
        snprintf(name, sizeof(name), "%03d.inc", i);
        write_file(name, "");
    }
    struct loaded loaded = load("include = ( \"*.inc\", \"*.inc\", \"*.inc\" );\n" ECHO);
    cr_expect_eq(loaded.report.errors, 501);
    cr_expect(says(&loaded, "test.conf:1: error: include.[1]: ", "000.inc was read already"));
    cr_expect(says(&loaded, "test.conf:1: error: file: ", "499 more errors are not shown"));
    unload(&loaded);
}

Test(conf_files, included_names_have_a_number)
{
    FILE *out = fopen("test.conf", "w");
    fputs(ECHO "include = ( \"no/*\"", out);
    for (int i = 0; i < 999; i++)
        fputs(",\"no/*\"", out);
    fputs(");\n", out);
    fclose(out);
    struct loaded most = load(NULL);
    cr_expect_not_null(most.conf);
    unload(&most);
    out = fopen("test.conf", "r+");
    fseek(out, -3, SEEK_END);
    fputs(",\"no/*\");\n", out);
    fclose(out);
    struct loaded more = load(NULL);
    cr_expect(says(&more, "test.conf:2: error: include: ", "1001 names are too many"));
    unload(&more);
}
