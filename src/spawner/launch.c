/* SPDX-License-Identifier: MIT */
#include "spawner/launch.h"

#include "spawner/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK_SIZE 65536
#define NOFILE     1024 /* what programs are used to: select(2) knows no more */

/* One start on its way; in the memory that both processes see. */
struct launching {
    const struct recipe *recipe;
    int socket, errors;
    bool only_tries;
    const char *failed; /* what could not be done; NULL: nothing */
    int errnum;
};

/*
 * In the new process, before it executes.  All signals are blocked, memory is the spawner's: system
 * calls, and nothing that libc would have to keep in order.
 */

/* Not a session: the kernel makes a scheduling group for each, see sched(7). */
static int lead_group(const struct launching *launching)
{
    (void)launching;
    return setpgid(0, 0);
}

static int enter_root(const struct launching *launching)
{
    const char *root = launching->recipe->program->chroot;
    return !root || (chroot(root) == 0 && chdir("/") == 0) ? 0 : -1;
}

static int set_limit(int resource, uint64_t value)
{
    struct rlimit limit = {value, value};
    if (value == PROGRAM_LIMIT_UNSET)
        return 0;
    if (value == PROGRAM_LIMIT_UNSET - 1)
        limit = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
    return setrlimit(resource, &limit);
}

/* tcpd's own soft limit on files is as high as can be, and not meant for others. */
static int lower_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return -1;
    if (limit.rlim_cur > NOFILE)
        limit.rlim_cur = limit.rlim_max < NOFILE ? limit.rlim_max : NOFILE;
    return setrlimit(RLIMIT_NOFILE, &limit);
}

static int set_limits(const struct launching *launching)
{
    const struct program_limits *limits = &launching->recipe->program->limits;
    if (limits->nofile == PROGRAM_LIMIT_UNSET ? lower_files()
                                              : set_limit(RLIMIT_NOFILE, limits->nofile))
        return -1;
    return set_limit(RLIMIT_AS, limits->as) || set_limit(RLIMIT_CPU, limits->cpu) ||
           set_limit(RLIMIT_NPROC, limits->nproc) || set_limit(RLIMIT_CORE, limits->core) ||
           set_limit(RLIMIT_FSIZE, limits->fsize);
}

static int be_nice(const struct launching *launching)
{
    int nice = launching->recipe->program->nice;
    return nice == 0 ? 0 : setpriority(PRIO_PROCESS, 0, nice);
}

static int verify_user(const struct conf_identity *identity)
{
    uid_t uid[3];
    gid_t gid[3];
    if (getresuid(&uid[0], &uid[1], &uid[2]) || getresgid(&gid[0], &gid[1], &gid[2]))
        return -1;
    for (int i = 0; i < 3; i++)
        if (uid[i] != identity->uid || gid[i] != identity->gid)
            return -1;
    return 0;
}

/* Not by way of libc, which would tell all threads of the process whose memory this is. */
static int become_user(const struct launching *launching)
{
    const struct conf_identity *identity = &launching->recipe->program->identity;
    if (!launching->recipe->becomes)
        return 0;
    uid_t uid = identity->uid;
    gid_t gid = identity->gid;
    if (syscall(SYS_setgroups, identity->group_count, identity->groups) ||
        syscall(SYS_setresgid, gid, gid, gid) || syscall(SYS_setresuid, uid, uid, uid))
        return -1;
    return verify_user(identity);
}

/* Others than root have none, whatever tcpd itself was given, and in the sandbox nobody has.  Where
 * there are none, a filter may not let capset(2) through: see tcpd.service. */
static int drop_capabilities(const struct launching *launching)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
    if (!launching->recipe->drops)
        return 0;
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return (int)syscall(SYS_capset, &header, none);
}

static int enter_directory(const struct launching *launching)
{
    const struct conf_program *program = launching->recipe->program;
    umask(program->umask);
    return chdir(program->directory);
}

static int enter_sandbox(const struct launching *launching)
{
    int ruleset = launching->recipe->sandbox;
    if (ruleset < 0)
        return 0;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || landlock_enter(ruleset) ? -1 : 0;
}

/* Those that are not the program's are closed by executing it. */
static int arrange_descriptors(const struct launching *launching)
{
    const struct conf_program *program = launching->recipe->program;
    int listener = STDERR_FILENO + 1; /* where sd_listen_fds(3) looks */
    if (launching->only_tries)
        return 0;
    if (dup2(launching->socket, STDIN_FILENO) < 0 || dup2(launching->socket, STDOUT_FILENO) < 0 ||
        dup2(launching->errors, STDERR_FILENO) < 0)
        return -1;
    if (!program->wait)
        return close_range(STDERR_FILENO + 1U, ~0U, 0);
    return dup2(STDIN_FILENO, listener) < 0 ? -1 : close_range((unsigned)listener + 1, ~0U, 0);
}

static int may_execute(const char *path)
{
    struct stat file;
    if (stat(path, &file))
        return -1;
    if (S_ISREG(file.st_mode))
        return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS);
    errno = S_ISDIR(file.st_mode) ? EISDIR : EACCES;
    return -1;
}

/* The pid behind LISTEN_PID= is known only here. */
static void say_pid(char *text)
{
    char digits[16];
    size_t count = 0;
    for (pid_t pid = getpid(); pid > 0; pid /= 10)
        digits[count++] = (char)('0' + pid % 10);
    while (count > 0)
        *text++ = digits[--count];
    *text = '\0';
}

static int execute(const struct launching *launching)
{
    const struct recipe *recipe = launching->recipe;
    const struct conf_program *program = recipe->program;
    const char *const *command = program->command;
    sigset_t none;
    if (launching->only_tries)
        return may_execute(command[0]);
    if (program->wait)
        say_pid(recipe->texts[0] + strlen("LISTEN_PID="));
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    return execve(command[0], recipe->arguments, recipe->environment);
}

static const struct step {
    int (*take)(const struct launching *launching);
    const char *what;
} steps[] = {
    {lead_group, "it cannot have a process group of its own"},
    {enter_root, "its chroot cannot be entered"},
    {set_limits, "its rlimits cannot be set"},
    {be_nice, "its nice value cannot be set"},
    {become_user, "it cannot become its user"},
    {drop_capabilities, "it cannot give up capabilities"},
    {enter_directory, "its directory cannot be entered"},
    {enter_sandbox, "it cannot enter its sandbox"},
    {arrange_descriptors, "its descriptors cannot be arranged"},
    {execute, "the command cannot be executed"},
};

/* Returns only when it has only tried. */
static int run(void *argument)
{
    struct launching *launching = argument;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (steps[i].take(launching) == 0)
            continue;
        launching->errnum = errno;
        launching->failed = steps[i].what;
        return 127;
    }
    return 0;
}

/* In the spawner. */

static int say_failure(const struct launching *launching, struct error *error)
{
    const struct conf_program *program = launching->recipe->program;
    return error_set(error, launching->errnum, "%.200s: %s", program->command[0],
                     launching->failed);
}

/* Returns the pid, and whether it has failed in *launching. */
static pid_t make_process(struct launching *launching, struct error *error)
{
    static _Alignas(16) char stack[STACK_SIZE];
    pid_t pid = clone(run, stack + STACK_SIZE, CLONE_VM | CLONE_VFORK | SIGCHLD, launching);
    return pid < 0 ? error_set(error, errno, "no process can be made") : pid;
}

pid_t launch(const struct recipe *recipe, int socket, int errors, struct error *error)
{
    struct launching launching = {.recipe = recipe, .socket = socket, .errors = errors};
    pid_t pid = make_process(&launching, error);
    if (pid < 0 || !launching.failed)
        return pid;
    waitpid(pid, NULL, 0);
    return say_failure(&launching, error);
}

void launch_signal(pid_t pid, int number)
{
    kill(-pid, number);
    if (getpgid(pid) != pid)
        kill(pid, number);
}

int launch_try(const struct recipe *recipe, struct error *error)
{
    struct launching launching = {.recipe = recipe, .only_tries = true};
    pid_t pid = make_process(&launching, error);
    if (pid < 0)
        return -1;
    waitpid(pid, NULL, 0);
    return launching.failed ? say_failure(&launching, error) : 0;
}
