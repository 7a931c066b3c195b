/* SPDX-License-Identifier: MIT */
/* The master asks: children that answer, lie, die, or say nothing; and a real one. */
#include "master/inquiry.h"

#include <criterion/criterion.h>

#define demand(condition) cr_assert(condition)
#include "child/help.h"
#include "master/records.h"

enum { CHILDREN = 3 };

static struct loop loop;
static struct scoreboard *scoreboard;
static struct inquiries *inquiries;
static struct inquiry_child children[CHILDREN];
static int ends[CHILDREN]; /* the children's */

/* What the callbacks were told. */
static struct {
    unsigned lists, kills;
    json_t *connections, *missing;
    enum inquiry_kill outcome;
    void *owner;
} told;

static void turn_end(struct loop *turning)
{
    turning->stop = true;
}

static void set_up(void)
{
    static const char *const names[] = {"echo", "greet"};
    struct board_plan plan = {
        .generation = 7, .children = 1, .threads = 1, .services = 2, .names = names};
    cr_assert_eq(loop_init(&loop, NULL), 0);
    loop.turn_end = turn_end;
    scoreboard = scoreboard_new(16, NULL);
    cr_assert_not_null(scoreboard);
    struct board *board = board_new(scoreboard, &plan, NULL);
    cr_assert_not_null(board);
    board_free(board);
    inquiries = inquiries_new(&loop, scoreboard, NULL);
    for (unsigned i = 0; i < CHILDREN; i++) {
        int pair[2];
        cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        children[i] = (struct inquiry_child){
            .key = &ends[i], .channel = pair[0], .generation = 7, .index = i, .pid = 100 + (int)i};
        ends[i] = pair[1];
    }
}

static void tear_down(void)
{
    json_decref(told.connections);
    json_decref(told.missing);
    inquiries_free(inquiries);
    loop_fini(&loop);
    scoreboard_free(scoreboard);
}

TestSuite(inquiry, .init = set_up, .fini = tear_down, .timeout = 60);

static void turn(void)
{
    loop_wake(&loop);
    loop.stop = false;
    loop_run(&loop);
}

static void listed(void *owner, json_t *connections, json_t *missing)
{
    json_decref(told.connections);
    json_decref(told.missing);
    told.lists++;
    told.owner = owner;
    told.connections = connections;
    told.missing = missing;
}

static void killed(void *owner, enum inquiry_kill outcome)
{
    told.kills++;
    told.owner = owner;
    told.outcome = outcome;
}

static struct inquiry *list_of(unsigned count, int service)
{
    struct inquiry *inquiry =
        inquiry_list(inquiries, children, count, service, listed, &told, NULL);
    cr_assert_not_null(inquiry);
    cr_assert_eq(told.lists, 0);
    return inquiry;
}

/* The child's side. */

struct request {
    struct message message;
    int file;
};

static struct request order_of(unsigned child)
{
    struct request order;
    cr_assert_eq(channel_receive(ends[child], &order.message, &order.file), CHANNEL_MESSAGE);
    return order;
}

static void done(unsigned child, const struct request *order, uint64_t value)
{
    struct message message = {
        .order = CHILD_DONE, .request = order->message.request, .value = value};
    if (order->file >= 0)
        close(order->file);
    inquiry_answered(inquiries, children[child].key, &message);
}

static void put(const struct request *order, const void *bytes, size_t length)
{
    cr_assert_eq(write(order->file, bytes, length), (ssize_t)length);
}

static void answer(unsigned child, uint64_t number)
{
    struct request order = order_of(child);
    struct conn_record record = record_of(number);
    put(&order, &record, sizeof record);
    done(child, &order, 1);
}

static const char *text_at(unsigned i, const char *key)
{
    return json_string_value(json_object_get(json_array_get(told.connections, i), key));
}

static double number_at(unsigned i, const char *key)
{
    return json_number_value(json_object_get(json_array_get(told.connections, i), key));
}

static void expect_missing(const char *sentence)
{
    cr_assert_eq(told.lists, 1);
    cr_assert_eq(json_array_size(told.missing), 1);
    cr_assert_str_eq(json_string_value(json_array_get(told.missing, 0)), sentence);
}

/* Answers. */

Test(inquiry, all_answer)
{
    list_of(3, -1);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(told.lists, 0);
        answer(i, i + 123);
    }
    cr_assert_eq(told.lists, 1);
    cr_assert_eq(told.owner, &told);
    cr_assert_eq(json_array_size(told.missing), 0);
    cr_assert_eq(json_array_size(told.connections), 3);
    cr_expect_str_eq(text_at(0, "id"), "7.0.123");
    cr_expect_str_eq(text_at(2, "id"), "7.2.125");
    cr_expect_str_eq(text_at(0, "service"), "greet");
    cr_expect_str_eq(text_at(0, "peer"), "127.0.0.1:40112");
    cr_expect_str_eq(text_at(0, "local"), "127.0.0.2:7");
    cr_expect_str_eq(text_at(0, "phase"), "open");
    cr_expect_str_eq(text_at(0, "tcp_state"), "CLOSE_WAIT");
    cr_expect_eq(number_at(1, "generation"), 7);
    cr_expect_eq(number_at(1, "pid"), 101);
    cr_expect_eq(number_at(0, "age"), 12.5);
    cr_expect_eq(number_at(0, "idle"), 0.25);
    cr_expect_eq(number_at(0, "received"), 6);
    cr_expect_eq(number_at(0, "sent"), 7);
    cr_expect_eq(number_at(0, "rtt_ms"), 0.043);
    cr_expect_eq(number_at(0, "retransmits"), 3);
}

Test(inquiry, what_goes_out)
{
    list_of(1, 1);
    struct request order = order_of(0);
    cr_expect_eq(order.message.order, CHILD_LIST);
    cr_expect_eq(order.message.value, 2);
    cr_expect(fcntl(order.file, F_GETFL) & O_APPEND);
    list_of(1, -1);
    cr_expect_eq(order_of(0).message.value, 0);
}

/* Nobody to ask is an answer too, but not before the asker has the inquiry. */
Test(inquiry, nobody_there)
{
    list_of(0, -1);
    turn();
    turn();
    cr_assert_eq(told.lists, 1);
    cr_assert_eq(json_array_size(told.connections), 0);
    cr_assert_eq(json_array_size(told.missing), 0);
}

/* Silence and death. */

Test(inquiry, one_says_nothing)
{
    uint64_t begun = clock_now();
    list_of(2, -1);
    answer(0, 5);
    while (told.lists == 0 && clock_now() - begun < 20 * CLOCK_S) {
        loop.stop = false;
        loop_run(&loop);
    }
    cr_assert_geq(clock_now() - begun, 2 * CLOCK_S);
    expect_missing("child 7.1 did not answer");
    cr_assert_eq(json_array_size(told.connections), 1);
    struct request late = order_of(1);
    done(1, &late, 0);
    cr_assert_eq(told.lists, 1);
}

Test(inquiry, a_full_channel_is_not_waited_for)
{
    struct message message = {.order = 99};
    while (channel_send(children[1].channel, &message, -1) == 0)
        ;
    list_of(2, -1);
    answer(0, 5);
    expect_missing("child 7.1 did not answer");
}

Test(inquiry, one_that_has_ended_has_no_connections)
{
    list_of(3, -1);
    answer(0, 1);
    answer(1, 2);
    inquiry_child_gone(inquiries, children[1].key);
    cr_assert_eq(told.lists, 0);
    inquiry_child_gone(inquiries, children[2].key);
    cr_assert_eq(told.lists, 1);
    cr_assert_eq(json_array_size(told.missing), 0);
    cr_assert_eq(json_array_size(told.connections), 1);
}

/* Lies. */

static void expect_wrong(const void *bytes, size_t length, uint64_t value, const char *sentence)
{
    told.lists = 0;
    list_of(1, -1);
    struct request order = order_of(0);
    put(&order, bytes, length);
    done(0, &order, value);
    expect_missing(sentence);
}

Test(inquiry, counts_and_ends_that_are_wrong)
{
    struct conn_record two[2] = {record_of(1), record_of(2)};
    const char *sentence = "child 7.0 did not answer properly";
    expect_wrong(two, sizeof two, 1, sentence);
    expect_wrong(two, sizeof two, 3, sentence);
    expect_wrong(two, sizeof two, UINT64_MAX, sentence);
    expect_wrong(two, sizeof two - 1, 2, sentence);
    expect_wrong(two, 1, 1, sentence);
    expect_wrong(two, 0, 1, sentence);
}

/* It may claim any size for its file, and cut it while it is read: nothing is allocated for that.
 */
Test(inquiry, a_huge_file)
{
    list_of(1, -1);
    struct request order = order_of(0);
    cr_assert_eq(ftruncate(order.file, (off_t)1 << 40), 0);
    done(0, &order, UINT64_MAX);
    expect_missing("child 7.0 did not answer properly");
}

Test(inquiry, answers_that_nobody_waits_for)
{
    list_of(2, -1);
    struct request order = order_of(0);
    struct message message = {.order = CHILD_DONE, .request = order.message.request};
    message.request++;
    inquiry_answered(inquiries, children[0].key, &message);
    message.request--;
    inquiry_answered(inquiries, children[2].key, &message);
    inquiry_answered(inquiries, children[0].key, &message);
    inquiry_answered(inquiries, children[0].key, &message);
    cr_assert_eq(told.lists, 0);
    answer(1, 1);
    cr_assert_eq(told.lists, 1);
}

/* Killing. */

static void expect_outcome(uint64_t value, enum inquiry_kill outcome)
{
    told.kills = 0;
    cr_assert_not_null(inquiry_kill(inquiries, &children[0], 123, killed, &told, NULL));
    struct request order = order_of(0);
    cr_assert_eq(order.message.order, CHILD_KILL);
    cr_assert_eq(order.message.value, 123);
    cr_assert_eq(order.file, -1);
    done(0, &order, value);
    cr_assert_eq(told.kills, 1);
    cr_assert_eq(told.outcome, outcome);
}

Test(inquiry, kills)
{
    expect_outcome(1, INQUIRY_KILLED);
    expect_outcome(0, INQUIRY_NO_SUCH);
    told.kills = 0;
    inquiry_kill(inquiries, &children[0], 123, killed, &told, NULL);
    inquiry_child_gone(inquiries, children[0].key);
    cr_assert_eq(told.kills, 1);
    cr_assert_eq(told.outcome, INQUIRY_NO_SUCH);
    close(ends[0]);
    inquiry_kill(inquiries, &children[0], 123, killed, &told, NULL);
    turn();
    turn();
    cr_assert_eq(told.kills, 2);
    cr_assert_eq(told.outcome, INQUIRY_SILENT);
}

/* Several at once. */

Test(inquiry, a_bound_and_the_way_back)
{
    struct inquiry *first = list_of(1, -1), *last = NULL;
    struct error error = {0};
    unsigned count = 1;
    while ((last = inquiry_list(inquiries, children, 1, -1, listed, &told, &error)))
        count++;
    cr_assert_eq(count, 32);
    cr_assert_str_eq(error.text, "the children are asked too much at once: try again");
    inquiry_cancel(first);
    cr_assert_not_null(inquiry_list(inquiries, children, 1, -1, listed, &told, &error));
    answer(0, 1);
    cr_assert_eq(told.lists, 0, "that one was cancelled");
    answer(0, 1);
    cr_assert_eq(told.lists, 1);
    inquiry_child_gone(inquiries, children[0].key);
    cr_assert_eq(told.lists, 32);
}

/* A real child. */

Test(inquiry, for_real)
{
    static struct family family;
    family_make(&family, 2);
    struct fake_master master = child_start(&family, 0);
    struct inquiries *real = inquiries_new(&loop, family.scoreboard, NULL);
    struct inquiry_child child = {&master, master.channel, 2, 0, master.child};
    connect_to(&family, 0);
    connect_to(&family, 1);
    cr_assert_not_null(inquiry_list(real, &child, 1, -1, listed, &told, NULL));
    struct message message = child_answer(&master);
    inquiry_answered(real, &master, &message);
    cr_assert_eq(told.lists, 1);
    cr_assert_eq(json_array_size(told.missing), 0);
    cr_assert_eq(json_array_size(told.connections), 2);
    cr_assert_not_null(inquiry_kill(real, &child, 2, killed, &told, NULL));
    message = child_answer(&master);
    inquiry_answered(real, &master, &message);
    cr_assert_eq(told.outcome, INQUIRY_KILLED);
    inquiries_free(real);
    child_kill(&master);
    family_free(&family);
}
