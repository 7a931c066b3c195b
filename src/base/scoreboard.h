/* SPDX-License-Identifier: MIT */
/*
 * The scoreboard: memory that the master makes once and shares with all
 * children of all generations, and that outlives an upgrade.
 *
 *   head       what the daemon as a whole has counted; the names of services; the directory
 *   places     who holds how many of the places that limits.connections gives (places.h)
 *   totals     counters of generations that have ended, by service
 *   addresses  connections and rate of each client address (addresses.h)
 *   boards     one for each living generation: the slots of its threads
 *
 * Counters have one writer each: the thread whose slot they stand in.  Readers add the slots up
 * (tally.h).  A child that replaces a dead one goes on with its slots, and a board is
 * folded into the totals before it goes, so counters never go back.
 *
 * Its layout is shared with children of older binaries: what is here is only
 * ever appended to, into the room that is left for it; else SCOREBOARD_LAYOUT changes, and an
 * upgrade between the two is refused.
 */
#ifndef TCPD_BASE_SCOREBOARD_H
#define TCPD_BASE_SCOREBOARD_H

#include "base/error.h"
#include "base/reason.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCOREBOARD_LAYOUT   2
#define SCOREBOARD_SERVICES 2048 /* names that are known at once, those of old generations too */
#define SCOREBOARD_ROWS     4096 /* children that are alive at once, at the very most */
#define SCOREBOARD_BOARDS   96   /* generations that are alive at once */
#define SCOREBOARD_NAME     33   /* of a service, with its NUL */

/* The columns of places: one for each id, and these. */
enum {
    SCOREBOARD_ALL = SCOREBOARD_SERVICES, /* of all services */
    SCOREBOARD_BEFORE_SERVICE,            /* whose connections have not come to a service yet */
    SCOREBOARD_UNSETTLED,                 /* which one is: see places.c */
    SCOREBOARD_COLUMNS
};

#define HISTOGRAM_BUCKETS 12

/* Each bucket counts what is not above its bound and above the one before; the last used has none.
 */
struct histogram {
    uint64_t bucket[HISTOGRAM_BUCKETS];
    uint64_t sum; /* ns */
};

/* What one thread has counted for one service. */
struct counters {
    uint64_t accepted;
    uint64_t received, sent; /* bytes */
    uint64_t lost;           /* connections that a child held when it died; the master's */
    uint64_t programs;       /* that run now: goes up and down, and is 0 when the thread ends */
    uint64_t runs_programs;  /* not 0: it is a service that does */
    uint64_t spare[2];
    uint64_t closed[24];      /* by enum close_reason */
    uint64_t rejected[8];     /* by enum reject_reason */
    uint64_t would_reject[8]; /* likewise: served, because the rule is only on trial */
    struct histogram duration;
};

/* One thread of a child: its writer. */
struct thread_slot {
    uint64_t beat;          /* clock_now() of its last sign of life; 0: it gives none */
    uint64_t queue_length;  /* sockets that wait for it; written under the queue's lock */
    struct histogram wait;  /* in that queue */
    uint64_t waiting_since; /* accept of the first of them; 0: none waits; under the lock, too */
    uint64_t spare[4];
    struct counters services[]; /* by the service's index in its generation */
};

/* One child, whatever process is in it. */
struct child_score {
    uint64_t log_dropped; /* lines; atomic, any thread of the child */
    uint64_t accepted;    /* numbers its connections; the acceptor's */
    uint64_t refused; /* atomic: the system call that its sandbox ended it for, and one; 0: none */
    uint64_t spawner_beat; /* of the first child: as `beat`, of the generation's spawner */
    uint64_t spare[4];
};

enum daemon_state { DAEMON_STARTING, DAEMON_SERVING, DAEMON_DRAINING, DAEMON_STOPPING };

enum change_kind { CHANGE_RELOAD, CHANGE_UPGRADE, CHANGE_KINDS };

/* The daemon as a whole: the master writes, anyone reads. */
struct daemon_score {
    uint64_t state;      /* enum daemon_state */
    uint64_t generation; /* that serves now */
    uint64_t started;    /* clock_now() */
    uint64_t limit;      /* on connections, of the generation that serves */
    uint64_t changes_done[CHANGE_KINDS], changes_failed[CHANGE_KINDS];
    uint64_t child_restarts; /* a child that died or hung, replaced */
    uint64_t children_hung;
    uint64_t generations_cut; /* to make room for newer ones */
    uint64_t log_dropped;     /* lines, of the master and of children that have ended */
    struct histogram wait;    /* of threads that have ended */
    char version[32];
    uint64_t addresses_forgotten; /* entries of the address table that had to go; acceptors' */
    uint64_t spare[15];
};

/* A board in the directory: where it is, and its size in each direction. */
struct board_entry {
    uint64_t offset; /* in the memory; 0: there is none here */
    uint64_t size;
    uint32_t generation;
    uint32_t children, threads, services, listeners;
    uint32_t first_row; /* its children's rows of places follow one another */
};

/* The address table: sets of entries.  An entry has a count for each row of places. */

#define ADDRESS_SETS 8192
#define ADDRESS_WAYS 16

struct address_entry {
    uint8_t key[28]; /* struct address_key */
    uint8_t spare[4];
    uint64_t full;     /* clock_now() at which its bucket of tokens is full again */
    uint64_t last;     /* clock_now() of its last connection */
    uint32_t counts[]; /* by row; atomic */
};

struct scoreboard_head {
    uint64_t layout;      /* SCOREBOARD_LAYOUT */
    uint64_t size;        /* of the whole memory */
    uint64_t row_limit;   /* children that this memory was made for */
    uint64_t addresses;   /* offset of the address table's entries */
    uint64_t boards_from; /* offset of the memory for boards */
    uint64_t seed;        /* of hashes: nobody outside can make addresses collide */
    uint64_t sequence;    /* odd while the master changes directory, names or totals */
    struct daemon_score daemon;
    pthread_mutex_t lock; /* robust: of all acceptors, see places.h */
    uint64_t waiting;     /* atomic: somebody waits for a place */
    uint64_t rows;        /* those in use are below this */
    struct board_entry boards[SCOREBOARD_BOARDS];
    char names[SCOREBOARD_SERVICES][SCOREBOARD_NAME];
    _Alignas(64) uint32_t places[SCOREBOARD_ROWS][SCOREBOARD_COLUMNS];
    _Alignas(64) struct counters totals[SCOREBOARD_SERVICES];
    _Alignas(64) uint32_t tags[ADDRESS_SETS][ADDRESS_WAYS]; /* of entries; 0: none is there */
};

/* A process's view of it. */
struct scoreboard {
    struct scoreboard_head *head;
    int memory; /* a memfd: inherited, handed over at an upgrade */
    int room;   /* an eventfd that all acceptors watch: a place was given back */
};

/*
 * Of the master, before the first fork, for as many children alive at once over all generations.
 * NULL on error.
 */
struct scoreboard *scoreboard_new(unsigned children, struct error *error);

/* Of the master after an upgrade: the same memory and eventfd, now owned by what is returned. */
struct scoreboard *scoreboard_adopt(int memory, int room, struct error *error);

/* Unmaps it in this process and closes its descriptors; NULL is fine. */
void scoreboard_free(struct scoreboard *scoreboard);

/* What is to become of a listener at a drain, when no other child goes on with it. */
enum last_call {
    LAST_CALL_NONE,   /* another does: it is closed at once */
    LAST_CALL_QUEUED, /* who is in the kernel's queue comes in before */
    LAST_CALL_BEGUN,  /* and so does who has begun to connect: no others can begin any more */
};

/* The memory of one generation, as seen by a process of it, or by the master. */
struct board {
    const struct scoreboard *scoreboard;
    struct board_entry entry;
    uint32_t *ids;       /* of its services in the scoreboard, by index */
    uint16_t *indices;   /* the way back: index + 1, by id; 0: not of this generation */
    uint8_t *last_calls; /* by listener, an enum last_call; the master's */
    struct child_score *children;
    char *threads; /* [child][thread]: see board_thread */
};

struct board_plan {
    uint32_t generation;
    uint32_t children, threads, services, listeners; /* threads: the acceptor not counted */
    const char *const *names;                        /* of the services, by index */
};

/* Makes a board, zeroed, and finds or makes an id for each name.  NULL on error.  The master. */
struct board *board_new(const struct scoreboard *scoreboard, const struct board_plan *plan,
                        struct error *error);

/* The board of a living generation, after an upgrade; NULL: there is none, or no memory. */
struct board *board_find(const struct scoreboard *scoreboard, uint32_t generation);

/*
 * The same in place, from an entry that may be torn because the master is changing it: false when
 * it cannot be true.  What is read by way of it must be thrown away unless the sequence has stayed.
 */
bool board_view(struct board *board, const struct scoreboard *scoreboard,
                const struct board_entry *entry);

/* A child has died: what its threads had running is not theirs any more.  The master. */
void board_clear_programs(const struct board *board, unsigned child);

/* All its children have ended: its counters go to the totals, its memory back.  The master. */
void board_fold(struct board *board);

/* Frees the view alone; NULL is fine. */
void board_free(struct board *board);

/* The slot of a thread; thread == entry.threads is the acceptor. */
struct thread_slot *board_thread(const struct board *board, unsigned child, unsigned thread);

/* The row of places of a child. */
static inline unsigned board_row(const struct board *board, unsigned child)
{
    return board->entry.first_row + child;
}

/* Adds to a counter of which the caller is the only writer. */
static inline void counter_add(uint64_t *counter, uint64_t by)
{
    __atomic_store_n(counter, *counter + by, __ATOMIC_RELAXED);
}

static inline void counter_set(uint64_t *counter, uint64_t value)
{
    __atomic_store_n(counter, value, __ATOMIC_RELAXED);
}

static inline uint64_t counter_get(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* The upper bounds of the buckets in ns, ascending; UINT64_MAX is the last. */
extern const uint64_t histogram_durations[HISTOGRAM_BUCKETS];
extern const uint64_t histogram_waits[HISTOGRAM_BUCKETS];

/* Counts one value, in ns.  The histogram's only writer. */
static inline void histogram_add(struct histogram *histogram, const uint64_t *bounds,
                                 uint64_t value)
{
    unsigned bucket = 0;
    while (value > bounds[bucket])
        bucket++;
    counter_add(&histogram->bucket[bucket], 1);
    counter_add(&histogram->sum, value);
}

#endif
