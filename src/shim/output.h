/* SPDX-License-Identifier: Apache-2.0
 * shim/output.h - the output of the command, in files of bounded size: log, log.1, log.2 ...
 *
 * What can't be written (full disk, I/O error) is dropped and counted, never waited for: the
 * command must not block on its own output. The count is written as a line once writing works.
 */
#ifndef BASCULE_SHIM_OUTPUT_H
#define BASCULE_SHIM_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct bsc_output {
    int directory;                  /* borrowed */
    int file;                       /* -1: could not be opened, tried again with the next output */
    int64_t file_bytes, size_bytes; /* at most, now */
    unsigned files;                 /* at most, `log` included */
    uint64_t dropped_bytes;         /* not yet told in the log */
    int dropped_number;             /* errno of the last failure */
    bool middle_of_line;
};

/* Goes on with a `log` that is there. */
enum bsc_status bsc_output_init(struct bsc_output *output, int directory, int64_t file_bytes,
                                unsigned files, struct bsc_error *error) BSC_MUST_CHECK;
void bsc_output_deinit(struct bsc_output *output);

/* Rotates at the end of a line where there is one. */
void bsc_output_write(struct bsc_output *output, const char *bytes, size_t size);

#endif
