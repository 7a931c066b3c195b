/* SPDX-License-Identifier: MIT */
#include "base/scoreboard.h"

#include "base/clock.h"
#include "base/scoreboard_sequence.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* Room for boards to come: only what is written to takes memory. */
#define SIZE_LARGE ((size_t)1 << (sizeof(size_t) > 4 ? 30 : 27))
#define SIZE_SMALL ((size_t)1 << 27) /* where the address space is limited */

#define LINE 64 /* no two threads write to one cache line */

_Static_assert(CLOSE_REASON_COUNT <= 24, "room in struct counters");
_Static_assert(REJECT_REASON_COUNT <= 8, "room in struct counters");

const uint64_t histogram_durations[HISTOGRAM_BUCKETS] = {
    CLOCK_MS,     10 * CLOCK_MS, 100 * CLOCK_MS, CLOCK_S,   10 * CLOCK_S,
    60 * CLOCK_S, 600 * CLOCK_S, 3600 * CLOCK_S, UINT64_MAX};

const uint64_t histogram_waits[HISTOGRAM_BUCKETS] = {CLOCK_MS / 100, CLOCK_MS / 10, CLOCK_MS,
                                                     5 * CLOCK_MS,   20 * CLOCK_MS, 50 * CLOCK_MS,
                                                     200 * CLOCK_MS, CLOCK_S,       UINT64_MAX};

static size_t round_up(size_t size, size_t to)
{
    return (size + to - 1) / to * to;
}

/* The memory. */

static struct scoreboard *map(int memory, int room, struct error *error)
{
    struct stat file;
    struct scoreboard *scoreboard = malloc(sizeof *scoreboard);
    size_t size = fstat(memory, &file) == 0 ? (size_t)file.st_size : 0;
    void *head = MAP_FAILED;
    if (scoreboard && size >= sizeof(struct scoreboard_head))
        head = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, memory, 0);
    if (head == MAP_FAILED) {
        error_set(error, errno, "cannot map the scoreboard");
        free(scoreboard);
        return NULL;
    }
    madvise(head, size, MADV_DONTDUMP);
    *scoreboard = (struct scoreboard){head, memory, room};
    return scoreboard;
}

static void init_lock(pthread_mutex_t *lock)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

/* The entries of the address table come first, behind them the boards. */
static void lay_out_head(struct scoreboard_head *head, unsigned rows)
{
    size_t entry = sizeof(struct address_entry) + rows * sizeof(uint32_t);
    head->row_limit = rows;
    head->addresses = round_up(sizeof *head, 4096);
    head->boards_from =
        head->addresses + round_up(ADDRESS_SETS * ADDRESS_WAYS * round_up(entry, 8), 4096);
    if (getrandom(&head->seed, sizeof head->seed, GRND_NONBLOCK) < 0)
        head->seed = clock_now() ^ (uint64_t)getpid() << 32;
}

static struct scoreboard *make(int memory, int room, size_t size, unsigned rows,
                               struct error *error)
{
    if (ftruncate(memory, (off_t)size)) {
        error_set(error, errno, "cannot make shared memory");
        return NULL;
    }
    struct scoreboard *scoreboard = map(memory, room, error);
    if (!scoreboard)
        return NULL;
    scoreboard->head->layout = SCOREBOARD_LAYOUT;
    scoreboard->head->size = size;
    lay_out_head(scoreboard->head, rows);
    scoreboard->head->daemon.started = clock_now();
    init_lock(&scoreboard->head->lock);
    return scoreboard;
}

struct scoreboard *scoreboard_new(unsigned children, struct error *error)
{
    unsigned rows = children < SCOREBOARD_ROWS ? children : SCOREBOARD_ROWS;
    struct scoreboard *scoreboard = NULL;
    int memory = memfd_create("tcpd-scoreboard", MFD_CLOEXEC);
    int room = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (memory < 0 || room < 0)
        error_set(error, errno, "cannot make the descriptors of the scoreboard");
    else if (!(scoreboard = make(memory, room, SIZE_LARGE, rows, error)))
        scoreboard = make(memory, room, SIZE_SMALL, rows, error);
    if (!scoreboard && memory >= 0)
        close(memory);
    if (!scoreboard && room >= 0)
        close(room);
    return scoreboard;
}

struct scoreboard *scoreboard_adopt(int memory, int room, struct error *error)
{
    struct scoreboard *scoreboard = map(memory, room, error);
    if (!scoreboard || scoreboard->head->layout == SCOREBOARD_LAYOUT)
        return scoreboard;
    error_set(error, 0, "the scoreboard has layout %llu, this tcpd knows %d: a restart is needed",
              (unsigned long long)scoreboard->head->layout, SCOREBOARD_LAYOUT);
    munmap(scoreboard->head, scoreboard->head->size);
    free(scoreboard);
    return NULL;
}

void scoreboard_free(struct scoreboard *scoreboard)
{
    if (!scoreboard)
        return;
    munmap(scoreboard->head, scoreboard->head->size);
    close(scoreboard->memory);
    close(scoreboard->room);
    free(scoreboard);
}

/* The parts of a board, as they follow one another. */

struct layout {
    size_t indices, last_calls, children, threads, size;
};

static size_t thread_size(unsigned services)
{
    return round_up(sizeof(struct thread_slot) + services * sizeof(struct counters), LINE);
}

static struct layout lay_out(const struct board_entry *entry)
{
    struct layout layout;
    layout.indices = round_up(entry->services * sizeof(uint32_t), LINE);
    layout.last_calls = layout.indices + SCOREBOARD_SERVICES * sizeof(uint16_t);
    layout.children = layout.last_calls + round_up(entry->listeners, LINE);
    layout.threads = layout.children + entry->children * sizeof(struct child_score);
    size_t slots = (size_t)entry->children * (entry->threads + 1);
    layout.size = layout.threads + slots * thread_size(entry->services);
    return layout;
}

bool board_view(struct board *board, const struct scoreboard *scoreboard,
                const struct board_entry *entry)
{
    size_t size = scoreboard->head->size;
    if (!entry->offset || entry->children > SCOREBOARD_ROWS || entry->threads > SCOREBOARD_ROWS ||
        entry->services > SCOREBOARD_SERVICES || entry->offset > size)
        return false;
    struct layout layout = lay_out(entry);
    char *memory = (char *)scoreboard->head + entry->offset;
    *board = (struct board){.scoreboard = scoreboard,
                            .entry = *entry,
                            .ids = (void *)memory,
                            .indices = (void *)(memory + layout.indices),
                            .last_calls = (void *)(memory + layout.last_calls),
                            .children = (void *)(memory + layout.children),
                            .threads = memory + layout.threads};
    return layout.size <= size - entry->offset;
}

static struct board *new_view(const struct scoreboard *scoreboard, const struct board_entry *entry)
{
    struct board *board = malloc(sizeof *board);
    if (board && board_view(board, scoreboard, entry))
        return board;
    free(board);
    return NULL;
}

struct thread_slot *board_thread(const struct board *board, unsigned child, unsigned thread)
{
    size_t slot = (size_t)child * (board->entry.threads + 1) + thread;
    return (void *)(board->threads + slot * thread_size(board->entry.services));
}

/* Finding room.  What begins where something else ends wastes nothing: no other start is tried. */

static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
    return a < b + b_size && b < a + a_size;
}

static bool is_free(const struct scoreboard_head *head, uint64_t offset, uint64_t size)
{
    for (unsigned i = 0; i < SCOREBOARD_BOARDS; i++)
        if (head->boards[i].offset &&
            overlap(offset, size, head->boards[i].offset, head->boards[i].size))
            return false;
    return offset + size <= head->size;
}

static uint64_t find_memory(const struct scoreboard_head *head, uint64_t size)
{
    uint64_t first = head->boards_from;
    if (is_free(head, first, size))
        return first;
    for (unsigned i = 0; i < SCOREBOARD_BOARDS; i++) {
        const struct board_entry *other = &head->boards[i];
        if (other->offset && is_free(head, other->offset + other->size, size))
            return other->offset + other->size;
    }
    return 0;
}

static bool rows_are_free(const struct scoreboard_head *head, uint32_t first, uint32_t count)
{
    for (unsigned i = 0; i < SCOREBOARD_BOARDS; i++)
        if (head->boards[i].offset &&
            overlap(first, count, head->boards[i].first_row, head->boards[i].children))
            return false;
    return first + count <= head->row_limit;
}

static uint32_t find_rows(const struct scoreboard_head *head, uint32_t count)
{
    uint32_t first = 0;
    while (first < SCOREBOARD_ROWS && !rows_are_free(head, first, count))
        first++;
    return first;
}

/* Those in use are looked at for each connection: there should be few. */
static void count_rows(struct scoreboard_head *head)
{
    uint64_t rows = 0;
    for (unsigned i = 0; i < SCOREBOARD_BOARDS; i++) {
        const struct board_entry *entry = &head->boards[i];
        if (entry->offset && entry->first_row + entry->children > rows)
            rows = entry->first_row + entry->children;
    }
    __atomic_store_n(&head->rows, rows, __ATOMIC_SEQ_CST);
}

/* Services and their ids. */

static bool is_in_use(const struct scoreboard *scoreboard, unsigned id)
{
    const struct scoreboard_head *head = scoreboard->head;
    for (unsigned i = 0; i < SCOREBOARD_BOARDS; i++) {
        const struct board_entry *entry = &head->boards[i];
        const char *memory = (const char *)head + entry->offset;
        if (entry->offset &&
            ((const uint16_t *)(const void *)(memory + lay_out(entry).indices))[id])
            return true;
    }
    return false;
}

/* The id of that name, else one that never had a name, else one of a service that has gone. */
static int find_id(const struct scoreboard *scoreboard, const char *name)
{
    int free_one = -1;
    for (int id = 0; id < SCOREBOARD_SERVICES; id++) {
        const char *other = scoreboard->head->names[id];
        if (strcmp(other, name) == 0)
            return id;
        if (other[0] == '\0')
            return id;
    }
    for (int id = 0; id < SCOREBOARD_SERVICES && free_one < 0; id++)
        if (!is_in_use(scoreboard, (unsigned)id))
            free_one = id;
    return free_one;
}

static int name_services(struct board *board, const struct board_plan *plan)
{
    struct scoreboard_head *head = board->scoreboard->head;
    for (uint32_t i = 0; i < plan->services; i++) {
        int id = find_id(board->scoreboard, plan->names[i]);
        if (id < 0)
            return -1;
        if (strcmp(head->names[id], plan->names[i]) != 0) {
            memset(&head->totals[id], 0, sizeof head->totals[id]);
            strncpy(head->names[id], plan->names[i], SCOREBOARD_NAME - 1);
        }
        board->ids[i] = (uint32_t)id;
        board->indices[id] = (uint16_t)(i + 1);
    }
    return 0;
}

/* The life of a board. */

static void give_back(struct board *board, struct board_entry *entry)
{
    char *memory = (char *)board->scoreboard->head + entry->offset;
    uint64_t size = entry->size;
    *entry = (struct board_entry){0};
    count_rows(board->scoreboard->head);
    if (madvise(memory, size, MADV_REMOVE))
        memset(memory, 0, size);
}

static struct board_entry *entry_of(struct scoreboard_head *head, uint32_t generation)
{
    for (unsigned i = 0; i < SCOREBOARD_BOARDS; i++)
        if (head->boards[i].offset && head->boards[i].generation == generation)
            return &head->boards[i];
    return NULL;
}

static struct board_entry *empty_entry(struct scoreboard_head *head)
{
    for (unsigned i = 0; i < SCOREBOARD_BOARDS; i++)
        if (!head->boards[i].offset)
            return &head->boards[i];
    return NULL;
}

static struct board *put_board(const struct scoreboard *scoreboard, struct board_entry *entry,
                               const struct board_plan *plan)
{
    *entry = (struct board_entry){.generation = plan->generation,
                                  .children = plan->children,
                                  .threads = plan->threads,
                                  .services = plan->services,
                                  .listeners = plan->listeners};
    uint64_t size = round_up(lay_out(entry).size, 4096);
    uint64_t offset = find_memory(scoreboard->head, size);
    uint32_t row = find_rows(scoreboard->head, plan->children);
    if (!offset || row == SCOREBOARD_ROWS)
        return NULL;
    entry->size = size;
    entry->first_row = row;
    entry->offset = offset;
    struct board *board = new_view(scoreboard, entry);
    if (board && name_services(board, plan) == 0) {
        count_rows(scoreboard->head);
        return board;
    }
    if (board)
        give_back(board, entry);
    free(board);
    entry->offset = 0;
    return NULL;
}

struct board *board_new(const struct scoreboard *scoreboard, const struct board_plan *plan,
                        struct error *error)
{
    struct board_entry *entry = empty_entry(scoreboard->head);
    struct board *board = NULL;
    sequence_begin(scoreboard->head);
    if (entry)
        board = put_board(scoreboard, entry, plan);
    sequence_end(scoreboard->head);
    if (!board)
        error_set(error, 0, "the scoreboard has no room for generation %u: too many are alive",
                  plan->generation);
    return board;
}

struct board *board_find(const struct scoreboard *scoreboard, uint32_t generation)
{
    struct board_entry *entry = entry_of(scoreboard->head, generation);
    return entry ? new_view(scoreboard, entry) : NULL;
}

void board_clear_programs(const struct board *board, unsigned child)
{
    for (unsigned thread = 0; thread <= board->entry.threads; thread++)
        for (unsigned i = 0; i < board->entry.services; i++)
            counter_set(&board_thread(board, child, thread)->services[i].programs, 0);
}

static void add_counters(struct counters *sum, const struct counters *more)
{
    uint64_t *to = (uint64_t *)sum;
    const uint64_t *from = (const uint64_t *)more;
    for (size_t i = 0; i < sizeof *sum / sizeof *to; i++)
        counter_add(&to[i], counter_get(&from[i]));
}

static void fold_thread(struct board *board, const struct thread_slot *slot)
{
    struct scoreboard_head *head = board->scoreboard->head;
    for (unsigned i = 0; i < board->entry.services; i++)
        add_counters(&head->totals[board->ids[i]], &slot->services[i]);
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        counter_add(&head->daemon.wait.bucket[i], slot->wait.bucket[i]);
    counter_add(&head->daemon.wait.sum, slot->wait.sum);
}

void board_fold(struct board *board)
{
    struct scoreboard_head *head = board->scoreboard->head;
    sequence_begin(head);
    for (unsigned child = 0; child < board->entry.children; child++) {
        counter_add(&head->daemon.log_dropped, board->children[child].log_dropped);
        for (unsigned thread = 0; thread <= board->entry.threads; thread++)
            fold_thread(board, board_thread(board, child, thread));
    }
    give_back(board, entry_of(head, board->entry.generation));
    sequence_end(head);
    free(board);
}

void board_free(struct board *board)
{
    free(board);
}
