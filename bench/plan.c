/* SPDX-License-Identifier: MIT */
#include "bench/plan.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS_MAX 20000
#define SECONDS_MAX     600

static const char usage[] =
    "Usage: load MODE [OPTION]... ADDRESS:PORT\n"
    "\n"
    "  request   long connections: a request and its answer, again and again\n"
    "  short     a connection for each request\n"
    "  hold      connections that are silent after their first request\n"
    "  bulk      one message of a gigabyte\n"
    "\n"
    "  -c COUNT    connections at once (50; bulk: 1)\n"
    "  -n COUNT    requests in all (100000; hold: 0; bulk: 1)\n"
    "  -s BYTES    of a request, with K, M or G (64; bulk: 1G)\n"
    "  -d COUNT    requests that are sent at once on a connection (1)\n"
    "  -t COUNT    threads (1)\n"
    "  -i COUNT    silent connections beside\n"
    "  -w COUNT    slow connections beside: half send, half read a byte at a time\n"
    "  -l SECONDS  the limit in time (60)\n"
    "  -q TEXT     the request, when the server is not one that echoes, and\n"
    "  -a TEXT     its answer\n"
    "  -g          say \"ready\" and wait for a line on standard input, work, say the result, and\n"
    "              keep all connections until the next line\n"
    "\n"
    "Every byte that comes back is verified.  Prints one line of key=value; ends with 1 when\n"
    "anything was lost, changed or refused, or when nothing moves for ten seconds.\n";

struct defaults {
    const char *name;
    enum mode mode;
    unsigned connections;
    uint64_t count, size;
};

static const struct defaults modes[] = {
    {"request", MODE_REQUEST, 50, 100000, 64},
    {"short", MODE_SHORT, 50, 100000, 64},
    {"hold", MODE_HOLD, 1000, 0, 64},
    {"bulk", MODE_BULK, 1, 1, UINT64_C(1) << 30},
};

/* The command line while it is read. */
struct reading {
    struct plan *plan;
    uint64_t size;
    const char *request, *answer;
};

static int refuse(const char *what, const char *text)
{
    fprintf(stderr, "load: %s: \"%s\"\n", what, text);
    return -1;
}

static int parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *number)
{
    char *end;
    uint64_t factor = 1;
    uint64_t value = strtoull(text, &end, 10);
    if (*end == 'K')
        factor = 1 << 10;
    else if (*end == 'M')
        factor = 1 << 20;
    else if (*end == 'G')
        factor = 1 << 30;
    bool at_end = end != text && (factor == 1 ? !*end : !end[1]);
    if (!at_end || *text == '-' || value > most / factor || value * factor < least)
        return refuse("not a number, or not one that is fit", text);
    *number = value * factor;
    return 0;
}

static int parse_unsigned(const char *text, unsigned least, unsigned most, unsigned *number)
{
    uint64_t value;
    if (parse_number(text, least, most, &value))
        return -1;
    *number = (unsigned)value;
    return 0;
}

static int take_option(struct reading *reading, int option)
{
    struct plan *plan = reading->plan;
    switch (option) {
    case 'c':
        return parse_unsigned(optarg, 1, CONNECTIONS_MAX, &plan->connections);
    case 'n':
        return parse_number(optarg, 0, UINT64_MAX, &plan->count);
    case 's':
        return parse_number(optarg, 1, UINT64_C(1) << 40, &reading->size);
    case 'd':
        return parse_unsigned(optarg, 1, 10000, &plan->depth);
    case 't':
        return parse_unsigned(optarg, 1, 64, &plan->threads);
    case 'i':
        return parse_unsigned(optarg, 0, CONNECTIONS_MAX, &plan->idle);
    case 'w':
        return parse_unsigned(optarg, 0, CONNECTIONS_MAX, &plan->slow);
    case 'l':
        return parse_unsigned(optarg, 1, SECONDS_MAX, &plan->seconds);
    case 'q':
        reading->request = optarg;
        return 0;
    case 'a':
        reading->answer = optarg;
        return 0;
    case 'g':
        plan->gate = true;
        return 0;
    default: /* getopt has said what is wrong */
        return -1;
    }
}

static int parse_server(struct sockaddr_in *server, const char *text)
{
    char host[16] = "";
    uint64_t port;
    const char *colon = strrchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof host)
        return refuse("not ADDRESS:PORT", text);
    memcpy(host, text, (size_t)(colon - text));
    *server = (struct sockaddr_in){.sin_family = AF_INET};
    if (inet_pton(AF_INET, host, &server->sin_addr) != 1)
        return refuse("not an IPv4 address", host);
    if (parse_number(colon + 1, 1, 65535, &port))
        return -1;
    server->sin_port = htons((uint16_t)port);
    return 0;
}

static int make_streams(struct reading *reading)
{
    struct plan *plan = reading->plan;
    if (!reading->request != !reading->answer)
        return refuse("-q and -a belong together", plan->name);
    if (reading->request)
        return stream_init_text(&plan->request, reading->request) ||
                       stream_init_text(&plan->answer, reading->answer)
                   ? refuse("no text", plan->name)
                   : 0;
    return stream_init_noise(&plan->request, reading->size) ||
                   stream_init_noise(&plan->answer, reading->size)
               ? refuse("out of memory", plan->name)
               : 0;
}

static const struct defaults *find_mode(const char *name)
{
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcmp(modes[i].name, name) == 0)
            return &modes[i];
    return NULL;
}

static int check(const struct reading *reading)
{
    const struct plan *plan = reading->plan;
    if (plan->connections + plan->idle + plan->slow > CONNECTIONS_MAX)
        return refuse("more than 20000 connections", plan->name);
    if (plan->slow && reading->request)
        return refuse("slow peers speak echo, and nothing else", plan->name);
    if (plan->threads > plan->connections)
        return refuse("more threads than connections", plan->name);
    return 0;
}

int plan_parse(struct plan *plan, int argc, char **argv)
{
    const struct defaults *mode = argc > 1 ? find_mode(argv[1]) : NULL;
    struct reading reading = {.plan = plan};
    int option;
    if (!mode) {
        fputs(usage, stderr);
        return -1;
    }
    *plan = (struct plan){.name = mode->name,
                          .mode = mode->mode,
                          .connections = mode->connections,
                          .count = mode->count,
                          .threads = 1,
                          .depth = 1,
                          .seconds = 60};
    reading.size = mode->size;
    argc--, argv++;
    while ((option = getopt(argc, argv, "c:n:s:d:t:i:w:l:q:a:g")) != -1)
        if (take_option(&reading, option))
            return -1;
    if (optind != argc - 1)
        return refuse("one ADDRESS:PORT is wanted", plan->name);
    if (parse_server(&plan->server, argv[optind]) || check(&reading))
        return -1;
    return make_streams(&reading);
}

void plan_fini(struct plan *plan)
{
    stream_fini(&plan->request);
    stream_fini(&plan->answer);
}
