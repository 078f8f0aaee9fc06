/* SPDX-License-Identifier: BSD-3-Clause */
/* What the program events is made of. */
#ifndef EVENTS_EVENTS_H
#define EVENTS_EVENTS_H

#include <stdio.h>

#include "captures.h"

/* Let so many events happen; all is over when it returns. */
void random_events(uint64_t seed, unsigned int count);

/* Do what a file says, line by line; the same. */
void script_run(FILE *file, int hook);

#endif /* EVENTS_EVENTS_H */
