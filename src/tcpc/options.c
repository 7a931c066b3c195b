/* SPDX-License-Identifier: MIT */
#include "tcpc/options.h"

#include "tcpc/duration.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LONG_ONLY 256 /* values of options without a letter begin here */

enum {
    NO_SHUTDOWN = LONG_ONLY,
    PROXY_PROTOCOL,
    PROXY_SOURCE,
    PROXY_DESTINATION,
    PROXY_TLV,
    CAFILE,
    SERVERNAME,
    ALPN,
    CERT,
    KEY,
    MIN_VERSION,
    INSECURE,
    JSON,
    CRLF,
    HEX,
    SCRIPT,
    REPEAT,
    PARALLEL,
    TRACE,
    ABSOLUTE,
    PCAP,
};

/* One row for each option: what it is called, what --help says, and what it does. */
struct rule {
    int value; /* its letter, or one of the values above */
    const char *name;
    const char *argument; /* what --help calls its argument; "[=": it may be left out; NULL: none */
    const char *help;
    int (*apply)(struct options *options, const char *argument, struct error *error);
    size_t flag, text; /* or where in struct options it sets a bool, or keeps its argument */
};

#define FLAG(member) .flag = offsetof(struct options, member)
#define TEXT(member) .text = offsetof(struct options, member)

static int set_ipv4(struct options *options, const char *argument, struct error *error)
{
    (void)argument, (void)error;
    options->family = AF_INET;
    return 0;
}

static int set_ipv6(struct options *options, const char *argument, struct error *error)
{
    (void)argument, (void)error;
    options->family = AF_INET6;
    return 0;
}

static int set_timeout(struct options *options, const char *argument, struct error *error)
{
    struct error why;
    if (duration_parse(&options->timeout, argument, &why))
        return error_set(error, 0, "--timeout: %.400s", why.text);
    return 0;
}

static int set_shutdown(struct options *options, const char *argument, struct error *error)
{
    (void)argument, (void)error;
    options->half_close = true;
    return 0;
}

static int set_no_shutdown(struct options *options, const char *argument, struct error *error)
{
    (void)argument, (void)error;
    options->half_close = false;
    return 0;
}

static int set_proxy(struct options *options, const char *argument, struct error *error)
{
    if (strcmp(argument, "1") != 0 && strcmp(argument, "2") != 0)
        return error_set(error, 0, "--proxy-protocol: the versions are 1 and 2, not \"%.40s\"",
                         argument);
    options->proxy_version = argument[0] - '0';
    return 0;
}

static int read_addr(struct addr *addr, const char *option, const char *argument,
                     struct error *error)
{
    struct error why;
    if (addr_parse(addr, argument, &why))
        return error_set(error, 0, "%s: %.400s", option, why.text);
    if (addr->family != AF_INET && addr->family != AF_INET6)
        return error_set(error, 0, "%s: \"%.100s\" is not IPv4:PORT or [IPv6]:PORT", option,
                         argument);
    return 0;
}

static int set_source(struct options *options, const char *argument, struct error *error)
{
    options->has_source = true;
    return read_addr(&options->source, "--proxy-source", argument, error);
}

static int set_destination(struct options *options, const char *argument, struct error *error)
{
    options->has_destination = true;
    return read_addr(&options->destination, "--proxy-destination", argument, error);
}

static int set_tlv(struct options *options, const char *argument, struct error *error)
{
    return tlv_add(&options->tlvs, argument, error);
}

static int read_count(unsigned *count, const char *option, const char *text, unsigned most,
                      struct error *error)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno || number < 1 || number > most)
        return error_set(error, 0, "%s: \"%.40s\" is not a number from 1 to %u", option, text,
                         most);
    *count = (unsigned)number;
    return 0;
}

static int set_repeat(struct options *options, const char *argument, struct error *error)
{
    return read_count(&options->repeat, "--repeat", argument, OPTIONS_REPEAT_MAX, error);
}

static int set_parallel(struct options *options, const char *argument, struct error *error)
{
    return read_count(&options->parallel, "--parallel", argument, OPTIONS_PARALLEL_MAX, error);
}

static int set_trace(struct options *options, const char *argument, struct error *error)
{
    size_t length = argument ? strlen(argument) : 0;
    options->trace.draw = true;
    options->trace.picture = argument;
    if (argument && (length < 5 || strcmp(argument + length - 4, ".svg") != 0))
        return error_set(error, 0,
                         "--trace: the picture is one in SVG: --trace=FILE.svg, not \"%.100s\"",
                         argument);
    return 0;
}

static int set_version(struct options *options, const char *argument, struct error *error)
{
    (void)argument, (void)error;
    options->task = OPTIONS_VERSION;
    return 0;
}

static int set_help(struct options *options, const char *argument, struct error *error)
{
    (void)argument, (void)error;
    options->task = OPTIONS_HELP;
    return 0;
}

static const struct rule rules[] = {
    {'4', "ipv4", NULL, "only IPv4 addresses", .apply = set_ipv4},
    {'6', "ipv6", NULL, "only IPv6 addresses", .apply = set_ipv6},
    {'w', "timeout", "TIME", "for the connection to be established: 250ms, 2s, 1m",
     .apply = set_timeout},
    {'N', "shutdown", NULL, "half-close when standard input ends (the default)",
     .apply = set_shutdown},
    {NO_SHUTDOWN, "no-shutdown", NULL, "do not", .apply = set_no_shutdown},
    {'z', "zero", NULL, "connect, say how it went, close", FLAG(zero)},
    {'v', "verbose", NULL, "tell each step of the connection's life on stderr", FLAG(verbose)},
    {JSON, "json", NULL, "what -v tells, as one JSON object at the end", FLAG(json)},
    {CRLF, "crlf", NULL, "send a newline as CR LF", FLAG(crlf)},
    {HEX, "hex", NULL, "show what is not printable as \\xHH", FLAG(hex)},
    {'t', "tls", NULL, "speak TLS, and verify whom with", FLAG(use_tls)},
    {CAFILE, "cafile", "FILE", "authorities that count instead of the system's", TEXT(tls.cafile)},
    {SERVERNAME, "servername", "NAME", "whose certificate it must be (default: HOST)",
     TEXT(tls.servername)},
    {ALPN, "alpn", "NAMES", "protocols to offer: h2,http/1.1", TEXT(tls.alpn)},
    {CERT, "cert", "FILE", "this side's certificate, with its chain", TEXT(tls.certificate)},
    {KEY, "key", "FILE", "its key (default: in the same file)", TEXT(tls.key)},
    {MIN_VERSION, "min-version", "VERSION", "of TLS: 1.0, 1.1, 1.2 (the default) or 1.3",
     TEXT(tls.min_version)},
    {INSECURE, "insecure", NULL, "take any certificate", FLAG(tls.insecure)},
    {'e', "expression", "TEXT", "talk as this script says; see tcpc(1)", TEXT(script_text)},
    {SCRIPT, "script", "FILE", "talk as the script in it says", TEXT(script_file)},
    {REPEAT, "repeat", "N", "do it so many times, and sum up", .apply = set_repeat},
    {PARALLEL, "parallel", "M", "so many at a time (default: 1)", .apply = set_parallel},
    {PROXY_PROTOCOL, "proxy-protocol", "VERSION",
     "send a header of the PROXY protocol first: 1 or 2", .apply = set_proxy},
    {PROXY_SOURCE, "proxy-source", "ADDRESS:PORT", "the client in it (default: this side)",
     .apply = set_source},
    {PROXY_DESTINATION, "proxy-destination", "ADDRESS:PORT", "where it went (default: the peer)",
     .apply = set_destination},
    {PROXY_TLV, "proxy-tlv", "TYPE=VALUE", "one more element of version 2; may be repeated",
     .apply = set_tlv},
    {TRACE, "trace", "[=FILE.svg]", "draw each segment of the connection, or a picture of them",
     .apply = set_trace},
    {ABSOLUTE, "absolute", NULL, "... with sequence numbers as they are on the wire",
     FLAG(trace.absolute)},
    {PCAP, "pcap", "FILE", "write the segments themselves, for tcpdump(8) and others",
     TEXT(trace.pcap)},
    {'V', "version", NULL, "print the version and what was compiled in", .apply = set_version},
    {'h', "help", NULL, "print this help", .apply = set_help},
};

#define RULES (sizeof rules / sizeof *rules)

static bool is_optional(const struct rule *rule)
{
    return rule->argument && rule->argument[0] == '[';
}

static int has_argument(const struct rule *rule)
{
    if (is_optional(rule))
        return optional_argument;
    return rule->argument ? required_argument : no_argument;
}

static void make_getopt(struct option longs[static RULES + 1], char letters[static 2 * RULES + 2])
{
    *letters++ = ':'; /* tells a missing argument from an unknown option */
    for (size_t i = 0; i < RULES; i++) {
        longs[i] = (struct option){rules[i].name, has_argument(&rules[i]), NULL, rules[i].value};
        if (rules[i].value >= LONG_ONLY)
            continue;
        *letters++ = (char)rules[i].value;
        if (rules[i].argument)
            *letters++ = ':';
    }
    longs[RULES] = (struct option){NULL, 0, NULL, 0};
    *letters = '\0';
}

static const struct rule *rule_find(int value)
{
    for (size_t i = 0; i < RULES; i++) {
        if (rules[i].value == value)
            return &rules[i];
    }
    return NULL;
}

static bool is_short(const char *word)
{
    return word[0] == '-' && word[1] != '-' && word[1] != '\0';
}

/* What getopt_long stumbled over.  A letter may stand in a bundle, a long option is a word. */
static int refuse(int result, char *const *argv, struct error *error)
{
    const struct rule *known = rule_find(optopt);
    const char *word = argv[optind - 1];
    if (result == ':')
        return error_set(error, 0, "the option --%s wants %s", known ? known->name : word,
                         known && known->argument ? known->argument : "an argument");
    if (known)
        return error_set(error, 0, "the option --%s takes no argument", known->name);
    if (optopt && optopt < LONG_ONLY)
        return error_set(error, 0, "unknown option -%c", optopt);
    return error_set(error, 0, is_short(word) ? "unknown option in %s" : "unknown option %s", word);
}

static int apply(struct options *options, const struct rule *rule, struct error *error)
{
    char *base = (char *)options;
    if (rule->flag)
        *(bool *)(base + rule->flag) = true;
    else if (rule->text)
        *(const char **)(base + rule->text) = optarg;
    else
        return rule->apply(options, optarg, error);
    return 0;
}

static int apply_options(struct options *options, int argc, char **argv, struct error *error)
{
    struct option longs[RULES + 1];
    char letters[2 * RULES + 2];
    make_getopt(longs, letters);
    opterr = 0;
    optind = 0; /* glibc: begin anew, forgetting a bundle that was left half read */
    int value = getopt_long(argc, argv, letters, longs, NULL);
    for (; value != -1; value = getopt_long(argc, argv, letters, longs, NULL)) {
        const struct rule *rule = rule_find(value);
        if (!rule)
            return refuse(value, argv, error);
        if (apply(options, rule, error))
            return -1;
    }
    return 0;
}

/* Options that are of no use alone, or together. */
static int check_together(const struct options *options, struct error *error)
{
    const struct tls_wishes *tls = &options->tls;
    const struct trace_wish *trace = &options->trace;
    bool traced = trace->draw || trace->pcap;
    bool proxied = options->has_source || options->has_destination;
    bool tlvs = options->tlvs.length || options->tlvs.checksum;
    bool scripted = options->script_file || options->script_text;
    const struct {
        bool wrong;
        const char *sentence;
    } rules_together[] = {
        {proxied && !options->proxy_version,
         "--proxy-source and --proxy-destination want --proxy-protocol"},
        {tlvs && options->proxy_version != 2, "--proxy-tlv wants --proxy-protocol 2"},
        {!options->use_tls && (tls->cafile || tls->servername || tls->alpn || tls->certificate ||
                               tls->key || tls->min_version || tls->insecure),
         "--cafile, --servername, --alpn, --cert, --key, --min-version and --insecure want --tls"},
        {tls->key && !tls->certificate, "--key wants --cert"},
        {options->parallel && !options->repeat, "--parallel wants --repeat"},
        {options->script_file && options->script_text, "--script and -e are one too many"},
        {scripted && options->zero, "--zero is for connecting alone: leave the script out"},
        {(scripted || options->repeat) && (options->crlf || options->hex),
         "--crlf and --hex are for standard input and output, which a script and --repeat have "
         "not"},
        {trace->absolute && !trace->draw, "--absolute wants --trace"},
        {trace->draw && options->target.path,
         "--trace shows segments of TCP, and a unix socket has none"},
        {trace->pcap && options->target.path,
         "--pcap shows segments of TCP, and a unix socket has none"},
        {traced && options->repeat,
         "--trace and --pcap show one connection, and --repeat makes many"},
    };
    for (size_t i = 0; i < sizeof rules_together / sizeof *rules_together; i++) {
        if (rules_together[i].wrong)
            return error_set(error, 0, "%s", rules_together[i].sentence);
    }
    return 0;
}

int options_parse(struct options *options, int argc, char **argv, struct error *error)
{
    *options = (struct options){.family = AF_UNSPEC, .half_close = true};
    if (apply_options(options, argc, argv, error))
        return -1;
    if (options->task != OPTIONS_CONNECT)
        return 0;
    if (target_parse(&options->target, argc - optind, argv + optind, error))
        return -1;
    return check_together(options, error);
}

static void help_line(FILE *file, const struct rule *rule)
{
    char names[64], letter[8] = "    ";
    if (rule->value < LONG_ONLY)
        snprintf(letter, sizeof letter, "-%c, ", rule->value);
    snprintf(names, sizeof names, "%s--%s%s%s", letter, rule->name,
             rule->argument && !is_optional(rule) ? " " : "", rule->argument ? rule->argument : "");
    fprintf(file, "  %-22s %s\n", names, rule->help);
}

void options_help(FILE *file)
{
    fputs("usage: tcpc [OPTION]... HOST PORT\n"
          "       tcpc [OPTION]... HOST:PORT | [IPv6]:PORT | unix:/PATH\n"
          "Connects by TCP and passes standard input to the peer, the peer's answer to standard "
          "output.\n\n",
          file);
    for (size_t i = 0; i < RULES; i++)
        help_line(file, &rules[i]);
    fputs("\nExit status: 0 ended in order; 1 not connected, reset, or not as the script says; 64 "
          "wrong usage. See "
          "tcpc(1).\n",
          file);
}
