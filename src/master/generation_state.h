/* SPDX-License-Identifier: MIT */
/* What the files of a generation know of it.  All functions: the master's only thread. */
#ifndef TCPD_MASTER_GENERATION_STATE_H
#define TCPD_MASTER_GENERATION_STATE_H

#include "master/generation.h"

/* slot.c: one process of a generation, a child or the spawner: its birth and its death */

/* Makes the process.  What goes wrong is told by generation_lost. */
void slot_fork(struct child_slot *slot);

/* One that is there already, after an upgrade. */
int slot_adopt(struct child_slot *slot, pid_t pid, int channel, enum child_state state,
               bool accepts);

/* Sees whether it has ended, and does what follows. */
void slot_reap(struct child_slot *slot);

/* Replaces one that has died: at once, or later when it dies again and again. */
void slot_plan_restart(struct child_slot *slot);

/* The spawner is told to leave, and ended when it does not. */
void slot_dismiss(struct child_slot *spawner, bool at_once);

/* generation.c: what follows for all of them */

/* It has said that it is ready, or that it accepts no more. */
void generation_slot_ready(struct child_slot *slot);
void generation_slot_stopped(struct child_slot *slot);

/* There is no process in it any more. */
void generation_slot_lost(struct child_slot *slot);

#endif
