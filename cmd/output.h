/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where packets are written: one file after the other, or standard output; in
 * large blocks. Knows who is to own the files, and nothing of hooks: who
 * captures says what is in the file, by begin().
 */
#ifndef XDPCAP_CMD_OUTPUT_H
#define XDPCAP_CMD_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct output {
	const char *path; /* as given; "-": standard output */
	bool rotates;
	uint64_t keep; /* files; 0: all */
	int fd;
	bool is_pipe;         /* a reader may go away */
	char *name;           /* of the file that is open */
	unsigned long number; /* of this file */
	char **names;         /* the last ones, to be removed in turn */
	unsigned char *buffer;
	uint64_t used;    /* of the buffer */
	uint64_t written; /* to this file, without what is in the buffer */
	uint64_t total;   /* to the files before */
	bool reader_gone; /* writing ended with EPIPE */
	char error[512]; /* empty, or what went wrong; nothing more is written */
};

/*
 * What one write(2) takes, bytes. Less costs calls, and smaller folios in the
 * page cache; with more, what is written is out of the CPU's cache.
 */
#define OUTPUT_CHUNK (256u << 10)

/* Set up; opens nothing. Returns 0, or -1 with error filled. */
int output_init(struct output *output, const char *path, bool rotates,
		uint64_t keep);

/*
 * Open the first or the next file. Its mode is 0600; under sudo it belongs to
 * who called sudo, unless it was there before. Returns 0, or -1 with error filled.
 */
int output_open(struct output *output);

/* Close it, with all that is in the buffer. Returns 0, or -1. */
int output_close(struct output *output);

void output_free(struct output *output);

/* Write one chunk of the buffer; for output_add(). */
void output_write_chunk(struct output *output);

/*
 * Room for a block of PCAPNG_BLOCK_MAX bytes. The next call of output_add() says
 * how much of it has been filled in.
 */
static inline unsigned char *output_room(const struct output *output)
{
	return output->buffer + output->used;
}

static inline void output_add(struct output *output, uint64_t size)
{
	output->used += size;
	if (output->used >= OUTPUT_CHUNK)
		output_write_chunk(output);
}

/* Write what is in the buffer. Returns 0, or -1 with error filled. */
int output_flush(struct output *output);

/* Bytes in this file, and in all. */
static inline uint64_t output_size(const struct output *output)
{
	return output->written + output->used;
}

static inline uint64_t output_total(const struct output *output)
{
	return output->total + output_size(output);
}

/*
 * Under sudo, become the user who called it, for good. Returns 0, also if there
 * is nothing to do, or -1 with error filled.
 */
int output_drop_privileges(struct output *output);

#endif /* XDPCAP_CMD_OUTPUT_H */
