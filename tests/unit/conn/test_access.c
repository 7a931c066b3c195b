/* SPDX-License-Identifier: MIT */
/* What the lists of a service say about a peer, and which entry says it. */
#include "conn/access.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(access, .timeout = 60);

enum { MOST = 16 };

/* Lists of at most MOST entries, with their memory. */
static struct access access_;
static struct access_rule rules[2][MOST];
static struct access_id ids[2][MOST];
static struct prefix_node nodes[2][PREFIX_SET_NODES(MOST)];

static void add(struct access_list *list, const char *text, unsigned line)
{
    struct access_rule rule = {text, "tcpd.conf", line};
    struct prefix prefix;
    if (strncmp(text, "uid:", 4) == 0 || strncmp(text, "gid:", 4) == 0)
        access_list_add_id(list, &rule, text[0] == 'g', (uint32_t)strtoul(text + 4, NULL, 10));
    else if (prefix_parse(&prefix, text, NULL) == 0)
        access_list_add_prefix(list, &rule, &prefix);
    else
        cr_assert_fail("%s is no prefix", text);
}

static void fill(struct access_list *list, unsigned which, const char *const *texts)
{
    access_list_init(list, rules[which], ids[which], nodes[which]);
    for (unsigned i = 0; texts[i]; i++)
        add(list, texts[i], i + 1);
    access_list_end(list);
}

/* NULL: there is no such list. */
static void make(const char *const *allow, const char *const *deny)
{
    access_ = (struct access){.enforce = true};
    if (allow)
        fill(&access_.allow, 0, allow);
    if (deny)
        fill(&access_.deny, 1, deny);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
#define EMPTY     ((const char *const[]){NULL})

static void expect(struct access_verdict verdict, bool allowed, enum access_by by, const char *rule)
{
    cr_expect_eq(verdict.allowed, allowed);
    cr_expect_eq(verdict.by, by);
    if (rule)
        cr_expect(verdict.rule && strcmp(verdict.rule->text, rule) == 0, "by %s, not %s",
                  verdict.rule ? verdict.rule->text : "none", rule);
    else
        cr_expect_null(verdict.rule);
}

static struct access_verdict judge(const char *text)
{
    struct addr addr;
    cr_assert_eq(addr_parse(&addr, text, NULL), 0);
    return access_judge(&access_, &(struct access_peer){.address = &addr});
}

static struct access_verdict judge_unix(uid_t uid, const gid_t *gids, unsigned count)
{
    struct addr addr = {.family = AF_UNIX};
    return access_judge(&access_, &(struct access_peer){&addr, true, uid, gids, count});
}

Test(access, no_lists)
{
    make(NULL, NULL);
    expect(judge("1.2.3.4:5"), true, ACCESS_BY_NOTHING, NULL);
    expect(judge_unix(0, NULL, 0), true, ACCESS_BY_NOTHING, NULL);
}

Test(access, deny_alone)
{
    make(NULL, LIST("10.6.6.0/24", "2001:db8::/32"));
    expect(judge("10.6.6.1:5"), false, ACCESS_BY_DENY, "10.6.6.0/24");
    expect(judge("[::ffff:10.6.6.1]:5"), false, ACCESS_BY_DENY, "10.6.6.0/24");
    expect(judge("10.6.7.1:5"), true, ACCESS_BY_NOTHING, NULL);
    expect(judge("[2001:db8::5]:5"), false, ACCESS_BY_DENY, "2001:db8::/32");
    expect(judge("[::1]:5"), true, ACCESS_BY_NOTHING, NULL);
    expect(judge_unix(0, NULL, 0), true, ACCESS_BY_NOTHING, NULL);
}

Test(access, allow_alone)
{
    make(LIST("10.0.0.0/8", "::1"), NULL);
    expect(judge("10.6.6.1:5"), true, ACCESS_BY_ALLOW, "10.0.0.0/8");
    expect(judge("11.6.6.1:5"), false, ACCESS_BY_ALLOW, NULL);
    expect(judge("[::1]:5"), true, ACCESS_BY_ALLOW, "::1");
    expect(judge("[::2]:5"), false, ACCESS_BY_ALLOW, NULL);
    expect(judge_unix(0, NULL, 0), false, ACCESS_BY_ALLOW, NULL);
}

Test(access, deny_goes_before_a_longer_prefix_of_allow)
{
    make(LIST("10.0.0.0/8", "10.6.6.6"), LIST("10.6.6.0/24"));
    expect(judge("10.6.6.6:5"), false, ACCESS_BY_DENY, "10.6.6.0/24");
    expect(judge("10.6.5.6:5"), true, ACCESS_BY_ALLOW, "10.0.0.0/8");
    expect(judge("12.6.5.6:5"), false, ACCESS_BY_ALLOW, NULL);
}

Test(access, empty_lists)
{
    make(EMPTY, NULL);
    expect(judge("127.0.0.1:5"), false, ACCESS_BY_ALLOW, NULL);
    expect(judge("[::1]:5"), false, ACCESS_BY_ALLOW, NULL);
    expect(judge_unix(0, NULL, 0), false, ACCESS_BY_ALLOW, NULL);
    make(NULL, EMPTY);
    expect(judge("127.0.0.1:5"), true, ACCESS_BY_NOTHING, NULL);
}

Test(access, the_entry_that_matched_says_where_it_stands)
{
    make(LIST("0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/8", "10.1.0.0/16"), NULL);
    struct access_verdict verdict = judge("10.2.0.1:5");
    cr_expect_eq(verdict.rule->line, 2, "the first of two equal ones");
    cr_expect_str_eq(verdict.rule->file, "tcpd.conf");
    cr_expect_eq(judge("10.1.0.1:5").rule->line, 4);
    cr_expect_eq(judge("9.1.0.1:5").rule->line, 1);
}

Test(access, users_and_groups)
{
    const gid_t gids[] = {1000, 4, 27};
    make(LIST("uid:1000", "gid:27", "gid:100", "uid:4", "gid:27"), LIST("gid:666", "uid:13"));
    expect(judge_unix(1000, gids, 3), true, ACCESS_BY_ALLOW, "uid:1000");
    expect(judge_unix(1001, gids, 3), true, ACCESS_BY_ALLOW, "gid:27");
    cr_expect_eq(judge_unix(1001, gids, 3).rule->line, 2, "the first of two equal ones");
    expect(judge_unix(1001, gids, 2), false, ACCESS_BY_ALLOW, NULL);
    expect(judge_unix(1001, gids + 1, 1), false, ACCESS_BY_ALLOW, NULL);
    expect(judge_unix(13, gids, 3), false, ACCESS_BY_DENY, "uid:13");
    const gid_t bad[] = {27, 666};
    expect(judge_unix(1000, bad, 2), false, ACCESS_BY_DENY, "gid:666");
    expect(judge_unix(1000, bad, 1), true, ACCESS_BY_ALLOW, "uid:1000");
    expect(judge("10.0.0.1:5"), false, ACCESS_BY_ALLOW, NULL);
    expect(judge("0.0.3.232:5"), false, ACCESS_BY_ALLOW, NULL);
}

Test(access, the_largest_ids)
{
    const gid_t gids[] = {UINT32_MAX - 1};
    make(LIST("uid:4294967294"), LIST("gid:4294967294"));
    expect(judge_unix(UINT32_MAX - 1, NULL, 0), true, ACCESS_BY_ALLOW, "uid:4294967294");
    expect(judge_unix(UINT32_MAX - 1, gids, 1), false, ACCESS_BY_DENY, "gid:4294967294");
    expect(judge_unix(0, NULL, 0), false, ACCESS_BY_ALLOW, NULL);
}

Test(access, a_unix_peer_that_is_not_known_passes_no_list)
{
    struct addr addr = {.family = AF_UNIX};
    const struct access_peer peer = {.address = &addr};
    make(NULL, LIST("uid:13"));
    expect(access_judge(&access_, &peer), false, ACCESS_BY_NOTHING, NULL);
    make(LIST("uid:0"), NULL);
    expect(access_judge(&access_, &peer), false, ACCESS_BY_NOTHING, NULL);
    make(NULL, NULL);
    expect(access_judge(&access_, &peer), true, ACCESS_BY_NOTHING, NULL);
}
