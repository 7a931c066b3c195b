/* SPDX-License-Identifier: MIT */
/* Without libpcap: nothing is ever opened, so the rest is never called. */
#include "tcpc/capture.h"

#include <errno.h>

const char *capture_name(void)
{
    return "none";
}

struct capture *capture_open(const char *interface, const struct addr *peer, uint16_t local_port,
                             struct capture_file *file, struct error *error)
{
    (void)interface, (void)peer, (void)local_port, (void)file;
    error_set(error, 0, "this tcpc was built without libpcap");
    error->errnum = ENOSYS;
    return NULL;
}

int capture_fd(const struct capture *capture)
{
    (void)capture;
    return -1;
}

void capture_read(struct capture *capture, capture_take *take, void *context)
{
    (void)capture, (void)take, (void)context;
}

uint64_t capture_lost(struct capture *capture)
{
    (void)capture;
    return 0;
}

void capture_close(struct capture *capture)
{
    (void)capture;
}

struct capture_file *capture_file_open(const char *path, struct error *error)
{
    (void)path;
    error_set(error, 0, "--pcap: this tcpc was built without libpcap");
    return NULL;
}

int capture_file_close(struct capture_file *file, struct error *error)
{
    (void)file, (void)error;
    return 0;
}
