/* SPDX-License-Identifier: Apache-2.0
 * adapters/file_stamp.h - how a file was when it was last looked at: is it another one by now?
 */
#ifndef BASCULE_ADAPTERS_FILE_STAMP_H
#define BASCULE_ADAPTERS_FILE_STAMP_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct bsc_file_stamp {
    const char *path; /* borrowed */
    struct timespec modified;
    int64_t inode, size; /* -1: it was not there */
};

/* Looks at the file for the first time. */
void bsc_file_stamp_init(struct bsc_file_stamp *stamp, const char *path);
/* Looks again; true when it is not as it was. */
bool bsc_file_stamp_changed(struct bsc_file_stamp *stamp);

#endif
