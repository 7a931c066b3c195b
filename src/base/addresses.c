/* SPDX-License-Identifier: MIT */
#include "base/addresses.h"

#include "base/clock.h"
#include "base/places.h"

#include <string.h>
#include <sys/socket.h>
#include <xxhash.h>

_Static_assert(sizeof(struct address_key) <= sizeof((struct address_entry *)NULL)->key,
               "room for a key");

void address_key(struct address_key *key, uint16_t family, const uint8_t bytes[16], uint16_t prefix,
                 uint32_t scope)
{
    unsigned whole = prefix / 8, rest = prefix % 8;
    *key = (struct address_key){.family = family, .prefix = prefix, .scope = scope};
    memcpy(key->bytes, bytes, whole);
    if (rest)
        key->bytes[whole] = bytes[whole] & (uint8_t)(0xff00 >> rest);
}

/* The table: a key belongs to one set, and may stand in any of its ways. */

struct set {
    struct scoreboard_head *head;
    uint32_t *tags;
    uint32_t tag; /* of the key; never 0 */
    size_t first; /* number of the set's first entry */
};

static size_t entry_size(struct scoreboard_head *head)
{
    size_t size = sizeof(struct address_entry) + head->row_limit * sizeof(uint32_t);
    return (size + 7) / 8 * 8;
}

static struct address_entry *entry_at(struct scoreboard_head *head, size_t number)
{
    return (void *)((char *)head + head->addresses + number * entry_size(head));
}

static struct set find_set(struct scoreboard_head *head, const struct address_key *key)
{
    uint64_t hash = XXH3_64bits_withSeed(key, sizeof *key, head->seed);
    size_t set = hash % ADDRESS_SETS;
    return (struct set){head, head->tags[set], (uint32_t)(hash >> 32) | 1, set * ADDRESS_WAYS};
}

static uint32_t get(const uint32_t *number)
{
    return __atomic_load_n(number, __ATOMIC_ACQUIRE);
}

static struct address_entry *find(const struct set *set, const struct address_key *key)
{
    for (unsigned way = 0; way < ADDRESS_WAYS; way++) {
        struct address_entry *entry = entry_at(set->head, set->first + way);
        if (get(&set->tags[way]) == set->tag && memcmp(entry->key, key, sizeof *key) == 0)
            return entry;
    }
    return NULL;
}

static uint32_t held(struct scoreboard_head *head, const struct address_entry *entry)
{
    uint64_t rows = __atomic_load_n(&head->rows, __ATOMIC_SEQ_CST);
    uint32_t sum = 0;
    for (uint64_t row = 0; row < rows; row++)
        sum += __atomic_load_n(&entry->counts[row], __ATOMIC_SEQ_CST);
    return sum;
}

static bool is_idle(struct scoreboard_head *head, const struct address_entry *entry, uint64_t now)
{
    return counter_get(&entry->full) <= now && held(head, entry) == 0;
}

/* Where a new entry goes; `taken` is another demand's.  A free way, or that of the entry without a
 * connection whose last one is the longest ago; -1: all have connections. */
static int choose_way(const struct set *set, const struct address_entry *taken)
{
    int oldest = -1;
    uint64_t last = UINT64_MAX;
    for (int way = 0; way < ADDRESS_WAYS; way++) {
        const struct address_entry *entry = entry_at(set->head, set->first + (size_t)way);
        if (get(&set->tags[way]) == 0)
            return way;
        if (entry != taken && held(set->head, entry) == 0 && counter_get(&entry->last) < last) {
            oldest = way;
            last = counter_get(&entry->last);
        }
    }
    return oldest;
}

/* Its tag is written last: a child that is killed on the way leaves nothing behind. */
static void insert(const struct set *set, unsigned way, const struct address_key *key, uint64_t now)
{
    struct scoreboard_head *head = set->head;
    struct address_entry *entry = entry_at(head, set->first + way);
    if (get(&set->tags[way]) && !is_idle(head, entry, now))
        counter_add(&head->daemon.addresses_forgotten, 1);
    __atomic_store_n(&set->tags[way], 0, __ATOMIC_SEQ_CST);
    memset(entry, 0, entry_size(head));
    memcpy(entry->key, key, sizeof *key);
    __atomic_store_n(&set->tags[way], set->tag, __ATOMIC_SEQ_CST);
}

/* The verdict on one address; entry NULL: nothing is known of it. */

/* When the bucket will be full if one more token is taken from it now. */
static uint64_t full_after(const struct address_entry *entry, const struct address_limits *limits,
                           uint64_t now)
{
    uint64_t full = entry ? counter_get(&entry->full) : 0;
    return (full > now ? full : now) + limits->interval;
}

static enum address_verdict judge(struct scoreboard_head *head, const struct address_entry *entry,
                                  const struct address_limits *limits, uint64_t now)
{
    if (limits->connections && entry && held(head, entry) >= limits->connections)
        return ADDRESS_CONNECTIONS;
    if (limits->interval && full_after(entry, limits, now) - now > limits->interval * limits->burst)
        return ADDRESS_RATE;
    return ADDRESS_ADMITTED;
}

static void take(struct address_entry *entry, unsigned row, const struct address_limits *limits,
                 uint64_t now)
{
    if (limits->interval)
        counter_set(&entry->full, full_after(entry, limits, now));
    counter_set(&entry->last, now);
    if (limits->connections)
        __atomic_add_fetch(&entry->counts[row], 1, __ATOMIC_SEQ_CST);
}

/* Looks at a demand, and at where its entry stands or would go: *taken goes from one to the next.
 */
static enum address_verdict look(struct scoreboard_head *head, const struct address_demand *demand,
                                 const struct address_entry **taken, uint64_t now)
{
    struct set set = find_set(head, &demand->key);
    const struct address_entry *entry = find(&set, &demand->key);
    enum address_verdict verdict = judge(head, entry, &demand->limits, now);
    int way = entry ? 0 : choose_way(&set, *taken);
    if (way < 0 && verdict == ADDRESS_ADMITTED)
        return ADDRESS_TABLE_FULL;
    *taken = entry || way < 0 ? entry : entry_at(head, set.first + (size_t)way);
    return verdict;
}

bool addresses_judge(const struct scoreboard *scoreboard, struct address_demand *demands,
                     unsigned count, uint64_t now)
{
    const struct address_entry *taken = NULL;
    for (unsigned i = 0; i < count; i++) {
        demands[i].verdict = look(scoreboard->head, &demands[i], &taken, now);
        if (demands[i].verdict != ADDRESS_ADMITTED)
            return false;
    }
    return true;
}

void addresses_add(const struct board *board, unsigned child, const struct address_demand *demands,
                   unsigned count, uint64_t now)
{
    struct scoreboard_head *head = board->scoreboard->head;
    const struct address_entry *taken = NULL;
    for (unsigned i = 0; i < count; i++) {
        struct set set = find_set(head, &demands[i].key);
        struct address_entry *entry = find(&set, &demands[i].key);
        if (!entry) {
            unsigned way = (unsigned)choose_way(&set, taken);
            insert(&set, way, &demands[i].key, now);
            entry = entry_at(head, set.first + way);
        }
        take(entry, board_row(board, child), &demands[i].limits, now);
        taken = entry;
    }
}

/* An entry that holds a connection stays where it is, so it is found without the lock. */
void addresses_give(const struct board *board, unsigned child, const struct address_key *key)
{
    struct set set = find_set(board->scoreboard->head, key);
    struct address_entry *entry = find(&set, key);
    if (entry)
        __atomic_sub_fetch(&entry->counts[board_row(board, child)], 1, __ATOMIC_SEQ_CST);
}

uint32_t addresses_held(const struct scoreboard *scoreboard, const struct address_key *key)
{
    struct set set = find_set(scoreboard->head, key);
    const struct address_entry *entry = find(&set, key);
    return entry ? held(scoreboard->head, entry) : 0;
}

uint32_t addresses_tokens(const struct scoreboard *scoreboard, const struct address_key *key,
                          const struct address_limits *limits, uint64_t now)
{
    struct set set = find_set(scoreboard->head, key);
    const struct address_entry *entry = find(&set, key);
    uint64_t full = entry ? counter_get(&entry->full) : 0;
    uint64_t missing = full > now ? (full - now + limits->interval - 1) / limits->interval : 0;
    return missing < limits->burst ? limits->burst - (uint32_t)missing : 0;
}

/*
 * All entries that are there; memory that was never written to is not touched.  Without the lock,
 * which a child may hold that was stopped: a column that nobody writes is 0 in a new entry as well.
 */

void addresses_clear_child(const struct board *board, unsigned child)
{
    struct scoreboard_head *head = board->scoreboard->head;
    const uint32_t *tags = &head->tags[0][0];
    unsigned row = board_row(board, child);
    for (size_t i = 0; i < (size_t)ADDRESS_SETS * ADDRESS_WAYS; i++)
        if (get(&tags[i]))
            __atomic_store_n(&entry_at(head, i)->counts[row], 0, __ATOMIC_SEQ_CST);
}

uint32_t addresses_count(const struct scoreboard *scoreboard, uint64_t now)
{
    struct scoreboard_head *head = scoreboard->head;
    const uint32_t *tags = &head->tags[0][0];
    uint32_t count = 0;
    for (size_t i = 0; i < (size_t)ADDRESS_SETS * ADDRESS_WAYS; i++)
        if (get(&tags[i]) && !is_idle(head, entry_at(head, i), now))
            count++;
    return count;
}
