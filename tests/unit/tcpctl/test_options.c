/* SPDX-License-Identifier: MIT */
#include "tcpctl/options.h"

#include "base/clock.h"
#include "tcpctl/answer.h"
#include "tcpctl/commands.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define WORDS       8
#define WORD_LENGTH 32

/* Parses the words, which end with NULL; getopt_long moves them about. */
static int parse(struct options *options, struct error *error, const char *const *words)
{
    static char texts[WORDS][WORD_LENGTH];
    static char *argv[WORDS + 1];
    int argc = 0;
    for (; words[argc]; argc++) {
        cr_assert(argc < WORDS && strlen(words[argc]) < WORD_LENGTH);
        argv[argc] = strcpy(texts[argc], words[argc]);
    }
    argv[argc] = NULL;
    error->text[0] = '\0';
    return options_parse(options, argc, argv, error);
}

#define PARSE(...)   parse(&options, &error, (const char *const[]){"tcpctl", __VA_ARGS__, NULL})
#define TAKES(...)   cr_assert_eq(PARSE(__VA_ARGS__), 0, "%s", error.text)
#define REFUSES(...) cr_assert_eq(PARSE(__VA_ARGS__), -1)

static struct options options;
static struct error error;

Test(options, the_socket_is_given_or_named_by_the_environment_or_the_usual_one)
{
    unsetenv(OPTIONS_VARIABLE);
    TAKES("status");
    cr_expect_str_eq(options.socket, "/run/tcpd/control.sock");
    setenv(OPTIONS_VARIABLE, "", 1);
    TAKES("status");
    cr_expect_str_eq(options.socket, "/run/tcpd/control.sock");
    setenv(OPTIONS_VARIABLE, "/a", 1);
    TAKES("status");
    cr_expect_str_eq(options.socket, "/a");
    TAKES("-s", "/b", "status");
    cr_expect_str_eq(options.socket, "/b");
}

Test(options, stand_before_or_behind_the_command)
{
    TAKES("--json", "kill", "1.0.1");
    cr_expect(options.json);
    cr_expect_str_eq(options.command->name, "kill");
    cr_expect_eq(options.argument_count, 1);
    cr_expect_str_eq(options.arguments[0], "1.0.1");
    TAKES("kill", "1.0.1", "--json", "--socket=/c");
    cr_expect(options.json);
    cr_expect_str_eq(options.arguments[0], "1.0.1");
    cr_expect_str_eq(options.socket, "/c");
    TAKES("drain");
    cr_expect_not(options.json);
    cr_expect_eq(options.argument_count, 0);
    TAKES("explain", "::1", "echo", "--json", "10.0.0.1");
    cr_expect_eq(options.argument_count, 3);
    cr_expect_str_eq(options.arguments[2], "10.0.0.1");
}

Test(options, interval)
{
    TAKES("top");
    cr_expect_eq(options.interval, 0);
    TAKES("top", "-i", "0.5");
    cr_expect_eq(options.interval, CLOCK_S / 2);
    TAKES("--interval=3600", "top");
    cr_expect_eq(options.interval, 3600 * CLOCK_S);
    REFUSES("top", "-i", "0.09");
    REFUSES("top", "-i", "3601");
    REFUSES("top", "-i", "inf");
    REFUSES("top", "-i", "");
    REFUSES("top", "-i", "1 ");
    REFUSES("status", "-i", "1");
}

Test(options, many_arguments_for_a_command_that_takes_them)
{
    TAKES("import-inetd", "a", "--format=xinetd", "b", "-");
    cr_expect_str_eq(options.format, "xinetd");
    cr_assert_eq(options.argument_count, 3);
    cr_expect_str_eq(options.arguments[0], "a");
    cr_expect_str_eq(options.arguments[1], "b");
    cr_expect_str_eq(options.arguments[2], "-");
    REFUSES("import-inetd");
    REFUSES("import-inetd", "a", "-f", "");
    REFUSES("import-inetd", "a", "-f", "inet");
    REFUSES("kill", "1.0.1", "1.0.2");
}

Test(options, that_are_of_one_command)
{
    REFUSES("status", "-f", "inetd");
    REFUSES("top", "-f", "inetd");
    REFUSES("import-inetd", "a", "-i", "2");
    REFUSES("import-inetd", "a", "--json");
}

Test(options, tasks_want_no_command)
{
    TAKES("-h");
    cr_expect_eq(options.task, OPTIONS_HELP);
    TAKES("--version");
    cr_expect_eq(options.task, OPTIONS_VERSION);
}

Test(options, what_is_wrong_is_said)
{
    REFUSES("relaod");
    cr_expect(strstr(error.text, "is it \"reload\"?"), "%s", error.text);
    REFUSES("zzzzzz");
    cr_expect_not(strstr(error.text, "is it"), "%s", error.text);
    REFUSES("kill");
    REFUSES("status", "x");
    REFUSES("log", "info", "x");
    REFUSES("explain");
    REFUSES("explain", "::1");
    cr_expect_str_eq(error.text, "explain wants SERVICE");
    REFUSES("explain", "::1", "echo", "::2", "x");
    cr_expect_str_eq(error.text, "explain takes three arguments: what is \"x\"?");
    REFUSES("--jsn", "status");
    REFUSES("-V", "-z");
    REFUSES("top", "--json");
}

Test(commands, are_complete)
{
    for (const struct command *command = commands; command->name; command++) {
        cr_expect(command->help);
        cr_expect((command->run != NULL) != (command->print != NULL), "%s", command->name);
        for (unsigned i = 0; i < command_arguments(command); i++) {
            const struct argument *argument = &command->arguments[i];
            cr_expect_eq(command->print != NULL, argument->key != NULL);
            cr_expect(i == 0 || argument->optional || !argument[-1].optional);
        }
        cr_expect_eq(command_find(command->name), command);
    }
}

Test(answer, requests)
{
    json_t *request = json_pack("{s:s,s:s}", "command", "kill", "id", "a\"b\n");
    char *line = answer_request(request);
    cr_expect_str_eq(line, "{\"command\":\"kill\",\"id\":\"a\\\"b\\n\"}\n");
    free(line);
    json_decref(request);
}

static enum answer_kind kind_of(const char *line)
{
    json_t *answer;
    enum answer_kind kind = answer_parse(line, strlen(line), &answer, &error);
    cr_expect_eq(answer == NULL, kind == ANSWER_NONSENSE);
    json_decref(answer);
    return kind;
}

Test(answer, kinds)
{
    cr_expect_eq(kind_of("{\"ok\":true}"), ANSWER_DONE);
    cr_expect_eq(kind_of("{\"ok\":false}"), ANSWER_REFUSED);
    cr_expect_eq(kind_of("{\"progress\":true}"), ANSWER_PROGRESS);
    cr_expect_eq(kind_of("{\"ok\":true,\"progress\":true}"), ANSWER_DONE);
    cr_expect_eq(kind_of("{\"progress\":1}"), ANSWER_NONSENSE);
    cr_expect_eq(kind_of("{\"ok\":1}"), ANSWER_NONSENSE);
    cr_expect_eq(kind_of("[true]"), ANSWER_NONSENSE);
    cr_expect_eq(kind_of("{\"ok\":true"), ANSWER_NONSENSE);
    cr_expect_eq(kind_of(""), ANSWER_NONSENSE);
}
