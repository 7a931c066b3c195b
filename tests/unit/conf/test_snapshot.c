/* SPDX-License-Identifier: MIT */
/* A snapshot gives the configuration again, whatever has become of its files. */
#include "conf/help.h"

#include <glob.h>

TestSuite(conf_snapshot, .init = enter_folder, .fini = leave_folder, .timeout = 60);

#define EVERYTHING                                                                                 \
    "pool = { processes = 3; threads = 2; queue = 77; };\n"                                        \
    "control = { socket = \"/run/a \\\"b\"; mode = \"0666\"; group = \"root\"; };\n"               \
    "log = { target = \"stderr\"; ident = \"Tcpd.x-1\"; level = \"debug\"; };\n\n"                 \
    "limits = {\n connections = 1234; overload = \"reset\"; };\n"                                  \
    "timeouts = { idle = 0; write = \"1500ms\"; drain = \"1m\"; };\n"                              \
    "services = ( { name = \"a-b_9\"; type = \"chargen\"; listen = ( \"127.0.0.1:0\",\n"           \
    "  { address = \"unix:/run/q\\\"\\\\ \\x01x\"; mode = \"0666\"; },\n"                          \
    "  { address = \":10\"; backlog = 1; interface = \"lo\"; }, \"systemd:a\\\\b\" ); },\n"        \
    "  { name = \"b\"; type = \"greet\"; listen = \"[::1]:0\"; } ); # no newline"

struct text {
    char *bytes;
    size_t length;
};

static struct text snapshot(const struct conf *conf)
{
    struct text text;
    text.bytes = conf_snapshot_text(conf, &text.length);
    return text;
}

/* From a copy of just that length, so that a sanitizer sees a step too far. */
static struct loaded replay_with(const void *bytes, size_t length,
                                 const struct conf_override *overrides, size_t count)
{
    char *copy = malloc(length + (length == 0));
    memcpy(copy, bytes, length);
    struct loaded loaded;
    loaded.conf = conf_load_snapshot(copy, length, overrides, count, &loaded.report);
    free(copy);
    cr_assert_eq(loaded.conf == NULL, loaded.report.errors > 0);
    return loaded;
}

static struct loaded replay(const void *bytes, size_t length)
{
    return replay_with(bytes, length, NULL, 0);
}

static char *dump(const struct conf *conf)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    cr_assert_eq(conf_dump(conf, out), 0);
    fclose(out);
    return text;
}

static void expect_same_dump(const struct conf *a, const struct conf *b)
{
    char *before = dump(a);
    char *after = dump(b);
    cr_expect_str_eq(before, after);
    free(before);
    free(after);
}

static void expect_same_places(const struct conf *a, const struct conf *b)
{
    cr_expect_str_eq(a->limits_file, b->limits_file);
    cr_expect_eq(a->limits_line, b->limits_line);
    cr_expect_eq(a->control_line, b->control_line);
    for (size_t i = 0; i < a->service_count; i++) {
        const struct conf_service *one = &a->services[i];
        const struct conf_service *other = &b->services[i];
        cr_expect_str_eq(one->file, other->file);
        cr_expect_eq(one->line, other->line);
        for (size_t j = 0; j < one->listen_count; j++) {
            cr_expect_str_eq(one->listens[j].file, other->listens[j].file);
            cr_expect_eq(one->listens[j].line, other->listens[j].line);
        }
    }
}

/* The snapshot gives the same configuration without any file, and itself. */
static void expect_again(const struct conf *conf, const struct conf_override *overrides,
                         size_t count)
{
    struct text once = snapshot(conf);
    struct loaded again = replay_with(once.bytes, once.length, overrides, count);
    cr_assert_not_null(again.conf, "%s", again.report.messages[0]);
    expect_same_dump(conf, again.conf);
    expect_same_places(conf, again.conf);
    struct text twice = snapshot(again.conf);
    cr_assert_eq(once.length, twice.length);
    cr_expect_eq(memcmp(once.bytes, twice.bytes, once.length), 0);
    unload(&again);
    free(once.bytes);
    free(twice.bytes);
}

static void expect_round_trip(const char *text)
{
    struct loaded loaded = load(text);
    cr_assert_not_null(loaded.conf, "%s", loaded.report.messages[0]);
    unlink("test.conf");
    expect_again(loaded.conf, NULL, 0);
    unload(&loaded);
}

static char *read_file(const char *name, size_t *length)
{
    FILE *in = fopen(name, "r");
    cr_assert_not_null(in, "%s", name);
    char *text = calloc(1, 1024 * 1024);
    *length = fread(text, 1, 1024 * 1024 - 1, in);
    fclose(in);
    return text;
}

Test(conf_snapshot, one_file)
{
    expect_round_trip(ECHO);
    expect_round_trip(EVERYTHING);
    expect_round_trip("include = ( );\n" ECHO);
    expect_round_trip(ECHO "# file 4 4\r \xff\xfe\x01\n\n\n");
}

Test(conf_snapshot, the_sample)
{
    char name[4096];
    snprintf(name, sizeof(name), "%s/etc/tcpd.conf", getenv("srcdir"));
    size_t length;
    char *text = read_file(name, &length);
    expect_round_trip(text);
    free(text);
}

/* Patterns that match, match nothing and match one, names of files that need care. */
static void write_folders(void)
{
    mkdir("d", 0755);
    mkdir("d/x y\n[1]", 0755);
    write_file("d/b.conf", "services = ( { name = \"b\"; type = \"echo\"; listen = \":2\"; } );");
    write_file("d/a.conf", "\nservices = ( { name = \"a\"; type = \"echo\"; listen = \":1\"; } );");
    write_file("d/empty.conf", "");
    write_file("d/x y\n[1]/file 1 1.c",
               "services = (\n{ name = \"c\"; type = \"echo\"; listen =\n \":3\"; } );");
    write_file("one", "services = ( { name = \"d\"; type = \"greet\"; listen = \":4\"; } );");
}

#define FOLDERS "include = ( \"none/*\", \"d/*/*.c\", \"one\", \"d/*.conf\", \"d/*.none\" );\n" ECHO

Test(conf_snapshot, includes_in_their_order)
{
    write_folders();
    struct loaded loaded = load(FOLDERS);
    cr_assert_not_null(loaded.conf, "%s", loaded.report.messages[0]);
    cr_assert_eq(loaded.conf->service_count, 5);
    expect_again(loaded.conf, NULL, 0);
    unload(&loaded);
}

Test(conf_snapshot, what_becomes_of_the_files_does_not_matter)
{
    write_folders();
    struct loaded loaded = load(FOLDERS);
    write_file("test.conf", "broken (");
    write_file("d/a.conf", "broken as well (");
    write_file("d/aa.conf", "new and broken (");
    unlink("d/b.conf");
    unlink("one");
    mkfifo("one", 0644);
    expect_again(loaded.conf, NULL, 0);
    cr_assert_eq(chdir("d"), 0);
    expect_again(loaded.conf, NULL, 0);
    cr_assert_eq(chdir(".."), 0);
    unload(&loaded);
}

Test(conf_snapshot, warnings_name_file_and_line)
{
    mkdir("d", 0755);
    write_file("d/a.conf", "services = ( { name = \"a\"; type = \"echo\";\n\nlisten =\n"
                           "\"unix:/no-such-folder/s\"; } );");
    struct loaded loaded = load("include = \"d/*\";\n" ECHO);
    struct text text = snapshot(loaded.conf);
    struct loaded again = replay(text.bytes, text.length);
    conf_check_machine(again.conf, &again.report);
    cr_expect(says(&again, "d/a.conf:3: warning: services.a.listen: ", "/no-such-folder"));
    free(text.bytes);
    unload(&again);
    unload(&loaded);
}

Test(conf_snapshot, overrides_apply_alike)
{
    static const struct conf_override overrides[] = {
        {"include", "\"d/a.conf\""},
        {"log.level", "debug"},
        {"services.echo.listen", "\":7\""},
        {"services.a.timeouts.idle", "5"},
    };
    write_folders();
    struct loaded loaded = load_with(FOLDERS, overrides, 4);
    cr_assert_not_null(loaded.conf, "%s", loaded.report.messages[0]);
    expect_again(loaded.conf, overrides, 4);

    struct text text = snapshot(loaded.conf);
    struct loaded other = replay_with(text.bytes, text.length, overrides + 1, 1);
    cr_expect(says(&other, "test.conf:1: error: include.[0]: ",
                   "none/* is not what comes next in the snapshot"));
    unload(&other);
    struct conf_override wrong[] = {overrides[0], {"pool.queue", "0"}};
    other = replay_with(text.bytes, text.length, wrong, 2);
    cr_expect_eq(other.report.errors, 1);
    cr_expect(says(&other, "-o pool.queue: error: pool.queue: ", "expected an integer"));
    unload(&other);
    free(text.bytes);
    unload(&loaded);
}

Test(conf_snapshot, cut_off_anywhere)
{
    write_file("a.inc", "services = ( { name = \"a\"; type = \"echo\"; listen = \":1\"; } );");
    write_file("b.inc", "");
    struct loaded loaded = load("include = ( \"*.inc\", \"*.none\" );");
    struct text text = snapshot(loaded.conf);
    for (size_t length = 0; length < text.length; length++) {
        struct loaded cut = replay(text.bytes, length);
        cr_expect_null(cut.conf, "with %zu bytes of %zu", length, text.length);
        unload(&cut);
    }
    free(text.bytes);
    unload(&loaded);
}

/* Each byte changed in turn: an error, or a configuration; never worse. */
Test(conf_snapshot, damaged_anywhere)
{
    write_file("a.inc", "services = ( { name = \"a\"; type = \"echo\"; listen = \":1\"; } );");
    write_file("b.inc", "");
    struct loaded loaded = load("include = ( \"*.inc\", \"*.none\" );");
    struct text text = snapshot(loaded.conf);
    static const char bytes[] = {'\0', '\n', '0', '9', ' ', '-', '\xff'};
    for (size_t i = 0; i < text.length * sizeof(bytes); i++) {
        char *at = &text.bytes[i / sizeof(bytes)];
        char before = *at;
        *at = bytes[i % sizeof(bytes)];
        struct loaded damaged = replay(text.bytes, text.length);
        cr_expect(*at != '\0' || damaged.conf == NULL);
        unload(&damaged);
        *at = before;
    }
    free(text.bytes);
    unload(&loaded);
}

#define HEAD "tcpd-configuration 1\n"
#define MAIN "file 1 18\nm\ninclude = \"*.inc\";\n"
#define ONE  "file 1 77\na\n" ECHO "\n"

Test(conf_snapshot, what_is_none_is_refused)
{
    cr_assert_eq(strlen(ECHO), 77);
    static const struct {
        const char *text;
        const char *start;
        const char *part;
    } cases[] = {
        {"", "snapshot: error: file: ", "cannot be understood from byte 0 on"},
        {"rubbish", "snapshot: error: file: ", "from byte 0 on"},
        {"tcpd-configuration 2\n" ONE, "snapshot: error: file: ", "from byte 0 on"},
        {HEAD, "snapshot: error: file: ", "from byte 21 on"},
        {HEAD "include 1 0\nx\n", "snapshot: error: file: ", "from byte 35 on"},
        {HEAD "file 1 -1\n", "snapshot: error: file: ", "cannot be understood"},
        {HEAD "file 01 77\na\n" ECHO "\n", "snapshot: error: file: ", "cannot be understood"},
        {HEAD "file 1 77 \na\n" ECHO "\n", "snapshot: error: file: ", "cannot be understood"},
        {HEAD "file 1 75\na\n" ECHO, "snapshot: error: file: ", "cannot be understood"},
        {HEAD "file 1 1048577\n", "snapshot: error: file: ", "cannot be understood"},
        {HEAD "file 99999999999999999999 1\n", "snapshot: error: file: ", "cannot be understood"},
        {HEAD "file 999999999 1\nx", "snapshot: error: file: ", "cannot be understood"},
        {HEAD ONE "\n", "snapshot: error: file: ", "cannot be understood"},
        {HEAD ONE ONE, "snapshot: error: file: ", "a is in it, but is not asked for"},
        {HEAD ONE "include 1 0\nx\n", "snapshot: error: file: ", "x is in it, but"},
        {HEAD MAIN, "m:1: error: include: ", "*.inc is not what comes next in the snapshot"},
        {HEAD MAIN "include 1 0\nx\n", "m:1: error: include: ", "*.inc is not what comes next"},
        {HEAD MAIN "file 5 0\n*.inc\n\n", "m:1: error: include: ", "*.inc is not what comes next"},
        {HEAD MAIN "include 5 1\n*.inc\n", "m:1: error: include: ", "matches files that the"},
        {HEAD MAIN "include 5 2\n*.inc\n" ONE, "m:1: error: include: ", "matches files that the"},
        {HEAD MAIN "include 5 1001\n*.inc\n" ONE, "snapshot: error: file: ", "cannot be"},
        {HEAD MAIN "include 5 0\n*.inc\n" ONE, "m:1: error: services: ", "there is none"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct loaded loaded = replay(cases[i].text, strlen(cases[i].text));
        cr_assert_gt(loaded.report.errors, 0, "case %zu", i);
        cr_expect(says(&loaded, cases[i].start, cases[i].part), "case %zu: %s", i,
                  loaded.report.messages[0]);
        unload(&loaded);
    }
    static const char good[] = HEAD MAIN "include 5 1\n*.inc\n" ONE;
    struct loaded loaded = replay(good, strlen(good));
    cr_expect_not_null(loaded.conf, "%s", loaded.report.messages[0]);
    unload(&loaded);
}

/* A snapshot of one file, put together here. */
static struct text snapshot_of(const char *bytes, size_t length)
{
    struct text text;
    FILE *out = open_memstream(&text.bytes, &text.length);
    fprintf(out, HEAD "file 9 %zu\ntest.conf\n", length);
    fwrite(bytes, 1, length, out);
    fputc('\n', out);
    fclose(out);
    return text;
}

static void expect_same_report(const char *name, const char *bytes, size_t length)
{
    FILE *out = fopen("test.conf", "w");
    fwrite(bytes, 1, length, out);
    fclose(out);
    struct loaded disk = load(NULL);
    struct text text = snapshot_of(bytes, length);
    struct loaded again = replay(text.bytes, text.length);
    cr_expect_gt(again.report.errors, 0, "%s", name);
    bool alike = memchr(bytes, '\0', length) == NULL && strstr(bytes, "\ninclude") == NULL;
    if (alike)
        cr_assert_eq(again.report.count, disk.report.count, "%s", name);
    for (size_t i = 0; alike && i < disk.report.count; i++)
        cr_expect_str_eq(again.report.messages[i], disk.report.messages[i], "%s", name);
    free(text.bytes);
    unload(&disk);
    unload(&again);
}

/* Whatever is wrong with a file is said alike, by a newer program, about a snapshot of it. */
Test(conf_snapshot, mistakes_of_the_corpus_are_the_same)
{
    char pattern[4096];
    snprintf(pattern, sizeof(pattern), "%s/tests/corpus/conf/*.conf", getenv("srcdir"));
    glob_t found;
    cr_assert_eq(glob(pattern, 0, NULL, &found), 0);
    cr_assert_gt(found.gl_pathc, 100);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        size_t length;
        char *bytes = read_file(found.gl_pathv[i], &length);
        expect_same_report(found.gl_pathv[i], bytes, length);
        free(bytes);
    }
    globfree(&found);
}

/* Put together elsewhere: the fuzzer of configurations begins with it, too. */
Test(conf_snapshot, one_of_several_files)
{
    char path[4096];
    size_t length;
    snprintf(path, sizeof(path), "%s/tests/corpus/valid/files.snapshot", getenv("srcdir"));
    char *bytes = read_file(path, &length);
    struct loaded loaded = replay(bytes, length);
    cr_assert_not_null(loaded.conf, "%s", loaded.report.messages[0]);
    cr_expect_eq(loaded.conf->service_count, 2);
    expect_again(loaded.conf, NULL, 0);
    unload(&loaded);
    free(bytes);
}

Test(conf_snapshot, as_large_as_a_configuration_may_be)
{
    const size_t most = 1024 * 1024;
    char *text = malloc(most + 1);
    memset(text, ' ', most);
    text[most] = '\0';
    for (int i = 10; i < 25; i++) {
        char name[32];
        snprintf(name, sizeof(name), "%d.inc", i);
        write_file(name, text);
    }
    struct loaded loaded = load("include = \"*.inc\";\n" ECHO);
    cr_assert_not_null(loaded.conf, "%s", loaded.report.messages[0]);
    expect_again(loaded.conf, NULL, 0);
    unload(&loaded);

    struct text large;
    FILE *out = open_memstream(&large.bytes, &large.length);
    fputs(HEAD MAIN "include 5 16\n*.inc\n", out);
    for (int i = 10; i < 27; i++)
        fprintf(out, "file 6 %zu\n%d.inc\n%s\n", most, i, text);
    fclose(out);
    struct loaded refused = replay(large.bytes, large.length);
    cr_expect_eq(refused.report.errors, 2);
    cr_expect(says(&refused, "m:1: error: include: ", "makes all files together larger than"));
    unload(&refused);
    free(large.bytes);
    free(text);
}
