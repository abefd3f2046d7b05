/* SPDX-License-Identifier: Apache-2.0
 * lib/internal.h - what a deployer is made of.
 */
#ifndef BASCULE_LIB_INTERNAL_H
#define BASCULE_LIB_INTERNAL_H

#include <pthread.h>

#include "bascule/deployer.h"
#include "core/record.h"
#include "core/slots.h"

struct bsc_environment_place {
    struct bascule_deployment deployment;
    bool occupied;
    size_t record; /* index of its record + 1; 0: none */
};

struct bascule_deployer {
    struct bascule_deployer_ports ports;
    struct bascule_deployer_options options;
    pthread_mutex_t lock; /* guards all below; never held while a port is called */
    bool busy;            /* an operation is under way */
    struct bsc_slots slots;
    struct bsc_environment_place environments[BSC_SLOT_COUNT];
    struct bsc_record *records;
    size_t record_count, record_capacity;
    uint64_t next_id;
};

#endif
