/* SPDX-License-Identifier: MIT */
#include "master/handover.h"

#include "master/descriptors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Writing. */

static json_t *tell_sockets(const struct sockets *sockets)
{
    char text[ADDR_TEXT_MAX];
    json_t *list = json_array();
    for (unsigned i = 0; i < sockets->count; i++) {
        const struct socket *socket = &sockets->list[i];
        json_array_append_new(list, json_pack("{s:i,s:s,s:s,s:i,s:i,s:i}", "fd", socket->fd,
                                              "address", addr_format(&socket->address, text), "key",
                                              socket->key, "state", (int)socket->state, "backlog",
                                              socket->options.backlog, "mode",
                                              (int)socket->options.mode));
    }
    return list;
}

static json_t *tell_inherited(const struct inheritance *inheritance)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < inheritance->count; i++)
        json_array_append_new(list, json_pack("{s:i,s:s}", "fd", inheritance->sockets[i].fd, "name",
                                              inheritance->sockets[i].name));
    return list;
}

/* The spawner is the last of them. */
static json_t *tell_children(const struct generation *generation)
{
    json_t *list = json_array();
    for (unsigned i = 0; i <= generation->count; i++) {
        const struct child_slot *child = &generation->children[i];
        if (child->state != CHILD_ABSENT)
            json_array_append_new(list,
                                  json_pack("{s:i,s:i,s:i,s:i,s:b}", "index", (int)i, "pid",
                                            (int)child->pid, "channel", child->channel.fd, "state",
                                            (int)child->state, "accepts", child->accepts));
    }
    return list;
}

static json_t *tell_generation(const struct generation *generation)
{
    json_t *listeners = json_array();
    for (unsigned i = 0; i < generation->listeners.count; i++)
        json_array_append_new(listeners, json_integer(generation->listeners.list[i].fd));
    return json_pack("{s:i,s:i,s:I,s:I,s:I,s:b,s:o,s:o}", "number", (int)generation->number,
                     "state", (int)generation->state, "born", (json_int_t)generation->born,
                     "cut_at", (json_int_t)generation->cut_at, "beat_every",
                     (json_int_t)generation->beat_every, "killed", generation->killed, "listeners",
                     listeners, "children", tell_children(generation));
}

static json_t *tell_generations(const struct master *master)
{
    json_t *list = json_array();
    for (const struct generation *generation = master->generations; generation;
         generation = generation->next)
        if (generation->state != GENERATION_OVER)
            json_array_append_new(list, tell_generation(generation));
    return list;
}

/* Who waits for a change; the first of them is the upgrade itself. */
static json_t *tell_changes(const struct master *master)
{
    json_t *list = json_array();
    for (const struct change *change = master->changes.first; change; change = change->next) {
        int fd = change->client ? control_client_fd(change->client) : -1;
        json_array_append_new(list, json_pack("{s:i,s:i}", "kind", (int)change->kind, "fd", fd));
    }
    return list;
}

/* Those who ask nothing now. */
static json_t *tell_clients(const struct master *master)
{
    int fds[CONTROL_CLIENTS_MAX];
    unsigned count = control_idle_fds(master->control, fds);
    json_t *list = json_array();
    for (unsigned i = 0; i < count; i++)
        json_array_append_new(list, json_integer(fds[i]));
    return list;
}

static json_t *tell(const struct master *master)
{
    const struct pid_file *pid_file = &master->pid_file;
    return json_pack(
        "{s:i,s:i,s:s,s:s,s:s,s:i,s:i,s:i,s:i,s:o,s:o,s:o,s:o,s:o,s:{s:i,s:s},s:{s:i,s:s}}",
        "version", HANDOVER_VERSION, "layout", SCOREBOARD_LAYOUT, "tcpd", master->options->version,
        "binary", master->binary, "config", master->config, "memory", master->scoreboard->memory,
        "room", master->scoreboard->room, "number", (int)master->number, "current",
        (int)master->current->number, "sockets", tell_sockets(&master->sockets), "inherited",
        tell_inherited(&master->sockets.inheritance), "generations", tell_generations(master),
        "changes", tell_changes(master), "clients", tell_clients(master), "control", "fd",
        control_listener_fd(master->control), "path", control_path(master->control), "pid_file",
        "fd", pid_file->fd, "path", pid_file->path ? pid_file->path : "");
}

static int write_all(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, text, length);
        if (written < 0 && errno != EINTR)
            return -1;
        text += written > 0 ? written : 0;
        length -= written > 0 ? (size_t)written : 0;
    }
    return 0;
}

/* A child of the current generation is there, and so its configuration. */
static int write_to(int fd, const struct master *master)
{
    size_t length = 0;
    json_t *state = tell(master);
    char *line = state ? json_dumps(state, JSON_COMPACT) : NULL;
    char *configuration = conf_snapshot_text(master->current->conf, &length);
    int failed = !line || !configuration || write_all(fd, line, strlen(line)) ||
                 write_all(fd, "\n", 1) || write_all(fd, configuration, length);
    json_decref(state);
    free(line);
    free(configuration);
    return failed ? -1 : 0;
}

int handover_write(struct master *master, struct error *error)
{
    if (!master->current || !master->current->conf)
        return error_set(error, 0, "no generation of this binary serves: reload first");
    int fd = memfd_create("tcpd-handover", MFD_CLOEXEC);
    if (fd >= 0 && write_to(fd, master) == 0)
        return fd;
    error_set(error, errno, "cannot write down what is handed over");
    if (fd >= 0)
        close(fd);
    return -1;
}

void handover_inherit(const struct master *master, int handover, bool yes)
{
    descriptors_inherit(handover, yes);
    descriptors_inherit(master->scoreboard->memory, yes);
    descriptors_inherit(master->scoreboard->room, yes);
    for (unsigned i = 0; i < master->sockets.count; i++)
        descriptors_inherit(master->sockets.list[i].fd, yes);
    for (unsigned i = 0; i < master->sockets.inheritance.count; i++)
        descriptors_inherit(master->sockets.inheritance.sockets[i].fd, yes);
    for (const struct generation *generation = master->generations; generation;
         generation = generation->next)
        for (unsigned i = 0; i <= generation->count; i++)
            descriptors_inherit(generation->children[i].channel.fd, yes);
    for (const struct change *change = master->changes.first; change; change = change->next)
        if (change->client)
            descriptors_inherit(control_client_fd(change->client), yes);
    int idle[CONTROL_CLIENTS_MAX];
    unsigned count = control_idle_fds(master->control, idle);
    for (unsigned i = 0; i < count; i++)
        descriptors_inherit(idle[i], yes);
    descriptors_inherit(control_listener_fd(master->control), yes);
    descriptors_inherit(master->pid_file.fd, yes);
}

/* Reading. */

static int parse(struct handed *handed, const char *text, size_t length,
                 const struct master_options *options, struct error *error)
{
    struct conf_report report = {0};
    int version = 0, layout = 0;
    json_error_t why;
    const char *newline = memchr(text, '\n', length);
    size_t line = newline ? (size_t)(newline - text) : 0;
    handed->state = json_loadb(text, line, 0, &why);
    if (!handed->state)
        return error_set(error, 0, "the hand-over cannot be read: %s", why.text);
    json_unpack(handed->state, "{s:i,s:i}", "version", &version, "layout", &layout);
    if (version != HANDOVER_VERSION || layout != SCOREBOARD_LAYOUT)
        return error_set(error, 0,
                         "the running tcpd hands over in version %d.%d, this one takes %d.%d: "
                         "restart instead",
                         version, layout, HANDOVER_VERSION, SCOREBOARD_LAYOUT);
    handed->conf = conf_load_snapshot(newline + 1, length - line - 1, options->overrides,
                                      options->override_count, &report);
    if (!handed->conf)
        error_set(error, 0, "the running configuration does not suit this tcpd: %s",
                  report.count ? report.messages[0] : "it cannot be read");
    conf_report_free(&report);
    return handed->conf ? 0 : -1;
}

int handover_read(struct handed *handed, int fd, const struct master_options *options,
                  struct error *error)
{
    struct stat file;
    *handed = (struct handed){0};
    if (fstat(fd, &file) || !S_ISREG(file.st_mode) || file.st_size == 0)
        return error_set(error, 0, "%s does not name a hand-over", HANDOVER_VARIABLE);
    size_t length = (size_t)file.st_size;
    char *text = mmap(NULL, length, PROT_READ, MAP_PRIVATE, fd, 0);
    if (text == MAP_FAILED)
        return error_set(error, errno, "cannot read the hand-over");
    int failed = parse(handed, text, length, options, error);
    munmap(text, length);
    if (failed)
        handover_read_fini(handed);
    return failed;
}

void handover_read_fini(struct handed *handed)
{
    json_decref(handed->state);
    handed->state = NULL;
}

/* Taking over. */

static int adopt_socket(struct sockets *sockets, json_t *told)
{
    struct socket socket = {.fd = -1};
    const char *address, *key;
    int state, mode;
    if (json_unpack(told, "{s:i,s:s,s:s,s:i,s:i,s:i}", "fd", &socket.fd, "address", &address, "key",
                    &key, "state", &state, "backlog", &socket.options.backlog, "mode", &mode) ||
        addr_parse(&socket.address, address, NULL))
        return -1;
    socket.state = (enum socket_state)state;
    socket.options.mode = (mode_t)mode;
    socket.key = strdup(key);
    if (socket.address.path)
        socket.path = strdup(socket.address.path);
    socket.address.path = socket.path;
    descriptors_inherit(socket.fd, false);
    return sockets_adopt(sockets, &socket);
}

static int adopt_inherited(struct inheritance *inheritance, json_t *told)
{
    const char *name;
    int fd;
    if (json_unpack(told, "{s:i,s:s}", "fd", &fd, "name", &name))
        return -1;
    return inherit_take(inheritance, fd, name);
}

static int adopt_child(struct generation *generation, json_t *told)
{
    int index, pid, channel, state, accepts;
    if (json_unpack(told, "{s:i,s:i,s:i,s:i,s:b}", "index", &index, "pid", &pid, "channel",
                    &channel, "state", &state, "accepts", &accepts) ||
        index < 0 || (unsigned)index > generation->count)
        return -1;
    descriptors_inherit(channel, false);
    return generation_adopt_child(generation, (unsigned)index, pid, channel,
                                  (enum child_state)state, accepts);
}

/* Only which socket was whose is known of them: the services were the other binary's. */
static int adopt_listeners(struct listeners *listeners, json_t *told)
{
    size_t count = json_array_size(told);
    listeners->list = calloc(count + 1, sizeof *listeners->list);
    if (!listeners->list)
        return -1;
    listeners->count = (unsigned)count;
    for (size_t i = 0; i < count; i++)
        listeners->list[i].fd = (int)json_integer_value(json_array_get(told, i));
    return 0;
}

static int adopt_children(struct generation *generation, json_t *told)
{
    size_t i;
    json_t *child;
    json_array_foreach (told, i, child)
        if (adopt_child(generation, child))
            return -1;
    return 0;
}

static int adopt_generation(struct master *master, json_t *told, int current, struct error *error)
{
    struct listeners listeners = {0};
    json_int_t born, cut_at, beat_every;
    json_t *sockets, *children;
    int number, state, killed;
    if (json_unpack(told, "{s:i,s:i,s:I,s:I,s:I,s:b,s:o,s:o}", "number", &number, "state", &state,
                    "born", &born, "cut_at", &cut_at, "beat_every", &beat_every, "killed", &killed,
                    "listeners", &sockets, "children", &children) ||
        adopt_listeners(&listeners, sockets))
        return -1;
    struct generation *generation = generation_new((unsigned)number, NULL, &listeners,
                                                   master->scoreboard, &master->loop, error);
    if (!generation) {
        listeners_free(&listeners);
        return -1;
    }
    generation->state = (enum generation_state)state;
    generation->born = (uint64_t)born;
    generation->beat_every = (uint64_t)beat_every;
    generation->killed = killed;
    serve_adopt(master, generation);
    if (number == current)
        master->current = generation;
    if (adopt_children(generation, children))
        return -1;
    if (cut_at > 0)
        generation_drain(generation,
                         (uint64_t)cut_at > clock_now() ? (uint64_t)cut_at - clock_now() : 1);
    return 0;
}

static int adopt_change(struct master *master, json_t *told)
{
    int kind, fd;
    struct error error = {0};
    struct control_client *client = NULL;
    if (json_unpack(told, "{s:i,s:i}", "kind", &kind, "fd", &fd))
        return -1;
    if (fd >= 0) {
        descriptors_inherit(fd, false);
        client = control_adopt_client(master->control, fd, &error);
        if (!client)
            close(fd);
    }
    change_adopt(master, (enum change_kind)kind, client);
    return 0;
}

static void adopt_client(struct master *master, json_t *told)
{
    struct error error = {0};
    int fd = (int)json_integer_value(told);
    descriptors_inherit(fd, false);
    if (control_adopt_idle(master->control, fd, &error))
        close(fd);
}

static int adopt_pid_file(struct pid_file *pid_file, const char *path, int fd)
{
    if (fd < 0)
        return 0;
    descriptors_inherit(fd, false);
    *pid_file = (struct pid_file){fd, strdup(path)};
    return pid_file->path ? 0 : -1;
}

static int adopt_control(struct master *master, const char *path, int fd)
{
    struct error error = {0};
    if (fd < 0)
        return 0;
    if (control_adopt(master->control, fd, path, &error) == 0)
        return 0;
    close(fd); /* master_listen_control opens it again */
    return 0;
}

/* The newest generation comes first in the list, and is put in front of the others last. */
static int adopt_lists(struct master *master, json_t *state, int current, struct error *error)
{
    const json_t *generations = json_object_get(state, "generations");
    size_t i;
    json_t *one;
    json_array_foreach (json_object_get(state, "sockets"), i, one)
        if (adopt_socket(&master->sockets, one))
            return -1;
    json_array_foreach (json_object_get(state, "inherited"), i, one)
        if (adopt_inherited(&master->sockets.inheritance, one))
            return -1;
    for (i = json_array_size(generations); i-- > 0;)
        if (adopt_generation(master, json_array_get(generations, i), current, error))
            return -1;
    json_array_foreach (json_object_get(state, "changes"), i, one)
        if (adopt_change(master, one))
            return -1;
    json_array_foreach (json_object_get(state, "clients"), i, one)
        adopt_client(master, one);
    return 0;
}

int handover_adopt(struct master *master, const struct handed *handed, struct error *error)
{
    int memory, room, number, current, control, pid_file;
    const char *was, *binary, *config, *control_file, *pid_path;
    if (json_unpack(handed->state, "{s:s,s:s,s:s,s:i,s:i,s:i,s:i,s:{s:i,s:s},s:{s:i,s:s}}", "tcpd",
                    &was, "binary", &binary, "config", &config, "memory", &memory, "room", &room,
                    "number", &number, "current", &current, "control", "fd", &control, "path",
                    &control_file, "pid_file", "fd", &pid_file, "path", &pid_path))
        return error_set(error, 0, "the hand-over lacks something");
    master->scoreboard = scoreboard_adopt(memory, room, error);
    if (!master->scoreboard)
        return -1;
    master->inquiries = inquiries_new(&master->loop, master->scoreboard, error);
    if (!master->inquiries)
        return -1;
    descriptors_inherit(memory, false);
    descriptors_inherit(room, false);
    master->number = (unsigned)number;
    master->binary = strdup(binary);
    master->config = strdup(config);
    snprintf(master->was, sizeof master->was, "%s", was);
    if (adopt_pid_file(&master->pid_file, pid_path, pid_file) ||
        adopt_control(master, control_file, control) ||
        adopt_lists(master, handed->state, current, error) || !master->current)
        return error->text[0] ? -1 : error_set(error, 0, "the hand-over has something wrong");
    return 0;
}
