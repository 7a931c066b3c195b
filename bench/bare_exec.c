/* SPDX-License-Identifier: MIT */
/*
 * The limit of any server that runs a program for each connection: a loop of accept, vfork, dup2
 * and execve, and nothing else: no log, no limits, no other user.
 *
 *   bare_exec PORT PROGRAM [ARGUMENT...]
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int listen_on(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4096)) {
        perror("bare_exec");
        exit(1);
    }
    return fd;
}

static void run(int connection, char **command)
{
    static char *none[] = {NULL};
    pid_t pid = vfork();
    if (pid == 0) {
        dup2(connection, STDIN_FILENO);
        dup2(connection, STDOUT_FILENO);
        execve(command[0], command, none);
        _exit(127);
    }
    close(connection);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bare_exec PORT PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    int listener = listen_on((uint16_t)atoi(argv[1]));
    for (;;) {
        int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (connection >= 0)
            run(connection, argv + 2);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
    }
}
