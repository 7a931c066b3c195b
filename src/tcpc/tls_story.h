/* SPDX-License-Identifier: MIT */
/* What -v and --json say of TLS. */
#ifndef TCPD_TCPC_TLS_STORY_H
#define TCPD_TCPC_TLS_STORY_H

#include "tcpc/story.h"
#include "tcpc/tls.h"

#include <stdint.h>

/* Tells of a connection whose handshake is done and took that long (nanoseconds). */
void tls_tell(const struct story *story, const struct tls *tls, uint64_t taken);

#endif
