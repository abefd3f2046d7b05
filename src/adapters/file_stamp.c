/* SPDX-License-Identifier: Apache-2.0
 * adapters/file_stamp.c - see file_stamp.h. */
#include "adapters/file_stamp.h"

#include <sys/stat.h>

void bsc_file_stamp_init(struct bsc_file_stamp *stamp, const char *path)
{
    struct stat found;
    *stamp = (struct bsc_file_stamp){ .path = path, .size = -1 };
    if (stat(path, &found) == -1)
        return;
    stamp->modified = found.st_mtim;
    stamp->inode = (int64_t)found.st_ino;
    stamp->size = (int64_t)found.st_size;
}

bool bsc_file_stamp_changed(struct bsc_file_stamp *stamp)
{
    struct bsc_file_stamp before = *stamp;
    bsc_file_stamp_init(stamp, before.path);
    return before.inode != stamp->inode || before.size != stamp->size ||
           before.modified.tv_sec != stamp->modified.tv_sec ||
           before.modified.tv_nsec != stamp->modified.tv_nsec;
}
