/* SPDX-License-Identifier: Apache-2.0
 * lib/view.c - what a deployer tells of itself, and the names of things.
 */
#include <stdio.h>

#include "lib/internal.h"

enum bascule_environment bascule_live_environment(struct bascule_deployer *deployer)
{
    pthread_mutex_lock(&deployer->lock);
    enum bsc_slot live = deployer->slots.live;
    pthread_mutex_unlock(&deployer->lock);
    return (enum bascule_environment)live;
}

enum bascule_environment bascule_staging_environment(struct bascule_deployer *deployer)
{
    return bascule_live_environment(deployer) == BASCULE_BLUE ? BASCULE_GREEN : BASCULE_BLUE;
}

enum bascule_environment_state bascule_environment_state_of(struct bascule_deployer *deployer,
                                                            enum bascule_environment environment)
{
    pthread_mutex_lock(&deployer->lock);
    enum bsc_slot_state state = deployer->slots.state[environment];
    pthread_mutex_unlock(&deployer->lock);
    return (enum bascule_environment_state)state;
}

bool bascule_deployment_info(struct bascule_deployer *deployer,
                             enum bascule_environment environment, struct bascule_deployment *out)
{
    pthread_mutex_lock(&deployer->lock);
    const struct bsc_environment_place *place = &deployer->environments[environment];
    bool occupied = place->occupied;
    if (occupied)
        *out = place->deployment;
    pthread_mutex_unlock(&deployer->lock);
    return occupied;
}

size_t bascule_history(struct bascule_deployer *deployer, size_t skip, struct bascule_record *out,
                       size_t size)
{
    pthread_mutex_lock(&deployer->lock);
    size_t count = deployer->record_count;
    for (size_t i = skip; i < count && i - skip < size; i++) {
        const struct bsc_record *record = &deployer->records[i];
        struct bascule_record *copy = &out[i - skip];
        *copy = (struct bascule_record){
            .id = record->id,
            .environment = (enum bascule_environment)record->slot,
            .deployed_at_ms = record->deployed_at_ms,
            .switched_at_ms = record->switched_at_ms,
            .rolled_back_at_ms = record->rolled_back_at_ms,
            .status = (enum bascule_record_status)record->status,
        };
        snprintf(copy->version, sizeof copy->version, "%s", record->version);
    }
    pthread_mutex_unlock(&deployer->lock);
    return count;
}

const char *bascule_environment_name(enum bascule_environment environment)
{
    return bsc_slot_name((enum bsc_slot)environment);
}

const char *bascule_environment_state_name(enum bascule_environment_state state)
{
    return bsc_slot_state_name((enum bsc_slot_state)state);
}

const char *bascule_record_status_name(enum bascule_record_status status)
{
    return bsc_record_status_name((enum bsc_record_status)status);
}

const char *bascule_result_name(enum bascule_result result)
{
    static const char *const names[] = {
        [BASCULE_OK] = "ok",
        [BASCULE_ENVIRONMENT_BUSY] = "environment-busy",
        [BASCULE_HEALTH_CHECK_FAILED] = "health-check-failed",
        [BASCULE_SWITCH_FAILED] = "switch-failed",
        [BASCULE_ROLLBACK_FAILED] = "rollback-failed",
        [BASCULE_INVALID_STATE] = "invalid-state",
        [BASCULE_TIMEOUT] = "timeout",
        [BASCULE_INVALID_ARGUMENT] = "invalid-argument",
        [BASCULE_DEPLOY_FAILED] = "deploy-failed",
    };
    return names[result];
}

/* The public enumerations are the core's, number by number. */
_Static_assert((int)BASCULE_GREEN == (int)BSC_GREEN, "environments");
_Static_assert((int)BASCULE_STATE_IDLE == (int)BSC_SLOT_IDLE &&
                   (int)BASCULE_STATE_DEPLOYING == (int)BSC_SLOT_DEPLOYING &&
                   (int)BASCULE_STATE_READY == (int)BSC_SLOT_READY &&
                   (int)BASCULE_STATE_LIVE == (int)BSC_SLOT_LIVE &&
                   (int)BASCULE_STATE_STANDBY == (int)BSC_SLOT_STANDBY &&
                   (int)BASCULE_STATE_FAILED == (int)BSC_SLOT_FAILED,
               "states");
_Static_assert((int)BASCULE_RECORD_IN_PROGRESS == (int)BSC_RECORD_IN_PROGRESS &&
                   (int)BASCULE_RECORD_READY == (int)BSC_RECORD_READY &&
                   (int)BASCULE_RECORD_LIVE == (int)BSC_RECORD_LIVE &&
                   (int)BASCULE_RECORD_REPLACED == (int)BSC_RECORD_REPLACED &&
                   (int)BASCULE_RECORD_ROLLED_BACK == (int)BSC_RECORD_ROLLED_BACK &&
                   (int)BASCULE_RECORD_FAILED == (int)BSC_RECORD_FAILED,
               "record statuses");
