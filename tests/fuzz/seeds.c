/* SPDX-License-Identifier: MIT */
/* Writes the examples of the unit tests into folders, for the fuzzers to begin with. */
#include "conn/invalid_headers.h"
#include "conn/valid_headers.h"
#include "master/records.h"
#include "master/rubbish.h"

#include <stdio.h>
#include <unistd.h>

/* A file of that number in one of the folders; -1 with an errno. */
static int write_seed(const char *folder, const char *kind, size_t number, const void *bytes,
                      size_t length)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s-%03zu", folder, kind, number);
    FILE *out = fopen(path, "wb");
    if (!out)
        return -1;
    size_t written = fwrite(bytes, 1, length, out);
    return fclose(out) != 0 || written != length ? -1 : 0;
}

static int write_header(const char *kind, size_t number, const struct example *example)
{
    unsigned char bytes[EXAMPLE_MAX];
    size_t length = example_build(example, bytes);
    return write_seed("proxy_protocol", kind, number, bytes, length);
}

static int write_headers(void)
{
    int failed = 0;
    for (size_t i = 0; !failed && i < VALID_COUNT; i++)
        failed = write_header("valid", i, &valid_headers[i]);
    for (size_t i = 0; !failed && i < INVALID_COUNT; i++)
        failed = write_header("invalid", i, &invalid_headers[i]);
    return failed;
}

static int write_requests(void)
{
    static const char good[] = "{\"command\":\"status\",\"text\":\"\\u00e4\\\\\"}\n"
                               "{\"command\":\"drain\",\"service\":\"echo\"}\r\n"
                               "{\"command\":\"kill\",\"id\":\"7.0.4294967296\"}\n";
    int failed = write_seed("control", "good", 0, good, sizeof good - 1);
    for (size_t i = 0; !failed && i < RUBBISH_COUNT; i++)
        failed = write_seed("control", "rubbish", i, rubbish[i].line, rubbish_length(&rubbish[i]));
    return failed;
}

static int write_records(void)
{
    struct conn_record records[3] = {record_of(1), record_of(UINT32_MAX), record_of(2)};
    int failed = write_seed("connections", "tcp", 0, records, sizeof records);
    records[0].peer = (struct conn_end){.family = AF_UNIX, .credentials = {4711, 33, 34}};
    records[0].local = (struct conn_end){.family = AF_UNIX};
    records[0].tcp_state = 0;
    strcpy(records[0].path, "/run/\xff");
    records[1].local.family = records[1].peer.family = AF_INET6;
    records[1].phase = 2;
    return failed ? failed : write_seed("connections", "unix", 0, records, sizeof records);
}

static int write_prefixes(void)
{
    static const char prefixes[] =
        "10.0.0.0/8\n10.6.6.6\n10.6.0.0/16\n0.0.0.0/0\n10.6.6.0/24\n10.6.7.0/24\n128.0.0.0/1\n"
        "::/0\n2001:db8::1\n2001:db8::/32\n::ffff:10.0.0.0/104\n::fffe:0:0/95\n::1.2.3.4/128\n"
        "10.0.0.0/33\n10.1.2.3/8\n10.0.0.0/08\nfe80::%lo/10\n0000:0000:0000:0000:0000::/8\n"
        "10.6.6.6:1\n[2001:db8::2]:7\n[::ffff:10.6.6.7]:65535\n:80\n[fe80::1%lo]:5\n"
        "[::ffff:1.2.3.4%lo]:5\nunix:/x\n";
    return write_seed("prefix", "all", 0, prefixes, sizeof prefixes - 1);
}

static const struct kind {
    const char *name; /* of a folder that is there, and of a fuzzer */
    int (*write)(void);
} kinds[] = {
    {"proxy_protocol", write_headers},
    {"control", write_requests},
    {"connections", write_records},
    {"prefix", write_prefixes},
};

/* seeds FOLDER NAME...: what has no examples of its own is left out. */
int main(int argc, char **argv)
{
    int failed = argc < 3 || chdir(argv[1]);
    for (int i = 2; i < argc; i++)
        for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++)
            if (!failed && strcmp(argv[i], kinds[kind].name) == 0)
                failed = kinds[kind].write();
    if (failed)
        perror("seeds");
    return failed != 0;
}
