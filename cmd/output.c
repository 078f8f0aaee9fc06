// SPDX-License-Identifier: BSD-3-Clause
/* Files that packets are written to; see output.h. */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pcapng.h"

static int __attribute__((format(printf, 2, 3)))
failed(struct output *output, const char *format, ...)
{
	int saved_errno = errno;
	size_t len;
	va_list ap;

	va_start(ap, format);
	vsnprintf(output->error, sizeof(output->error), format, ap);
	va_end(ap);
	len = strlen(output->error);
	snprintf(output->error + len, sizeof(output->error) - len, ": %s",
		 strerror(saved_errno));
	return -1;
}

/* Who called sudo. Returns false if it was not sudo that started this. */
static bool sudo_user(uid_t *uid, gid_t *gid)
{
	const char *names[2] = { "SUDO_UID", "SUDO_GID" };
	unsigned long ids[2];
	int i;

	if (geteuid() != 0 || getuid() != 0)
		return false;
	for (i = 0; i < 2; i++) {
		const char *text = getenv(names[i]);
		char *end;

		if (!text || !*text)
			return false;
		ids[i] = strtoul(text, &end, 10);
		if (*end || ids[i] >= UINT32_MAX)
			return false;
	}
	*uid = (uid_t)ids[0];
	*gid = (gid_t)ids[1];
	return true;
}

int output_drop_privileges(struct output *output)
{
	const struct passwd *user;
	uid_t uid;
	gid_t gid;

	if (!sudo_user(&uid, &gid) || uid == 0)
		return 0;
	user = getpwuid(uid);
	if ((user ? initgroups(user->pw_name, gid) : setgroups(1, &gid)) ||
	    setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
		return failed(output, "cannot become user %u, who called sudo",
			      (unsigned int)uid);
	return 0;
}

int output_init(struct output *output, const char *path, bool rotates,
		uint64_t keep)
{
	*output = (struct output){
		.path = path, .rotates = rotates, .keep = keep, .fd = -1
	};
	/* a block that crosses the chunk's end runs into what is behind it */
	output->buffer = malloc(OUTPUT_CHUNK + PCAPNG_BLOCK_MAX);
	if (keep)
		output->names = calloc(keep, sizeof(*output->names));
	if (!output->buffer || (keep && !output->names))
		return failed(output, "%s", path);
	return 0;
}

void output_free(struct output *output)
{
	for (uint64_t i = 0; output->names && i < output->keep; i++)
		free(output->names[i]);
	free(output->names);
	free(output->name);
	free(output->buffer);
}

/*
 * The name of the next file: as given, or before its extension a number and the
 * time, as dumpcap does it.
 */
static char *next_name(const struct output *output)
{
	const char *base = strrchr(output->path, '/');
	const char *extension = strrchr(base ? base + 1 : output->path, '.');
	size_t stem = strlen(output->path);
	time_t now = time(NULL);
	char stamp[32];
	struct tm tm;
	char *name;

	if (!output->rotates)
		return strdup(output->path);
	if (extension && extension != output->path &&
	    (!base || extension != base + 1))
		stem = (size_t)(extension - output->path);
	localtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%d%H%M%S", &tm);
	if (asprintf(&name, "%.*s_%05lu_%s%s", (int)stem, output->path,
		     output->number, stamp, output->path + stem) < 0)
		return NULL;
	return name;
}

/* Only the last ones are kept. */
static int keep_name(struct output *output)
{
	char **oldest;

	if (!output->keep)
		return 0;
	oldest = &output->names[(output->number - 1) % output->keep];
	if (*oldest && unlink(*oldest) && errno != ENOENT)
		return failed(output, "cannot remove %s", *oldest);
	free(*oldest);
	*oldest = strdup(output->name);
	return *oldest ? 0 : failed(output, "%s", output->name);
}

static int open_file(struct output *output)
{
	struct stat stat;
	uid_t uid;
	gid_t gid;

	free(output->name);
	output->name = next_name(output);
	if (!output->name)
		return failed(output, "%s", output->path);
	/* packets are nobody else's business */
	output->fd = open(output->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
			  0600);
	if (output->fd >= 0) {
		if (sudo_user(&uid, &gid) && fchown(output->fd, uid, gid))
			return failed(output, "cannot give %s to user %u",
				      output->name, (unsigned int)uid);
	} else if (errno == EEXIST) {
		/* it keeps its owner and mode, and may be a pipe */
		output->fd = open(output->name,
				  O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	}
	if (output->fd < 0 || fstat(output->fd, &stat))
		return failed(output, "cannot write to %s", output->name);
	output->is_pipe = S_ISFIFO(stat.st_mode);
	return keep_name(output);
}

int output_open(struct output *output)
{
	struct stat stat;

	output->total += output->written;
	output->written = 0;
	output->number++;
	if (strcmp(output->path, "-") != 0)
		return open_file(output);
	if (isatty(STDOUT_FILENO)) {
		snprintf(output->error, sizeof(output->error),
			 "standard output is a terminal; use | tcpdump -r -, or a file");
		return -1;
	}
	output->fd = STDOUT_FILENO;
	if (fstat(output->fd, &stat))
		return failed(output, "standard output");
	output->is_pipe = S_ISFIFO(stat.st_mode) || S_ISSOCK(stat.st_mode);
	return 0;
}

static int write_all(struct output *output, uint64_t size)
{
	const unsigned char *at = output->buffer;
	ssize_t n;

	if (*output->error)
		return -1;
	while (size) {
		n = write(output->fd, at, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			output->reader_gone = errno == EPIPE ||
					      errno == ECONNRESET;
			return failed(output, "cannot write to %s",
				      output->name ? output->name :
						     "standard output");
		}
		at += n;
		size -= (uint64_t)n;
		output->written += (uint64_t)n;
		output->used -= (uint64_t)n;
	}
	return 0;
}

void output_write_chunk(struct output *output)
{
	uint64_t rest = output->used - OUTPUT_CHUNK;

	/* whole chunks, so that writes begin and end at pages of the file */
	if (write_all(output, OUTPUT_CHUNK)) {
		output->used = 0;
		return;
	}
	memmove(output->buffer, output->buffer + OUTPUT_CHUNK, rest);
}

int output_flush(struct output *output)
{
	return write_all(output, output->used);
}

int output_close(struct output *output)
{
	int ret = 0;

	if (output->fd < 0)
		return 0;
	ret = output_flush(output);
	/* some file systems report only now that there is no room */
	if (close(output->fd) && !ret)
		ret = failed(output, "cannot write to %s",
			     output->name ? output->name : "standard output");
	output->fd = -1;
	return ret;
}
