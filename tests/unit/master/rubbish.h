/* SPDX-License-Identifier: MIT */
/* Requests that are none, for the unit tests and for the fuzzer to begin with. */
#ifndef TESTS_UNIT_MASTER_RUBBISH_H
#define TESTS_UNIT_MASTER_RUBBISH_H

#include <stddef.h>
#include <string.h>

struct rubbish {
    const char *line, *error;
    size_t length; /* 0: of the text */
};

static const struct rubbish rubbish[] = {
    {"\n", "not JSON", 0},
    {"rubbish\n", "not JSON", 0},
    {"\"command\"\n", "not JSON", 0},
    {"[\"echo\"]\n", "not an object", 0},
    {"{}\n", "not an object", 0},
    {"{\"command\":7}\n", "not an object", 0},
    {"{\"command\":null}\n", "not an object", 0},
    {"{\"command\":[\"echo\"]}\n", "not an object", 0},
    {"{\"command\":\"echo\",\"command\":\"echo\"}\n", "duplicate", 0},
    {"{\"command\":\"echo\"} x\n", "not JSON", 0},
    {"{\"command\":\"echo\"}{\"command\":\"echo\"}\n", "not JSON", 0},
    {"{\"command\":\"echo\"\0}\n", "not JSON", 20},
    {"{\"command\":\"echo\"}\0\n", "not JSON", 20},
    {"\0\n", "not JSON", 2},
    {"{\"command\":\"echo\\u0000\"}\n", "not JSON", 0},
    {"{\"command\":\"ec\xffho\"}\n", "not JSON", 0},
    {"{\"command\":\"\xed\xa0\x80\"}\n", "not JSON", 0},
    {"{\"command\":\"\xc3\"}\n", "not JSON", 0},
    {"{\"command\":\"echo\",\"n\":1e999}\n", "not JSON", 0},
    {"{\"command\":\"echo\",\"n\":99999999999999999999}\n", "not JSON", 0},
    {"{\"command\":\"ECHO\"}\n", "echo later big steer silent fail none", 0},
    {"{\"command\":\"\"}\n", "there is no command", 0},
    {"{\"command\":\"\xc3\xa4\xc3\xa4\xc3\xa4\"}\n", "there is no command", 0},
    {"{\"command\":\"a\x7f\\u001b[2J\\\"\"}\n", "\\u001B[2J", 0},
};

#define RUBBISH_COUNT (sizeof rubbish / sizeof *rubbish)

static inline size_t rubbish_length(const struct rubbish *line)
{
    return line->length ? line->length : strlen(line->line);
}

#endif
