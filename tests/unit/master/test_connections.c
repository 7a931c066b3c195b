/* SPDX-License-Identifier: MIT */
/* What children tell of their connections becomes JSON, or is refused. */
#include "master/connections.h"

#include "master/records.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static struct scoreboard *scoreboard;
static struct connections connections;
static int file;

static void set_up(void)
{
    static const char *const names[] = {"echo", "greet"};
    struct board_plan plan = {
        .generation = 7, .children = 1, .threads = 1, .services = 2, .names = names};
    scoreboard = scoreboard_new(16, NULL);
    cr_assert_not_null(scoreboard);
    struct board *board = board_new(scoreboard, &plan, NULL);
    cr_assert_not_null(board);
    board_free(board);
    connections = (struct connections){
        .scoreboard = scoreboard, .service = -1, .room = CONNECTIONS_ROOM, .list = json_array()};
    file = memfd_create("list", MFD_CLOEXEC);
    cr_assert_geq(file, 0);
    cr_assert_eq(fcntl(file, F_SETFL, O_APPEND), 0);
}

static void tear_down(void)
{
    json_decref(connections.list);
    scoreboard_free(scoreboard);
    close(file);
}

TestSuite(connections, .init = set_up, .fini = tear_down, .timeout = 60);

static void put(const void *bytes, size_t length)
{
    cr_assert_eq(write(file, bytes, length), (ssize_t)length);
}

/* Reads the file, of which `good` records make sense. */
static void expect_read(enum connections_read expected, uint64_t good)
{
    struct connection_id of = {7, 0, 0};
    uint64_t count = 99;
    cr_assert_eq(connections_read(&connections, file, &of, 100, &count), expected);
    cr_assert_eq(count, good);
    cr_assert_eq(json_array_size(connections.list), good);
    cr_assert_not(connections.no_memory);
}

static const char *text_at(unsigned i, const char *key)
{
    return json_string_value(json_object_get(json_array_get(connections.list, i), key));
}

Test(connections, a_unix_connection_with_any_path)
{
    struct conn_record record = record_of(1);
    record.peer = (struct conn_end){.family = AF_UNIX, .credentials = {4711, 33, 34}};
    record.local = (struct conn_end){.family = AF_UNIX};
    record.tcp_state = 0;
    snprintf(record.path, sizeof record.path, "/run/\xff/socket");
    put(&record, sizeof record);
    expect_read(CONNECTIONS_READ, 1);
    cr_expect_str_eq(text_at(0, "peer"), "unix:pid=4711,uid=33,gid=34");
    cr_expect_str_eq(text_at(0, "local"), "unix:/run/?/socket");
    cr_expect_null(text_at(0, "tcp_state"));
    cr_expect_null(json_object_get(json_array_get(connections.list, 0), "rtt_ms"));
}

Test(connections, of_a_newer_build)
{
    char longer[sizeof(struct conn_record) + 16];
    memset(longer, 0xff, sizeof longer);
    for (uint64_t number = 1; number <= 3; number++) {
        struct conn_record record = record_of(number);
        record.size = sizeof longer;
        memcpy(longer, &record, sizeof record);
        put(longer, sizeof longer);
    }
    expect_read(CONNECTIONS_READ, 3);
    cr_expect_str_eq(text_at(2, "id"), "7.0.3");
}

static void expect_refused(struct conn_record bad)
{
    struct conn_record good = record_of(1);
    cr_assert_eq(ftruncate(file, 0), 0);
    json_array_clear(connections.list);
    put(&good, sizeof good);
    put(&bad, sizeof bad);
    put(&good, sizeof good);
    expect_read(CONNECTIONS_NONSENSE, 1);
}

#define REFUSED(change)                                                                            \
    {                                                                                              \
        struct conn_record record = record_of(2);                                                  \
        record.change;                                                                             \
        expect_refused(record);                                                                    \
    }

Test(connections, rubbish){
    REFUSED(size = 0) REFUSED(size = CONN_RECORD_FIRST - 8) REFUSED(size = CONN_RECORD_FIRST + 4)
        REFUSED(size = CONN_RECORD_MAX + 8) REFUSED(size = 3 * CONN_RECORD_FIRST)
            REFUSED(size = UINT32_MAX) REFUSED(service = 2) REFUSED(service = SCOREBOARD_SERVICES)
                REFUSED(service = UINT32_MAX) REFUSED(number = 0) REFUSED(idle = record.age + 1)
                    REFUSED(received = UINT64_MAX) REFUSED(sent = (uint64_t)INT64_MAX + 1)
                        REFUSED(phase = 3) REFUSED(phase = UINT32_MAX) REFUSED(tcp_state = 13)
                            REFUSED(tcp_state = UINT32_MAX) REFUSED(peer.family = 0)
                                REFUSED(peer.family = AF_UNIX) REFUSED(local.family = AF_UNIX)
                                    REFUSED(local.family = 65535)}

Test(connections, a_path_without_an_end)
{
    struct conn_record record = record_of(2);
    record.peer.family = record.local.family = AF_UNIX;
    memset(record.path, 'x', sizeof record.path);
    expect_refused(record);
}

Test(connections, of_another_service_than_was_asked_for)
{
    connections.service = 0;
    struct conn_record record = record_of(1);
    put(&record, sizeof record);
    expect_read(CONNECTIONS_NONSENSE, 0);
}

Test(connections, a_file_that_is_cut)
{
    struct conn_record records[2] = {record_of(1), record_of(2)};
    put(records, sizeof records - 8);
    expect_read(CONNECTIONS_NONSENSE, 1);
}

Test(connections, more_than_there_is_room_for)
{
    connections.room = 4 * sizeof(struct conn_record) + 100;
    for (unsigned i = 1; i <= 5; i++) {
        struct conn_record record = record_of(i);
        put(&record, sizeof record);
    }
    expect_read(CONNECTIONS_TOO_MANY, 4);
}

Test(connections, names)
{
    static const char *const bad[] = {
        "",
        ".",
        "7",
        "7.0",
        "7.0.",
        ".0.1",
        "7..1",
        "7.0.1.",
        "7.0.1 ",
        " 7.0.1",
        "+7.0.1",
        "7.-0.1",
        "7.0.01",
        "07.0.1",
        "7.00.1",
        "7.0.1x",
        "0x7.0.1",
        "7.0,1",
        "7 .0.1",
        "4294967296.0.1",
        "7.4294967296.1",
        "7.0.18446744073709551616",
        "7.0.99999999999999999999",
    };
    char text[CONNECTION_ID_MAX];
    struct connection_id id;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(connection_id_parse(&id, bad[i]), "%s", bad[i]);
    cr_assert(connection_id_parse(&id, "7.0.123"));
    cr_assert(id.generation == 7 && id.child == 0 && id.number == 123);
    const char *most = "4294967295.4294967295.18446744073709551615";
    cr_assert(connection_id_parse(&id, most));
    connection_id_format(&id, text);
    cr_assert_str_eq(text, most);
}
