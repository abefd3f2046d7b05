/* SPDX-License-Identifier: Apache-2.0
 * api/tail.h - the end of a log file that grows and is rotated, as "INSTANCE | text" lines.
 *
 * Reads regular files only, a bounded piece a call; control characters come out escaped.
 */
#ifndef BASCULE_API_TAIL_H
#define BASCULE_API_TAIL_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/text.h"

enum { BSC_TAIL_LINE_BYTES = 16 * 1024 }; /* a longer line is broken */

struct bsc_tail {
    char *label, *path;
    int fd; /* -1: not there yet */
    dev_t device;
    ino_t inode;
    struct bsc_text partial; /* the beginning of a line whose end has not come */
};

void bsc_tail_init(struct bsc_tail *tail, const char *label, const char *path);
void bsc_tail_deinit(struct bsc_tail *tail);

/* Adds the last `lines` lines, looking at the last `limit_bytes` of the file and, where that is
 * shorter, of the one before it ("PATH.1"). The next bsc_tail_read goes on behind them. */
void bsc_tail_last(struct bsc_tail *tail, unsigned lines, size_t limit_bytes, struct bsc_text *out);

/* Adds what came since, at most some 16 KiB. False when there was nothing. */
bool bsc_tail_read(struct bsc_tail *tail, struct bsc_text *out);

/* Would bsc_tail_read find something? */
bool bsc_tail_has_more(const struct bsc_tail *tail);

/* Adds a last line without an end. */
void bsc_tail_flush(struct bsc_tail *tail, struct bsc_text *out);

#endif
