/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include "base/clock.h"
#include "base/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define RECONNECT_AFTER (1 * CLOCK_S)
#define KEEP_FOR        (5 * CLOCK_S) /* lines wait this long for a log that has gone away */
/* A line with what stands around it. */
#define LINE_SIZE  (sizeof((struct log_line *)NULL)->text + 128)
#define GATHER_FOR (2 * CLOCK_MS) /* a busy process wakes its logger this seldom */

/* What stands before the text is the same for all lines of a level in a second: it is kept. */
struct prefix {
    uint32_t time;
    int level;
    pid_t pid;
    size_t length;
    char text[96];
};

/* The process's log.  What is not atomic belongs to whoever sends. */
static struct {
    bool open;
    pid_t pid;
    struct log_settings settings;
    struct ring ring;
    bool threaded;
    pthread_t thread;

    int fd;            /* the socket to the system's log; -1 while there is none */
    uint64_t retry_at; /* not before then another try to connect */
    uint64_t lost_at;  /* since when there is none; 0 while there is one */
    const char *batch; /* what is being sent: entries from sent to size */
    size_t sent, size;
    bool syslog_sent; /* of the entry at `sent`, with tee: only stderr is left */
    struct prefix stderr_prefix, syslog_prefix;
    uint64_t give_up_at; /* in log_close: 0 before */
} log_ = {.fd = -1,
          .settings = {.target = LOG_TARGET_STDERR, .level = LOG_NOTICE, .ident = "tcpd"}};

static const char *const level_names[] = {
    [LOG_ERR] = "error", [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice",
    [LOG_INFO] = "info", [LOG_DEBUG] = "debug",
};

/* Writing. */

bool log_wants(int level)
{
    return level <= log_level() && log_.settings.target != LOG_TARGET_NONE;
}

void log_set_level(int level)
{
    __atomic_store_n(&log_.settings.level, level, __ATOMIC_RELAXED);
}

int log_level(void)
{
    return __atomic_load_n(&log_.settings.level, __ATOMIC_RELAXED);
}

void log_show_dropped(uint64_t *shown)
{
    ring_show_dropped(&log_.ring, shown);
}

uint64_t log_dropped(void)
{
    return __atomic_load_n(&log_.ring.dropped, __ATOMIC_RELAXED);
}

static void submit(int level, const char *text, size_t length)
{
    if (log_.open)
        ring_put(&log_.ring, level, text, length);
    else
        dprintf(STDERR_FILENO, "%s: %s: %.*s\n", log_.settings.ident, level_names[level],
                (int)length, text);
}

void log_say(int level, const char *format, ...)
{
    struct log_line line;
    if (!log_wants(level))
        return;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(line.text, sizeof line.text, format, args);
    va_end(args);
    if (length < 0)
        return;
    submit(level, line.text,
           (size_t)length < sizeof line.text ? (size_t)length : sizeof line.text - 1);
}

void log_end(struct log_line *line, int level)
{
    if (log_wants(level))
        submit(level, line->text, line->length);
}

/* Sending: each function returns whether the entry is done with. */

/* Whether a write of a line would not block now. */
static bool writable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    return poll(&poll_fd, 1, 0) == 1;
}

/* Formatting. */

static bool fits(const struct prefix *prefix, const struct ring_entry *entry)
{
    return prefix->length && prefix->time == entry->time && prefix->level == entry->level &&
           prefix->pid == log_.pid;
}

static size_t join(char *line, const struct prefix *prefix, const struct ring_entry *entry)
{
    memcpy(line, prefix->text, prefix->length);
    memcpy(line + prefix->length, entry->text, entry->length);
    return prefix->length + entry->length;
}

/* For people: "tcpd[7] notice: text". */
static size_t format_stderr(const struct ring_entry *entry, char line[static LINE_SIZE])
{
    struct prefix *prefix = &log_.stderr_prefix;
    if (!fits(prefix, entry)) {
        *prefix = (struct prefix){.time = entry->time, .level = entry->level, .pid = log_.pid};
        prefix->length =
            (size_t)snprintf(prefix->text, sizeof prefix->text, "%s[%d] %s: ", log_.settings.ident,
                             log_.pid, level_names[entry->level]);
    }
    size_t length = join(line, prefix, entry);
    line[length] = '\n';
    return length + 1;
}

/* The datagram that syslog(3) writes: "<27>Nov 22 07:00:00 tcpd[7]: text". */
static size_t format_syslog(const struct ring_entry *entry, char line[static LINE_SIZE])
{
    struct prefix *prefix = &log_.syslog_prefix;
    if (!fits(prefix, entry)) {
        char stamp[32];
        struct tm tm;
        time_t at = entry->time;
        strftime(stamp, sizeof stamp, "%b %e %T", localtime_r(&at, &tm));
        *prefix = (struct prefix){.time = entry->time, .level = entry->level, .pid = log_.pid};
        prefix->length = (size_t)snprintf(prefix->text, sizeof prefix->text,
                                          "<%d>%s %s[%d]: ", log_.settings.facility | entry->level,
                                          stamp, log_.settings.ident, log_.pid);
    }
    return join(line, prefix, entry);
}

/* A line that stderr does not take at once stays; one that it can never take is let go. */
static bool send_stderr(const struct ring_entry *entry)
{
    char line[LINE_SIZE];
    if (!writable(STDERR_FILENO))
        return false;
    return write(STDERR_FILENO, line, format_stderr(entry, line)) >= 0 || errno != EAGAIN;
}

static void connect_syslog(uint64_t now)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (now < log_.retry_at)
        return;
    log_.retry_at = now + RECONNECT_AFTER;
    memcpy(to.sun_path, log_.settings.socket,
           strnlen(log_.settings.socket, sizeof to.sun_path - 1));
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0) {
        log_.fd = fd;
        return;
    }
    if (fd >= 0)
        close(fd);
}

static void disconnect_syslog(void)
{
    if (log_.fd >= 0)
        close(log_.fd);
    log_.fd = -1;
}

static bool is_lost(void)
{
    return log_.lost_at > 0;
}

/* Without a log to send to: after a while lines are dropped, so that nobody waits for it in vain.
 */
static bool drop_if_lost(uint64_t now)
{
    if (!is_lost())
        log_.lost_at = now;
    if (now - log_.lost_at < KEEP_FOR)
        return false;
    ring_drop(&log_.ring);
    return true;
}

static bool send_syslog(const struct ring_entry *entry)
{
    char line[LINE_SIZE];
    uint64_t now = log_.fd < 0 ? clock_now() : 0;
    if (log_.fd < 0)
        connect_syslog(now);
    if (log_.fd < 0)
        return drop_if_lost(now);
    log_.lost_at = 0;
    if (send(log_.fd, line, format_syslog(entry, line), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        return true;
    if (errno == EAGAIN || errno == ENOBUFS || errno == EINTR)
        return false;
    if (errno == EMSGSIZE)
        return true;
    disconnect_syslog();
    return false;
}

static bool send_entry(const struct ring_entry *entry)
{
    if (log_.settings.target == LOG_TARGET_SYSLOG && !log_.syslog_sent && !send_syslog(entry))
        return false;
    log_.syslog_sent = true;
    bool to_stderr = log_.settings.target == LOG_TARGET_STDERR || log_.settings.tee;
    if (to_stderr && !send_stderr(entry))
        return false;
    log_.syslog_sent = false;
    return true;
}

bool log_flush(void)
{
    if (!log_.open)
        return true;
    for (;;) {
        if (log_.sent == log_.size) {
            log_.batch = ring_take(&log_.ring, &log_.size);
            log_.sent = 0;
        }
        if (log_.size == 0) {
            if (is_lost() || !ring_tell_gap(&log_.ring))
                return true;
            continue;
        }
        size_t at = log_.sent;
        if (!send_entry(ring_next(log_.batch, &at)))
            return false;
        log_.sent = at;
    }
}

/* The thread: nothing to send, nothing done; a target that blocks is waited for here and nowhere
 * else. */

static void wait_for_target(void)
{
    bool wants_syslog = log_.settings.target == LOG_TARGET_SYSLOG && !log_.syslog_sent;
    struct pollfd target = {.fd = wants_syslog ? log_.fd : STDERR_FILENO, .events = POLLOUT};
    poll(&target, 1, 100); /* and no longer: log_close may be waiting; fd -1 only sleeps */
}

static void gather(void)
{
    nanosleep(&(struct timespec){.tv_nsec = (long)GATHER_FOR}, NULL);
}

static bool out_of_time(void)
{
    uint64_t until = __atomic_load_n(&log_.give_up_at, __ATOMIC_RELAXED);
    return until && clock_now() > until;
}

static void *logger_main(void *unused)
{
    (void)unused;
    while (ring_wait(&log_.ring)) {
        gather();
        while (!log_flush() && !out_of_time())
            wait_for_target();
        if (out_of_time())
            break;
    }
    return NULL;
}

int log_start(struct error *error)
{
    sigset_t all, before;
    sigfillset(&all);
    sigdelset(&all, SIGSYS); /* the sandbox notes what it refuses */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&log_.thread, NULL, logger_main, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return error_set(error, failed, "cannot start the logger thread");
    pthread_setname_np(log_.thread, "logger");
    log_.threaded = true;
    return 0;
}

/* Opening and closing. */

int log_open(const struct log_settings *settings, struct error *error)
{
    if (!log_.open) {
        int failed = ring_init(&log_.ring);
        if (failed)
            return error_set(error, failed, "cannot make room for the log");
    }
    log_.open = true;
    log_.pid = getpid();
    log_.settings = *settings;
    log_.stderr_prefix = log_.syslog_prefix = (struct prefix){0};
    disconnect_syslog();
    log_.retry_at = 0;
    return 0;
}

void log_forked(void)
{
    if (!log_.open)
        return;
    log_.pid = getpid();
    disconnect_syslog();
    ring_fini(&log_.ring);
    log_.open = ring_init(&log_.ring) == 0;
    log_.sent = log_.size = 0;
    log_.syslog_sent = false;
    log_.retry_at = 0;
}

void log_close(void)
{
    if (!log_.open)
        return;
    __atomic_store_n(&log_.give_up_at, clock_now() + CLOCK_S, __ATOMIC_RELAXED);
    if (log_.threaded) {
        ring_close(&log_.ring);
        pthread_join(log_.thread, NULL);
        log_.threaded = false;
    } else {
        while (!log_flush() && !out_of_time())
            wait_for_target();
    }
    disconnect_syslog();
    ring_fini(&log_.ring);
    log_.open = false;
    log_.give_up_at = 0;
}
