/* SPDX-License-Identifier: BSD-3-Clause */
/* Random programs, expressions and packets, the same for the same seed. */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/filter.h>

#define RANDOM_MAX_PACKET 9000

struct rng {
	uint64_t state;
};

uint32_t rng_next(struct rng *rng);
/* 0 .. n - 1 */
uint32_t rng_below(struct rng *rng, uint32_t n);
/* true with a probability of 1 / n */
bool rng_one_in(struct rng *rng, uint32_t n);

/*
 * A program of at most BPF_MAXINSNS instructions that bpf_validate() accepts
 * and that reads no M[] that it has not written. Returns its length.
 */
size_t random_program(struct rng *rng, struct sock_filter *cbpf);

/* A filter expression for Ethernet; not all of them compile. */
void random_expression(struct rng *rng, char *buf, size_t size);

/* A packet of 0 to RANDOM_MAX_PACKET bytes. Returns its length. */
uint32_t random_packet(struct rng *rng, uint8_t *buf);

#endif
