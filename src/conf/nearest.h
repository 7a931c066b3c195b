/* SPDX-License-Identifier: MIT */
/* Which known name somebody may have meant. */
#ifndef TCPD_CONF_NEAREST_H
#define TCPD_CONF_NEAREST_H

/* Letters to change, add, drop or swap to make one name of the other; case does not count. */
unsigned nearest_distance(const char *a, const char *b);

/* The one of the names, which end with NULL, that is nearest; NULL when none is near. */
const char *nearest(const char *name, const char *const *names);

#endif
