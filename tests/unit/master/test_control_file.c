/* SPDX-License-Identifier: MIT */
/* The control socket as a file: where it is, whose it is, and what becomes of it. */
#include "master/help.h"

#include <fcntl.h>
#include <sys/wait.h>

static void run_ask(struct control_client *client, const json_t *request, void *owner)
{
    (void)request;
    (void)owner;
    control_answer(client, json_pack("{s:b}", "ok", 1));
}

static const struct control_command commands[] = {{"ask", false, run_ask}, {0}};

static void set_up(void)
{
    make_control(commands);
}

TestSuite(control_file, .init = set_up, .fini = end_control, .timeout = 30);

#define OK  "{\"ok\":true}\n"
#define ASK "{\"command\":\"ask\"}\n"

static struct stat status_of(const char *file)
{
    struct stat status = {0};
    lstat(file, &status);
    return status;
}

static void expect_serves(const char *socket)
{
    int fd = connect_to(socket);
    cr_expect_str_eq(ask(fd, ASK), OK);
    close(fd);
}

/* What control_listen says of it, and that everything is as before. */
static struct error failure(struct control_settings settings)
{
    struct error error = {0};
    unsigned before = descriptors();
    cr_expect_eq(control_listen(control, &settings, &error), -1, "%s", settings.socket);
    cr_expect_eq(descriptors(), before);
    return error;
}

static void expect_says(const struct error *error, const char *what)
{
    cr_expect(strstr(error->text, what), "%s, and not: %s", what, error->text);
}

Test(control_file, mode_whatever_the_umask)
{
    static const mode_t modes[] = {0600, 0660, 0666, 0620};
    umask(0177);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        listen_at(path, modes[i]);
        cr_expect_eq(status_of(path).st_mode, S_IFSOCK | modes[i]);
        control_close(control, true);
    }
    cr_expect_eq(umask(0022), 0177, "the umask is as before");
}

Test(control_file, descriptors_are_close_on_exec)
{
    cr_expect_eq(control_listener_fd(control), -1);
    cr_expect_str_empty(control_path(control));
    listen_at(path, 0600);
    cr_expect(fcntl(control_listener_fd(control), F_GETFD) & FD_CLOEXEC);
    cr_expect_str_eq(control_path(control), path);
}

Test(control_file, on_the_same_path_it_stays_open)
{
    listen_at(path, 0600);
    int fd = control_listener_fd(control), client = connect_to(path);
    ino_t inode = status_of(path).st_ino;
    listen_at(path, 0666);
    cr_expect_eq(control_listener_fd(control), fd);
    cr_expect_eq(status_of(path).st_ino, inode);
    cr_expect_eq(status_of(path).st_mode & 0777, 0666);
    cr_expect_str_eq(ask(client, ASK), OK, "who was in its queue is served");
    char spelled[128];
    snprintf(spelled, sizeof spelled, "%s/../%s/./socket", folder, strrchr(folder, '/') + 1);
    listen_at(spelled, 0600);
    cr_expect_eq(control_listener_fd(control), fd);
    close(client);
}

Test(control_file, on_another_path)
{
    listen_at(path, 0600);
    int client = connect_to(path);
    turn_all();
    listen_at(other_path, 0600);
    cr_expect_neq(access(path, F_OK), 0, "the old file is gone");
    expect_serves(other_path);
    cr_expect_str_eq(ask(client, ASK), OK, "its client is not");
    close(client);
}

Test(control_file, none)
{
    unsigned before = descriptors();
    listen_at("", 0600);
    listen_at(path, 0600);
    listen_at("", 0600);
    cr_expect_neq(access(path, F_OK), 0);
    cr_expect_eq(control_listener_fd(control), -1);
    cr_expect_eq(descriptors(), before);
    listen_at(path, 0600);
    expect_serves(path);
}

Test(control_file, a_file_that_was_removed_is_made_again)
{
    listen_at(path, 0600);
    unlink(path);
    listen_at(path, 0600);
    expect_serves(path);
}

Test(control_file, its_folder_is_made)
{
    umask(0077);
    char deep[128], deeper[160];
    snprintf(deep, sizeof deep, "%s/run", folder);
    snprintf(deeper, sizeof deeper, "%s/socket", deep);
    listen_at(deeper, 0600);
    cr_expect_eq(status_of(deep).st_mode, S_IFDIR | 0755);
    expect_serves(deeper);
    control_close(control, true);
    rmdir(deep);
    snprintf(deeper, sizeof deeper, "%s/one/two/socket", folder);
    struct error error = failure(at(deeper, 0600));
    expect_says(&error, deeper);
    expect_says(&error, "No such file or directory; set control.socket to");
}

Test(control_file, a_dead_daemons_file_is_replaced)
{
    struct sockaddr_un address = address_of(path);
    int fd = new_socket();
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
    listen_at(path, 0600);
    expect_serves(path);
}

Test(control_file, a_live_daemons_is_not)
{
    struct sockaddr_un address = address_of(path);
    int fd = new_socket();
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(fd, 4), 0);
    listen_at(other_path, 0600);
    struct error error = failure(at(path, 0600));
    expect_says(&error, "another server listens on ");
    expect_says(&error, path);
    expect_says(&error, "set control.socket to another path");
    cr_expect_eq(error.errnum, EADDRINUSE);
    cr_expect_str_eq(control_path(control), other_path);
    expect_serves(other_path);
    close(fd);
}

Test(control_file, nor_is_anything_else)
{
    FILE *file = fopen(path, "w");
    fclose(file);
    struct error error = failure(at(path, 0600));
    expect_says(&error, "exists and is not a socket");
    cr_expect(S_ISREG(status_of(path).st_mode));
    unlink(path);
    cr_assert_eq(symlink("/nowhere/at/all", path), 0);
    error = failure(at(path, 0600));
    cr_expect(S_ISLNK(status_of(path).st_mode));
}

Test(control_file, a_path_too_long)
{
    char name[200];
    memset(name, 'x', sizeof name - 1);
    name[0] = '/';
    name[sizeof name - 1] = '\0';
    struct error error = failure(at(name, 0600));
    expect_says(&error, "longer than 107 bytes");
}

Test(control_file, another_ones_file_is_not_removed)
{
    listen_at(path, 0600);
    unlink(path);
    struct sockaddr_un address = address_of(path);
    int fd = new_socket();
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    control_close(control, true);
    cr_expect_eq(access(path, F_OK), 0);
    close(fd);
}

Test(control_file, it_stays_when_it_is_to)
{
    listen_at(path, 0600);
    control_close(control, false);
    cr_expect_eq(access(path, F_OK), 0);
}

Test(control_file, its_group)
{
    enum { GROUP = 54321 };
    struct control_settings settings = at(path, 0660);
    if (geteuid() != 0)
        cr_skip_test("only root can give a file to any group");
    settings.has_group = true;
    settings.gid = GROUP;
    cr_assert_eq(control_listen(control, &settings, NULL), 0);
    cr_expect_eq(status_of(path).st_gid, GROUP);
    cr_expect_eq(status_of(path).st_mode & 0777, 0660);
    settings.gid = GROUP + 1;
    settings.mode = 0600;
    cr_assert_eq(control_listen(control, &settings, NULL), 0);
    cr_expect_eq(status_of(path).st_gid, GROUP + 1);
    cr_expect_eq(status_of(path).st_mode & 0777, 0600);
    listen_at(path, 0660);
    cr_expect_eq(status_of(path).st_gid, getegid());
    cr_expect_eq(status_of(path).st_mode & 0777, 0660);
}

/* A group that the daemon's user is not in: of nothing that fails is anything left. */
Test(control_file, a_group_that_cannot_be_given)
{
    struct control_settings settings = at(path, 0660);
    if (geteuid() == 0)
        cr_assert_eq(chown(folder, 65534, 65534) || setresgid(65534, 65534, 65534) ||
                         setresuid(65534, 65534, 65534),
                     0);
    settings.has_group = true;
    settings.gid = 54321;
    struct error error = failure(settings);
    expect_says(&error, path);
    expect_says(&error, "to the group 54321: Operation not permitted; set control.group to");
    cr_expect_eq(error.errnum, EPERM);
    cr_expect_neq(access(path, F_OK), 0);
    listen_at(path, 0660);
    error = failure(settings);
    cr_expect_eq(status_of(path).st_mode & 0777, 0660, "as before");
    expect_serves(path);
}

Test(control_file, handed_over)
{
    struct error error = {0};
    listen_at(path, 0660);
    int fd = dup(control_listener_fd(control)), client = connect_to(path);
    cr_assert_eq(fcntl(fd, F_SETFD, 0), 0);
    control_free(control);
    control = control_new(&loop, commands, &loop, &error);
    cr_assert_eq(control_adopt(control, fd, path, &error), 0, "%s", error.text);
    cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    listen_at(path, 0600);
    cr_expect_eq(control_listener_fd(control), fd, "it is open already");
    cr_expect_eq(status_of(path).st_mode & 0777, 0600);
    cr_expect_str_eq(ask(client, ASK), OK);
    control_close(control, true);
    cr_expect_neq(access(path, F_OK), 0, "it knows its file");
    close(client);
}

Test(control_file, what_is_no_listener_is_not_adopted)
{
    struct error error;
    int ends[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    cr_expect_eq(control_adopt(control, ends[0], path, &error), -1);
    expect_says(&error, "not what was handed over");
    cr_expect_eq(close(ends[0]), 0, "it is still the caller's");
    close(ends[1]);
}
