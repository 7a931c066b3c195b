/* SPDX-License-Identifier: MIT */
/*
 * The idle time-out of a program: its socket is looked at eight times in that time, so it comes at
 * most an eighth late.
 */
#include "base/clock.h"
#include "base/container.h"
#include "io/sock.h"
#include "spawner/diagnosis.h"
#include "spawner/state.h"

#define LOOKS 8
#define PAUSE (10 * CLOCK_MS) /* at least, between two looks */

static void look(struct timer *timer, uint64_t now);

static void look_again(struct running *program, uint64_t now)
{
    uint64_t limit = program->recipe->service->service.timeouts.idle;
    uint64_t pause = limit / LOOKS > PAUSE ? limit / LOOKS : PAUSE;
    timer_start(&program->idle, timers_fifo(&program->spawner->loop.timers, pause, look), now);
}

/* Of a socket that is not found, the program has closed its last descriptor, or it is unix. */
static void look(struct timer *timer, uint64_t now)
{
    struct running *program = container_of(timer, struct running, idle);
    uint64_t idle = 0, age = now - program->born;
    bool told = diagnosis_idle(program->spawner->diagnosis, &program->local, &program->peer, &idle);
    if (!told || (idle < age ? idle : age) < program->recipe->service->service.timeouts.idle) {
        look_again(program, now);
        return;
    }
    program->is_idle = !program->ending;
    program_end(program, false);
}

void program_watch(struct running *program)
{
    const struct spawner *spawner = program->spawner;
    bool is_tcp = program->peer.family == AF_INET || program->peer.family == AF_INET6;
    if (spawner->diagnosis >= 0 && is_tcp && program->recipe->service->service.timeouts.idle &&
        !program->recipe->program->wait)
        look_again(program, program->born);
}
