/* SPDX-License-Identifier: MIT */
/* The channel between master and child: whole messages, sometimes with a descriptor. */
#ifndef TCPD_CHILD_CHANNEL_H
#define TCPD_CHILD_CHANNEL_H

#include "child/child.h"

enum received { CHANNEL_MESSAGE, CHANNEL_NOTHING, CHANNEL_ENDED };

/*
 * Takes one message without waiting.  With CHANNEL_MESSAGE, *descriptor is what came along, owned
 * by the caller, or -1.  What is no whole message, or has more than one descriptor, counts as
 * nothing; its descriptors are closed.
 */
enum received channel_receive(int channel, struct message *message, int *descriptor);

/* Sends one without waiting, with a descriptor unless it is -1, which stays the caller's.  Returns
 * -1 with errno: EAGAIN, or the other end is gone.  Any thread. */
int channel_send(int channel, const struct message *message, int descriptor);

#endif
