/* SPDX-License-Identifier: MIT */
/*
 * A whole configuration: a snapshot, or any other text as the only file of one.  What is valid is
 * printed, and that means the same and prints the same; its snapshot gives it again.
 *
 * What would ask the machine is answered here, which also shows what is not asked: the disk.
 */
#include "conf/conf.h"
#include "conf/lookup.h"
#include "conf/source.h"
#include "fuzz.h"

#include <errno.h>
#include <grp.h>
#include <string.h>

#define HEAD      "tcpd-configuration 1\n"
#define FILE_NAME "fuzz.conf"

/* In place of conf/source.c: a snapshot is all that there is. */

char *source_read(const char *file, size_t *length, struct stat *id, unsigned *line,
                  struct error *error)
{
    (void)file, (void)length, (void)id, (void)line, (void)error;
    abort();
}

const char **source_match(struct memory *memory, const char *pattern, struct error *error)
{
    (void)memory, (void)pattern, (void)error;
    abort();
}

/* In place of conf/lookup.c: a machine with few users. */

static int look(const char *name, uint32_t *id)
{
    static const char *const names[] = {"root", "daemon", "nobody", "tcpd"};
    for (uint32_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0) {
            *id = i;
            return 0;
        }
    }
    return strcmp(name, "broken") == 0 ? EIO : ENOENT;
}

int lookup_user(const char *name, uid_t *uid, gid_t *primary)
{
    int result = look(name, uid);
    if (result == 0)
        *primary = *uid;
    return result;
}

int lookup_group(const char *name, gid_t *gid)
{
    return look(name, gid);
}

int lookup_group_name(gid_t gid, char *name, size_t size)
{
    (void)gid;
    must(size >= sizeof "daemon");
    strcpy(name, "daemon");
    return 0;
}

int getgrouplist(const char *user, gid_t group, gid_t *groups, int *count)
{
    (void)user;
    must(*count > 0);
    groups[0] = group;
    *count = 1;
    return 1;
}

/* What is read, in memory of just that size. */

struct text {
    char *bytes;
    size_t length;
};

static struct text snapshot_of(const void *bytes, size_t size)
{
    struct text text;
    FILE *out = open_memstream(&text.bytes, &text.length);
    must(out);
    bool is_one = size >= strlen(HEAD) && memcmp(bytes, HEAD, strlen(HEAD)) == 0;
    if (!is_one)
        fprintf(out, HEAD "file %zu %zu\n" FILE_NAME "\n", strlen(FILE_NAME), size);
    if (size > 0)
        fwrite(bytes, 1, size, out);
    if (!is_one)
        fputc('\n', out);
    must(fclose(out) == 0);
    return text;
}

static struct conf *load(const struct text *text)
{
    struct conf_report report;
    char *copy = malloc(text->length);
    must(copy);
    memcpy(copy, text->bytes, text->length);
    struct conf *conf = conf_load_snapshot(copy, text->length, NULL, 0, &report);
    free(copy);
    must((conf == NULL) == (report.errors > 0) && report.errors <= report.count);
    for (size_t i = 0; i < report.count; i++)
        must(strstr(report.messages[i], ": ") && !strchr(report.messages[i], '\n'));
    conf_report_free(&report);
    return conf;
}

/* What is printed. */

static struct text dump(const struct conf *conf)
{
    struct text text;
    FILE *out = open_memstream(&text.bytes, &text.length);
    must(out && conf_dump(conf, out) == 0 && fclose(out) == 0);
    return text;
}

static void must_be_same(const struct text *a, const struct text *b)
{
    must(a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0);
}

/* Loads it, holds what it prints against what is expected. */
static void check_again(const struct text *snapshot, const struct text *expected)
{
    struct conf *conf = load(snapshot);
    must(conf);
    struct text printed = dump(conf);
    must_be_same(&printed, expected);
    free(printed.bytes);
    conf_free(conf);
}

static void check_valid(const struct conf *conf, const struct text *given)
{
    struct text printed = dump(conf), again = snapshot_of(printed.bytes, printed.length), own;
    own.bytes = conf_snapshot_text(conf, &own.length);
    must_be_same(&own, given);
    check_again(&own, &printed);
    check_again(&again, &printed);
    free(printed.bytes);
    free(again.bytes);
    free(own.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct text given = snapshot_of(bytes, size);
    struct conf *conf = load(&given);
    if (conf)
        check_valid(conf, &given);
    conf_free(conf);
    free(given.bytes);
    return 0;
}
