/* SPDX-License-Identifier: MIT */
/*
 * An allow-list.  Its handler of SIGSYS notes the call and is then ended by the kernel, since
 * it makes a call that is refused while the signal is blocked; the master says what it was.
 */
#include "child/sandbox.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include <linux/sockios.h>

/* A call that may be made, of some only with an argument that is right. */
struct rule {
    const char *call;
    unsigned conditions; /* 0 or 1 */
    struct scmp_arg_cmp condition;
};

#define IF_EQUAL(n, value)                                                                         \
    .conditions = 1, .condition.arg = (n), .condition.op = SCMP_CMP_EQ, .condition.datum_a = (value)
#define IF_WITHOUT(n, bit)                                                                         \
    .conditions = 1, .condition.arg = (n), .condition.op = SCMP_CMP_MASKED_EQ,                     \
    .condition.datum_a = (bit)

static const struct rule rules[] = {
    /* Connections. */
    {.call = "accept4"},
    {.call = "read"},
    {.call = "readv"},
    {.call = "recvfrom"},
    {.call = "recvmsg"},
    {.call = "write"},
    {.call = "writev"},
    {.call = "sendto"},
    {.call = "sendmsg"},
    {.call = "shutdown"},
    {.call = "close"},
    {.call = "getsockname"},
    {.call = "getpeername"},
    {.call = "getsockopt"},
    {.call = "setsockopt"},
    {.call = "ioctl", IF_EQUAL(1, SIOCOUTQ)},
    {.call = "ioctl", IF_EQUAL(1, FIONREAD)},
    {.call = "fcntl", IF_EQUAL(1, F_DUPFD_CLOEXEC)}, /* of a listener that a program takes */
    /* The loop, time, and other threads. */
    {.call = "epoll_wait"},
    {.call = "epoll_pwait"},
    {.call = "epoll_ctl"},
    {.call = "poll"},
    {.call = "ppoll"},
    {.call = "futex"},
    {.call = "sched_yield"},
    {.call = "nanosleep"},
    {.call = "clock_nanosleep"},
    {.call = "clock_gettime"},
    {.call = "gettimeofday"},
    {.call = "time"},
    {.call = "restart_syscall"},
    /* The log, which may have to be found again. */
    {.call = "socket", IF_EQUAL(0, AF_UNIX)},
    {.call = "connect"},
    /* Memory, none of which can be executed. */
    {.call = "brk"},
    {.call = "mmap", IF_WITHOUT(2, PROT_EXEC)},
    {.call = "mprotect", IF_WITHOUT(2, PROT_EXEC)},
    {.call = "mremap"},
    {.call = "munmap"},
    {.call = "madvise"},
    {.call = "getrandom"},
    /* A thread that has just begun, and the end. */
    {.call = "set_robust_list"},
    {.call = "rseq"},
    {.call = "rt_sigprocmask"},
    {.call = "rt_sigreturn"},
    {.call = "getpid"},
    {.call = "gettid"},
    {.call = "exit"},
    {.call = "exit_group"},
};

/* What libc looks at by itself, and does without when it may not. */
static const char *const denied[] = {
    "open",   "openat",    "stat",     "lstat",      "newfstatat",        "statx",
    "access", "faccessat", "readlink", "readlinkat", "sched_getaffinity",
};

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* The process's; written before the handler is installed. */
static uint64_t *refused_call;

static void note_refused(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    __atomic_store_n(refused_call, (uint64_t)(unsigned)info->si_syscall + 1, __ATOMIC_RELEASE);
    syscall(SYS_ptrace, 0, 0, 0, 0); /* refused, and this signal is blocked: the end */
    _exit(EX_SOFTWARE);
}

static int add(scmp_filter_ctx filter, uint32_t action, const struct rule *rule)
{
    int call = seccomp_syscall_resolve_name(rule->call);
    if (call == __NR_SCMP_ERROR)
        return 0; /* an older libseccomp, or a kernel, that does not know it */
    return seccomp_rule_add_array(filter, action, call, rule->conditions, &rule->condition);
}

static int fill(scmp_filter_ctx filter)
{
    /* abort(3), and nobody else's end. */
    struct rule own_end = {.call = "tgkill", IF_EQUAL(0, (scmp_datum_t)getpid())};
    int failed = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (!failed)
        failed = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (!failed)
        failed = add(filter, SCMP_ACT_ALLOW, &own_end);
    for (size_t i = 0; !failed && i < COUNT(rules); i++)
        failed = add(filter, SCMP_ACT_ALLOW, &rules[i]);
    for (size_t i = 0; !failed && i < COUNT(denied); i++)
        failed = add(filter, SCMP_ACT_ERRNO(EACCES), &(struct rule){.call = denied[i]});
    return failed;
}

/* What libc would open files for later: it is told now. */
static void prepare_libc(unsigned threads)
{
    setenv("TZ", ":/etc/localtime", 0); /* else strftime(3) looks at the file each time */
    tzset();
    mallopt(M_ARENA_MAX, (int)threads + 1); /* else malloc(3) counts the CPUs */
}

static int handle_refusal(uint64_t *where, struct error *error)
{
    struct sigaction action = {.sa_sigaction = note_refused, .sa_flags = SA_SIGINFO};
    refused_call = where;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGSYS, &action, NULL))
        return error_set(error, errno, "cannot handle SIGSYS");
    return 0;
}

/* It makes system calls of its own.  Who sets this variable has the process in his hands anyway. */
static bool runs_under_valgrind(void)
{
    const char *preloaded = getenv("LD_PRELOAD");
    return preloaded && strstr(preloaded, "/vgpreload_");
}

int sandbox_enter(uint64_t *where, unsigned threads, struct error *error)
{
    if (runs_under_valgrind()) {
        log_say(LOG_NOTICE, "no filter of system calls under valgrind");
        return 0;
    }
    prepare_libc(threads);
    if (handle_refusal(where, error))
        return -1;
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
    if (!filter)
        return error_set(error, 0, "cannot make a filter of system calls");
    int failed = fill(filter);
    if (!failed)
        failed = seccomp_load(filter);
    seccomp_release(filter);
    return failed ? error_set(error, -failed, "cannot filter system calls") : 0;
}

void sandbox_call_name(uint64_t refused, char name[static SANDBOX_CALL_MAX])
{
    char *known = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)(refused - 1));
    if (known)
        snprintf(name, SANDBOX_CALL_MAX, "%s", known);
    else
        snprintf(name, SANDBOX_CALL_MAX, "%llu", (unsigned long long)(refused - 1));
    free(known);
}
