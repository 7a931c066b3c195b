/* SPDX-License-Identifier: MIT */
/* The group `access` of a service: what it becomes, and what is said about mistakes in it. */
#include "conf/help.h"

#include <grp.h>
#include <pwd.h>
#include <time.h>

TestSuite(conf_access, .init = enter_folder, .fini = leave_folder, .timeout = 60);

#define WITH(access)                                                                               \
    "services = ( { name = \"echo\"; type = \"echo\"; listen = \":7\";\n" access " } );\n"

static struct loaded loaded_with(const char *text)
{
    struct loaded loaded = load(text);
    cr_assert_not_null(loaded.conf, "%s", loaded.report.messages[0]);
    return loaded;
}

static struct access_verdict judge(const struct loaded *loaded, const char *text)
{
    struct addr addr;
    cr_assert_eq(addr_parse(&addr, text, NULL), 0);
    return access_judge(loaded->conf->services[0].service.access,
                        &(struct access_peer){.address = &addr});
}

static struct access_verdict judge_unix(const struct loaded *loaded, uid_t uid, gid_t gid)
{
    struct addr addr = {.family = AF_UNIX};
    return access_judge(loaded->conf->services[0].service.access,
                        &(struct access_peer){&addr, true, uid, &gid, 1});
}

Test(conf_access, nothing_said_is_no_list)
{
    struct loaded loaded = loaded_with(ECHO);
    cr_expect_null(loaded.conf->services[0].service.access);
    cr_expect(loaded.conf->services[0].access.enforce);
    unload(&loaded);
    loaded = loaded_with(WITH("access = { enforce = false; };"));
    cr_expect_null(loaded.conf->services[0].service.access);
    cr_expect_not(loaded.conf->services[0].access.enforce);
    unload(&loaded);
}

Test(conf_access, lists_of_every_form)
{
    struct loaded loaded = loaded_with(WITH("access = {\n allow = [ \"10.0.0.0/8\",\n \"::1\" ];\n"
                                            " deny = \"10.6.6.0/24\"; };"));
    const struct access *access = loaded.conf->services[0].service.access;
    cr_assert_eq(access, &loaded.conf->services[0].access);
    cr_expect(access->enforce);
    struct access_verdict verdict = judge(&loaded, "[::1]:5");
    cr_expect(verdict.allowed);
    cr_expect_str_eq(verdict.rule->text, "::1");
    cr_expect_str_eq(verdict.rule->file, "test.conf");
    cr_expect_eq(verdict.rule->line, 4);
    verdict = judge(&loaded, "10.6.6.1:5");
    cr_expect_not(verdict.allowed);
    cr_expect_eq(verdict.rule->line, 5);
    cr_expect_not(judge(&loaded, "11.0.0.1:5").allowed);
    unload(&loaded);
    loaded = loaded_with(WITH("access = { deny = ( \"10.0.0.0/8\" ); enforce = false; };"));
    cr_expect_not(judge(&loaded, "10.0.0.1:5").allowed);
    cr_expect(judge(&loaded, "11.0.0.1:5").allowed);
    cr_expect_not(loaded.conf->services[0].service.access->enforce);
    unload(&loaded);
}

Test(conf_access, an_empty_allow_is_nobody)
{
    static const char *const texts[] = {WITH("access = { allow = [ ]; };"),
                                        WITH("access = { allow = ( ); };")};
    for (size_t i = 0; i < 2; i++) {
        struct loaded loaded = loaded_with(texts[i]);
        cr_expect_not(judge(&loaded, "127.0.0.1:5").allowed);
        cr_expect_not(judge_unix(&loaded, 0, 0).allowed);
        unload(&loaded);
    }
    struct loaded loaded = loaded_with(WITH("access = { deny = [ ]; };"));
    cr_expect(judge(&loaded, "127.0.0.1:5").allowed);
    unload(&loaded);
}

Test(conf_access, users_and_groups)
{
    const struct passwd *nobody = getpwnam("nobody");
    const struct group *adm = getgrnam("adm");
    if (nobody == NULL || adm == NULL)
        cr_skip_test("there is no user nobody or no group adm");
    uid_t uid = nobody->pw_uid;
    gid_t gid = adm->gr_gid;
    struct loaded loaded = loaded_with(
        WITH("access = { allow = [ \"uid:nobody\", \"gid:adm\", \"uid:0\", \"gid:777777\" ]; };"));
    cr_expect(judge_unix(&loaded, uid, 12345).allowed);
    cr_expect(judge_unix(&loaded, 12345, gid).allowed);
    cr_expect_str_eq(judge_unix(&loaded, 12345, gid).rule->text, "gid:adm");
    cr_expect(judge_unix(&loaded, 0, 12345).allowed);
    cr_expect(judge_unix(&loaded, 12345, 777777).allowed);
    cr_expect_not(judge_unix(&loaded, 777777, 12345).allowed);
    unload(&loaded);
}

Test(conf_access, an_override_is_told)
{
    const struct conf_override overrides[] = {
        {"services.echo.access.deny", "[ \"::1\", \"10.0.0.0/8\" ]"}};
    struct loaded loaded = load_with(ECHO, overrides, 1);
    cr_assert_not_null(loaded.conf);
    struct access_verdict verdict = judge(&loaded, "[::1]:5");
    cr_expect_not(verdict.allowed);
    cr_expect_str_eq(verdict.rule->file, "-o services.echo.access.deny");
    cr_expect_eq(verdict.rule->line, 0);
    unload(&loaded);
}

/* Each is the whole of the group, and part of what is said. */
Test(conf_access, what_is_wrong)
{
    static const struct {
        const char *setting, *path, *part;
    } cases[] = {
        {"allow = 5", ".allow", "expected a string, such as \"10.0.0.0/8\""},
        {"allow = [ 5 ]", ".allow.[0]", "expected a string"},
        {"allow = ( \"::1\", ( ) )", ".allow.[1]", "got a list"},
        {"allow = { }", ".allow", "got a group"},
        {"deny = \"\"", ".deny", "is no prefix"},
        {"deny = [ \"::1\", \"10.0.0.1/8\" ]", ".deny.[1]", "the prefix is 10.0.0.0/8"},
        {"deny = \"10.0.0.0/33\"", ".deny", "length from 0 to 32"},
        {"deny = \"localhost\"", ".deny", "is no prefix"},
        {"allow = \"uid:\"", ".allow", "the name of a user or a number from 0 to 4294967294"},
        {"allow = \"gid:4294967295\"", ".allow", "the name of a group or a number"},
        {"allow = \"uid:007\"", ".allow", "the name of a user or a number"},
        {"allow = \"uid:99999999999999999999\"", ".allow", "or a number from 0 to"},
        {"allow = \"uid:no-such-user-here\"", ".allow", "there is no user \"no-such-user-here\""},
        {"allow = \"gid:no-such-group-here\"", ".allow", "there is no group"},
        {"allow = \"uid: root\"", ".allow", "there is no user \" root\""},
        {"enforce = 0", ".enforce", "expected a boolean"},
        {"allows = \"::1\"", ".allows", "did you mean \"allow\"?"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[512], start[128];
        snprintf(text, sizeof(text), WITH("access = { %s; };"), cases[i].setting);
        snprintf(start, sizeof(start),
                 "test.conf:2: error: services.echo.access%s: ", cases[i].path);
        expect_error(text, start, cases[i].part);
    }
    expect_error(WITH("access = \"10.0.0.0/8\";"),
                 "test.conf:2: error: services.echo.access: ", "expected a group { }");
    expect_error(WITH("allow = \"10.0.0.0/8\";"), "test.conf:2: error: services.echo.allow: ",
                 "it stands in a group: access = { allow = ... };");
}

/* The file is close to the bound on one file, and its values to that on values; less of both with
 * the AddressSanitizer, whose realloc(3) always copies: that makes libconfig's lists quadratic. */
Test(conf_access, a_hundred_thousand_prefixes_are_read_within_a_second)
{
    const unsigned count = is_sanitized() ? 10000 : 100000;
    FILE *out = fopen("test.conf", "w");
    fputs("services = ( { name = \"echo\"; type = \"echo\"; listen = \":7\";\n"
          "access = { deny = [\n",
          out);
    for (unsigned i = 0; i < count; i++)
        fprintf(out, "  \"2001:db8:%x:%x::/64\"%s\n", i >> 8, i & 0xff, i + 1 < count ? "," : "");
    fputs("]; }; } );\n", out);
    fclose(out);
    struct timespec before, after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    struct loaded loaded = loaded_with(NULL);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    double seconds =
        (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9;
    cr_expect(is_sanitized() || seconds < 1, "%f s", seconds);
    char last[64], beyond[64];
    snprintf(last, sizeof last, "[2001:db8:%x:%x:1::]:5", (count - 1) >> 8, (count - 1) & 0xff);
    snprintf(beyond, sizeof beyond, "[2001:db8:%x:%x:1::]:5", count >> 8, count & 0xff);
    struct access_verdict verdict = judge(&loaded, last);
    cr_expect_not(verdict.allowed);
    cr_expect_eq(verdict.rule->line, 2 + count);
    cr_expect(judge(&loaded, beyond).allowed);
    unload(&loaded);
}
