/* SPDX-License-Identifier: MIT */
/*
 * Takes CPU and does nothing else: a thread for each share, that runs for this part of the time.
 *
 *   burn SHARE...
 *
 * Says "ready" and goes on until its standard input ends.  Who has been kept waiting catches up, so
 * that each share is taken whole as long as it can be had.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SHARES_MAX 16
#define NAP_NS     500000

static double read_clock(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void *burn(void *argument)
{
    double share = *(double *)argument, begun = read_clock(CLOCK_MONOTONIC);
    const struct timespec nap = {.tv_nsec = NAP_NS};
    for (;;) {
        double due = share * (read_clock(CLOCK_MONOTONIC) - begun);
        if (read_clock(CLOCK_THREAD_CPUTIME_ID) > due)
            nanosleep(&nap, NULL);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    double shares[SHARES_MAX];
    pthread_t thread;
    if (argc < 2 || argc > SHARES_MAX) {
        fputs("Usage: burn SHARE...\n", stderr);
        return 64;
    }
    for (int i = 1; i < argc; i++) {
        shares[i] = atof(argv[i]);
        if (pthread_create(&thread, NULL, burn, &shares[i]))
            return 1;
    }
    puts("ready");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    return 0;
}
