/* SPDX-License-Identifier: MIT */
/*
 * What a child writes of its connections: whatever it is, what comes out is JSON that the master
 * can send, as much as was counted, and the same a second time.
 */
#include "conn/record.h"
#include "fuzz.h"
#include "master/connections.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct scoreboard *scoreboard;
static int file;

/* A daemon that has two services. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char *const names[] = {"echo", "greet"};
    struct board_plan plan = {
        .generation = 7, .children = 1, .threads = 1, .services = 2, .names = names};
    (void)argc, (void)argv;
    scoreboard = scoreboard_new(16, NULL);
    must(scoreboard);
    struct board *board = board_new(scoreboard, &plan, NULL);
    must(board);
    board_free(board);
    file = memfd_create("fuzz", MFD_CLOEXEC);
    must(file >= 0);
    return 0;
}

struct answer {
    enum connections_read read;
    uint64_t count;
    char *text;
};

static void check_list(const json_t *list, uint64_t count, int service)
{
    size_t i;
    json_t *each;
    must(json_array_size(list) == count);
    json_array_foreach (list, i, each) {
        struct connection_id id;
        const char *name = json_string_value(json_object_get(each, "service"));
        must(connection_id_parse(&id, json_string_value(json_object_get(each, "id"))));
        must(id.generation == 7 && id.child == 3 && id.number > 0);
        must(strcmp(name, "echo") == 0 || strcmp(name, "greet") == 0);
        must(service < 0 || strcmp(name, service ? "greet" : "echo") == 0);
    }
}

static struct answer ask(int service, size_t room)
{
    struct connections connections = {
        .scoreboard = scoreboard, .service = service, .room = room, .list = json_array()};
    const struct connection_id of = {7, 3, 0};
    struct answer answer;
    answer.read = connections_read(&connections, file, &of, 100, &answer.count);
    must(!connections.no_memory && connections.room <= room);
    must(room - connections.room >= answer.count * CONN_RECORD_FIRST);
    check_list(connections.list, answer.count, service);
    answer.text = json_dumps(connections.list, JSON_COMPACT | JSON_ENSURE_ASCII);
    must(answer.text);
    json_decref(connections.list);
    return answer;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    must(ftruncate(file, 0) == 0 && pwrite(file, bytes, size, 0) == (ssize_t)size);
    struct answer answer = ask(-1, CONNECTIONS_ROOM), again = ask(-1, CONNECTIONS_ROOM);
    must(answer.read != CONNECTIONS_TOO_MANY && answer.count <= size / CONN_RECORD_FIRST);
    must(answer.read == again.read && strcmp(answer.text, again.text) == 0);
    struct answer echo = ask(0, CONNECTIONS_ROOM), few = ask(-1, size / 2);
    must(echo.count <= answer.count && few.count <= answer.count);
    free(answer.text);
    free(again.text);
    free(echo.text);
    free(few.text);
    return 0;
}
