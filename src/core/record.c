/* SPDX-License-Identifier: Apache-2.0
 * core/record.c - see record.h. */
#include "core/record.h"

#include <string.h>

static const char *const status_names[BSC_RECORD_STATUS_COUNT] = {
    [BSC_RECORD_IN_PROGRESS] = "in-progress",
    [BSC_RECORD_READY] = "ready",
    [BSC_RECORD_LIVE] = "live",
    [BSC_RECORD_REPLACED] = "replaced",
    [BSC_RECORD_ROLLED_BACK] = "rolled-back",
    [BSC_RECORD_FAILED] = "failed",
};

void bsc_record_go_live(struct bsc_record *next, struct bsc_record *previous, bool undo,
                        int64_t now_ms)
{
    if (previous && previous->status == BSC_RECORD_LIVE) {
        previous->status = undo ? BSC_RECORD_ROLLED_BACK : BSC_RECORD_REPLACED;
        if (undo)
            previous->rolled_back_at_ms = now_ms;
    }
    next->status = BSC_RECORD_LIVE;
    if (!next->switched_at_ms)
        next->switched_at_ms = now_ms;
}

const char *bsc_record_status_name(enum bsc_record_status status)
{
    return status_names[status];
}

bool bsc_record_status_parse(const char *name, enum bsc_record_status *out)
{
    for (unsigned i = 0; i < BSC_RECORD_STATUS_COUNT; i++)
        if (!strcmp(name, status_names[i])) {
            *out = (enum bsc_record_status)i;
            return true;
        }
    return false;
}
