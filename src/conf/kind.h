/* SPDX-License-Identifier: MIT */
/* The kinds of options: how each is read, said and printed. */
#ifndef TCPD_CONF_KIND_H
#define TCPD_CONF_KIND_H

#include "conf/option.h"

extern const struct kind kind_number;
extern const struct kind kind_integer; /* signed, into an int32_t */
extern const struct kind kind_limit;   /* of a resource */
extern const struct kind kind_duration;
extern const struct kind kind_rate;
extern const struct kind kind_choice;
extern const struct kind kind_switch;
extern const struct kind kind_mode;
extern const struct kind kind_string; /* into a const char * */
extern const struct kind kind_word;   /* into an array of char */

/* Gives the option its default, if it has one. */
void option_default(struct memory *memory, const struct option *option, void *base);

#endif
