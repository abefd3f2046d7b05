/* SPDX-License-Identifier: Apache-2.0
 * core/record.h - the history of a service: one record a deployment.
 *
 * Pure. Never two records live: bsc_record_go_live is the only way to `live`.
 */
#ifndef BASCULE_CORE_RECORD_H
#define BASCULE_CORE_RECORD_H

#include <stdint.h>

#include "core/slots.h"
#include "core/spec.h"

enum bsc_record_status {
    BSC_RECORD_IN_PROGRESS,
    BSC_RECORD_READY,
    BSC_RECORD_LIVE,
    BSC_RECORD_REPLACED,
    BSC_RECORD_ROLLED_BACK,
    BSC_RECORD_FAILED,
    BSC_RECORD_STATUS_COUNT
};

enum { BSC_REASON_BYTES = 1024 };

struct bsc_record {
    uint64_t id;        /* of the deployment; shown as "d12" */
    enum bsc_slot slot; /* environment */
    char version[BSC_VERSION_MAX + 1];
    enum bsc_record_status status;
    int64_t deployed_at_ms, switched_at_ms, rolled_back_at_ms; /* wall clock; 0: not (yet) */
    enum bsc_status error;         /* what made it fail; BSC_OK: nothing, or somebody's wish */
    char reason[BSC_REASON_BYTES]; /* why it failed or was rolled back; else "" */
};

/* `next` becomes live now. `previous` (NULL: none) becomes replaced, or rolled-back when `undo`. */
void bsc_record_go_live(struct bsc_record *next, struct bsc_record *previous, bool undo,
                        int64_t now_ms);

const char *bsc_record_status_name(enum bsc_record_status status);
bool bsc_record_status_parse(const char *name, enum bsc_record_status *out);

#endif
