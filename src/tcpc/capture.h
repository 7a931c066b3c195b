/* SPDX-License-Identifier: MIT */
/*
 * The segments of one connection as the interface sees them.  capture_pcap.c
 * or capture_none.c, as configure found; the latter opens nothing and says why.
 */
#ifndef TCPD_TCPC_CAPTURE_H
#define TCPD_TCPC_CAPTURE_H

#include "base/error.h"
#include "io/addr.h"

#include <stddef.h>
#include <stdint.h>

struct capture;
struct capture_file;

/* For --version: the library that captures, or "none". */
const char *capture_name(void);

/* One IP packet, from its header on: `captured` bytes of `length`; time is that of CLOCK_REALTIME.
 */
typedef void capture_take(void *context, uint64_t time, const uint8_t *packet, size_t captured,
                          size_t length);

/*
 * Begins to capture what goes over the interface between a local port and a
 * peer (IPv4 or IPv6, with its port), and nothing else.  Packets are also written to
 * the file, borrowed, unless that is NULL.  NULL with an error, whose errno is EPERM when the
 * privilege is missing.
 */
struct capture *capture_open(const char *interface, const struct addr *peer, uint16_t local_port,
                             struct capture_file *file, struct error *error);

/* Readable when something can be taken. */
int capture_fd(const struct capture *capture);

/* Hands over what has come, and does not wait. */
void capture_read(struct capture *capture, capture_take *take, void *context);

/* How many packets the kernel has dropped because nobody took them in time. */
uint64_t capture_lost(struct capture *capture);

void capture_close(struct capture *capture);

/* A file in the format of pcap(3), without headers of the link.  NULL with an error. */
struct capture_file *capture_file_open(const char *path, struct error *error);

/* -1 with an error when not all could be written. */
int capture_file_close(struct capture_file *file, struct error *error);

#endif
