/* SPDX-License-Identifier: Apache-2.0
 * adapters/docker_log.h - the output of a container, kept in files as the shim keeps that of a
 * process: DIRECTORY/log and log.1, at most 1 MiB each.
 *
 * The Engine sends it in frames, each line with its time before it. The time of the last one that
 * was written is the file's own, so that it is known what to ask for after a restart.
 */
#ifndef BASCULE_ADAPTERS_DOCKER_LOG_H
#define BASCULE_ADAPTERS_DOCKER_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/text.h"

struct bsc_docker_log {
    int directory; /* owned; -1: it could not be opened, and what comes is dropped */
    int file;      /* -1: not open */
    int64_t size_bytes;
    struct bsc_text pending; /* the beginning of a frame */
    struct timespec last;    /* of what was written last; 0: nothing was */
};

/* Takes `directory`; goes on with a log that is there. */
void bsc_docker_log_init(struct bsc_docker_log *log, int take_directory);
void bsc_docker_log_deinit(struct bsc_docker_log *log);

/* A piece of the Engine's stream, with timestamps. */
void bsc_docker_log_add(struct bsc_docker_log *log, const char *bytes, size_t size);
/* A new stream begins: what is left of the old one is nothing. */
void bsc_docker_log_restart(struct bsc_docker_log *log);
/* "1700000000.000000001": of the first line that is not there yet; "0": all are wanted. */
void bsc_docker_log_since(const struct bsc_docker_log *log, char *out, size_t size);

#endif
