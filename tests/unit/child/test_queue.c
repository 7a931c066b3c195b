/* SPDX-License-Identifier: MIT */
/* The locked queue: order, and that nobody takes a socket that is not offered yet. */
#include "child/queue.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

enum { SIZE = 8, MANY = 300000 };

static struct queue queue;
static struct thread_slot slot;

static void set_up(void)
{
    cr_assert_eq(queue_init(&queue, SIZE, &slot, NULL), 0);
}

static void tear_down(void)
{
    queue_fini(&queue);
}

TestSuite(queue, .init = set_up, .fini = tear_down, .timeout = 120);

static void put(int fd)
{
    queue_put(&queue, &(struct handover){.fd = fd, .listener = (unsigned)fd * 2});
}

static void put_settled(int fd)
{
    put(fd);
    queue_settle(&queue);
}

/* Takes, and expects the descriptors from first to last. */
static void expect(int seen, int first, int last)
{
    const struct handover *batch;
    unsigned count = queue_take(&queue, seen, &batch);
    cr_assert_eq(count, (unsigned)(last - first + 1));
    for (unsigned i = 0; i < count; i++) {
        cr_assert_eq(batch[i].fd, first + (int)i);
        cr_assert_eq(batch[i].listener, (unsigned)batch[i].fd * 2);
    }
}

Test(queue, first_in_first_out)
{
    expect(-1, 1, 0);
    for (int fd = 10; fd < 10 + SIZE; fd++) {
        put_settled(fd);
        cr_assert_eq(queue_length(&queue), (unsigned)(fd - 9));
    }
    expect(-1, 10, 10 + SIZE - 1);
    cr_assert_eq(queue_length(&queue), 0);
    expect(-1, 1, 0);
}

Test(queue, a_batch_stays_while_the_queue_fills)
{
    const struct handover *batch;
    put_settled(10);
    cr_assert_eq(queue_take(&queue, -1, &batch), 1);
    for (int fd = 20; fd < 20 + SIZE; fd++)
        put_settled(fd);
    cr_assert_eq(batch[0].fd, 10);
    expect(-1, 20, 20 + SIZE - 1);
}

Test(queue, the_unsettled_one_stays_behind)
{
    put_settled(10);
    put_settled(11);
    put(12);
    expect(-1, 10, 11);
    cr_assert_eq(queue_length(&queue), 1);
    expect(-1, 1, 0);
    expect(11, 1, 0);
    queue_settle(&queue);
    expect(-1, 12, 12);
}

Test(queue, its_own_event_proves_that_it_was_offered)
{
    put_settled(10);
    put(11);
    expect(11, 10, 11);
    queue_settle(&queue);
    put_settled(12);
    expect(-1, 12, 12);
}

Test(queue, a_taken_back_one_is_gone)
{
    put_settled(10);
    put(11);
    queue_cancel(&queue);
    cr_assert_eq(queue_length(&queue), 1);
    put_settled(12);
    const struct handover *batch;
    cr_assert_eq(queue_take(&queue, -1, &batch), 2);
    cr_assert(batch[0].fd == 10 && batch[1].fd == 12);
}

/* The number of a descriptor comes back when the worker has closed it, and means another socket. */
Test(queue, a_number_that_comes_again)
{
    put(10);
    expect(10, 10, 10);
    queue_settle(&queue);
    put(10);
    expect(-1, 1, 0);
    queue_settle(&queue);
    expect(-1, 10, 10);
}

static unsigned char offered[MANY];
static int last_offered = -1;

/* As the acceptor does: append, offer, settle; now and then with a pause in between. */
static void *acceptor_main(void *unused)
{
    (void)unused;
    for (int fd = 0; fd < MANY; fd++) {
        while (queue_length(&queue) == SIZE)
            sched_yield();
        put(fd);
        if (fd % 7 == 0)
            sched_yield();
        __atomic_store_n(&offered[fd], 1, __ATOMIC_RELEASE);
        __atomic_store_n(&last_offered, fd, __ATOMIC_RELEASE);
        if (fd % 5 == 0)
            sched_yield();
        queue_settle(&queue);
    }
    return NULL;
}

Test(queue, an_acceptor_and_a_worker_at_full_speed)
{
    pthread_t acceptor;
    const struct handover *batch;
    unsigned short_of_it = 0;
    pthread_create(&acceptor, NULL, acceptor_main, NULL);
    for (int next = 0, turn = 0; next < MANY; turn++) {
        int seen = turn % 3 ? __atomic_load_n(&last_offered, __ATOMIC_ACQUIRE) : -1;
        unsigned count = queue_take(&queue, seen, &batch);
        for (unsigned i = 0; i < count; i++) {
            cr_assert_eq(batch[i].fd, next, "out of order");
            short_of_it += !__atomic_load_n(&offered[next], __ATOMIC_ACQUIRE);
            next++;
        }
        if (count == 0)
            sched_yield();
    }
    pthread_join(acceptor, NULL);
    cr_assert_eq(short_of_it, 0, "taken before it was offered");
    cr_assert_eq(queue_length(&queue), 0);
}
