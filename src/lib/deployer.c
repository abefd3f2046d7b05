/* SPDX-License-Identifier: Apache-2.0
 * lib/deployer.c - see bascule/deployer.h. The rules are core/slots and core/record, the same that
 * the release engine uses; this file adds the injected world, the history and the callers' turns.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "lib/internal.h"

static enum bascule_result fail(struct bascule_error *error, enum bascule_result result,
                                enum bsc_slot slot, const char *format, ...) BSC_PRINTF(4, 5);

static enum bascule_result fail(struct bascule_error *error, enum bascule_result result,
                                enum bsc_slot slot, const char *format, ...)
{
    if (!error)
        return result;
    *error =
        (struct bascule_error){ .result = result, .environment = (enum bascule_environment)slot };
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return result;
}

static enum bascule_result result_of(enum bsc_status status)
{
    switch (status) {
    case BSC_OK:
        return BASCULE_OK;
    case BSC_BUSY:
        return BASCULE_ENVIRONMENT_BUSY;
    case BSC_NO_ROLLBACK:
        return BASCULE_ROLLBACK_FAILED;
    default:
        return BASCULE_INVALID_STATE;
    }
}

struct bascule_deployer *bascule_deployer_create(const struct bascule_deployer_ports *ports,
                                                 const struct bascule_deployer_options *options)
{
    struct bascule_deployer_options chosen = { 0 };
    if (options)
        chosen = *options;
    if (!ports || !ports->check || !ports->switch_to || !ports->now_ms ||
        chosen.min_healthy_percent > 100 || chosen.health_check_timeout_ms < 0 ||
        chosen.switch_timeout_ms < 0)
        return NULL;
    struct bascule_deployer *deployer = bsc_alloc(sizeof *deployer);
    deployer->ports = *ports;
    deployer->options = (struct bascule_deployer_options){
        .health_check_timeout_ms =
            chosen.health_check_timeout_ms ? chosen.health_check_timeout_ms : 30000,
        .health_check_retries = chosen.health_check_retries ? chosen.health_check_retries : 3,
        .min_healthy_percent = chosen.min_healthy_percent ? chosen.min_healthy_percent : 100,
        .switch_timeout_ms = chosen.switch_timeout_ms ? chosen.switch_timeout_ms : 60000,
    };
    pthread_mutex_init(&deployer->lock, NULL);
    bsc_slots_init(&deployer->slots);
    deployer->environments[BSC_BLUE].occupied = true; /* what was there before, unknown to us */
    return deployer;
}

void bascule_deployer_destroy(struct bascule_deployer *deployer)
{
    if (!deployer)
        return;
    pthread_mutex_destroy(&deployer->lock);
    free(deployer->records);
    free(deployer);
}

/* The caller's turn begins: one at a time, nobody waits. The lock is held when it succeeds. */
static enum bascule_result claim(struct bascule_deployer *deployer, struct bascule_error *error)
{
    pthread_mutex_lock(&deployer->lock);
    if (!deployer->busy) {
        deployer->busy = true;
        return BASCULE_OK;
    }
    enum bsc_slot staging = bsc_slots_staging(&deployer->slots);
    pthread_mutex_unlock(&deployer->lock);
    return fail(error, BASCULE_ENVIRONMENT_BUSY, staging,
                "%s is busy: another operation is under way", bsc_slot_name(staging));
}

static enum bascule_result release(struct bascule_deployer *deployer, enum bascule_result result)
{
    deployer->busy = false;
    pthread_mutex_unlock(&deployer->lock);
    return result;
}

static enum bascule_result may(struct bascule_deployer *deployer, enum bsc_slot_event event,
                               struct bascule_error *error)
{
    struct bsc_error why;
    enum bsc_status status = bsc_slots_can(&deployer->slots, event, &why);
    if (status == BSC_OK)
        return BASCULE_OK;
    return fail(error, result_of(status), bsc_slots_staging(&deployer->slots), "%s", why.text);
}

/* Only after may(), or in a state that allows it. */
static void apply(struct bascule_deployer *deployer, enum bsc_slot_event event)
{
    (void)!bsc_slots_apply(&deployer->slots, event, NULL);
}

static int64_t now(const struct bascule_deployer *deployer)
{
    return deployer->ports.now_ms(deployer->ports.context);
}

static struct bsc_record *record_of(struct bascule_deployer *deployer, enum bsc_slot slot)
{
    size_t index = deployer->environments[slot].record;
    return index ? &deployer->records[index - 1] : NULL;
}

/* How a deployment that never went live ends. One that was live has its ending already. */
static void record_end(struct bsc_record *record, enum bsc_record_status status)
{
    if (record && (record->status == BSC_RECORD_READY || record->status == BSC_RECORD_IN_PROGRESS))
        record->status = status;
}

static void record_add(struct bascule_deployer *deployer, enum bsc_slot slot, const char *version)
{
    record_end(record_of(deployer, slot), BSC_RECORD_REPLACED);
    deployer->records = bsc_grow(deployer->records, &deployer->record_capacity,
                                 deployer->record_count + 1, sizeof *deployer->records);
    struct bsc_record *record = &deployer->records[deployer->record_count++];
    *record = (struct bsc_record){ .id = ++deployer->next_id,
                                   .slot = slot,
                                   .status = BSC_RECORD_IN_PROGRESS,
                                   .deployed_at_ms = now(deployer) };
    snprintf(record->version, sizeof record->version, "%s", version);
    deployer->environments[slot].record = deployer->record_count;
}

/* The deployment in staging is of no use any more. */
static void staging_failed(struct bascule_deployer *deployer)
{
    record_end(record_of(deployer, bsc_slots_staging(&deployer->slots)), BSC_RECORD_FAILED);
    apply(deployer, BSC_SLOT_CHECK_FAILED);
}

static enum bascule_result do_deploy(struct bascule_deployer *deployer, const char *version,
                                     const char *image, unsigned replicas,
                                     enum bascule_environment *out, struct bascule_error *error)
{
    enum bsc_slot slot = bsc_slots_staging(&deployer->slots);
    struct bsc_environment_place *environment = &deployer->environments[slot];
    struct bascule_deployment deployment = { .replicas = replicas, .started_at_ms = now(deployer) };
    char reason[256] = "";
    struct bsc_error invalid;
    if (bsc_version_check(version ? version : "", &invalid) != BSC_OK)
        return fail(error, BASCULE_INVALID_ARGUMENT, slot, "%s", invalid.text);
    if (!replicas || (image && strlen(image) >= sizeof deployment.image))
        return fail(error, BASCULE_INVALID_ARGUMENT, slot, "%s",
                    replicas ? "the image's name is too long" : "replicas must be at least 1");
    enum bascule_result result = may(deployer, BSC_SLOT_DEPLOY, error);
    if (result != BASCULE_OK)
        return result;
    snprintf(deployment.version, sizeof deployment.version, "%s", version);
    snprintf(deployment.image, sizeof deployment.image, "%s", image ? image : "");
    apply(deployer, BSC_SLOT_DEPLOY);
    record_add(deployer, slot, version);
    environment->occupied = true;
    environment->deployment = deployment;
    if (out)
        *out = (enum bascule_environment)slot;

    pthread_mutex_unlock(&deployer->lock);
    bool started = !deployer->ports.start ||
                   deployer->ports.start(deployer->ports.context, (enum bascule_environment)slot,
                                         &deployment, reason, sizeof reason);
    pthread_mutex_lock(&deployer->lock);
    if (!started) {
        staging_failed(deployer);
        return fail(error, BASCULE_DEPLOY_FAILED, slot, "starting %s in %s failed: %s", version,
                    bsc_slot_name(slot), *reason ? reason : "no reason given");
    }
    apply(deployer, BSC_SLOT_DEPLOYED);
    environment->deployment.completed_at_ms = now(deployer);
    return BASCULE_OK;
}

static bool enough(const struct bascule_deployer *deployer,
                   const struct bascule_check_result *result)
{
    unsigned total = result->passed + result->failed;
    unsigned needed = (total * deployer->options.min_healthy_percent + 99) / 100;
    return result->passed >= (needed ? needed : 1);
}

/* Rounds of checks until one is good enough, the retries are used up or the time is over. */
static void run_checks(struct bascule_deployer *deployer, enum bsc_slot slot,
                       struct bascule_check_result *result)
{
    int64_t began = now(deployer), left = deployer->options.health_check_timeout_ms;
    for (unsigned round = 0; round < deployer->options.health_check_retries && left > 0; round++) {
        memset(result, 0, sizeof *result);
        deployer->ports.check(deployer->ports.context, (enum bascule_environment)slot, left,
                              result);
        result->duration_ms = now(deployer) - began;
        left = deployer->options.health_check_timeout_ms - result->duration_ms;
        result->healthy = enough(deployer, result) && left >= 0;
        if (result->healthy)
            return;
    }
}

static enum bascule_result do_health_check(struct bascule_deployer *deployer,
                                           struct bascule_check_result *out,
                                           struct bascule_error *error)
{
    enum bsc_slot slot = bsc_slots_staging(&deployer->slots);
    enum bascule_result status = may(deployer, BSC_SLOT_CHECK_PASSED, error);
    if (status != BASCULE_OK)
        return status;
    struct bascule_check_result result = { 0 };
    pthread_mutex_unlock(&deployer->lock);
    run_checks(deployer, slot, &result);
    pthread_mutex_lock(&deployer->lock);
    if (out)
        *out = result;
    deployer->environments[slot].deployment.health_check_passed = result.healthy;
    if (!result.healthy) {
        staging_failed(deployer);
        fail(error, BASCULE_HEALTH_CHECK_FAILED, slot, "%s: %u of %u health checks passed",
             bsc_slot_name(slot), result.passed, result.passed + result.failed);
        if (error) {
            error->passed = result.passed;
            error->total = result.passed + result.failed;
        }
        return BASCULE_HEALTH_CHECK_FAILED;
    }
    apply(deployer, BSC_SLOT_CHECK_PASSED);
    struct bsc_record *record = record_of(deployer, slot);
    if (record && record->status == BSC_RECORD_IN_PROGRESS)
        record->status = BSC_RECORD_READY;
    return BASCULE_OK;
}

/* Asks the switcher. One that came too late is sent back to where the traffic was. */
static enum bascule_result move_traffic(struct bascule_deployer *deployer, enum bsc_slot to,
                                        enum bascule_result failure, struct bascule_error *error)
{
    const struct bascule_deployer_ports *ports = &deployer->ports;
    char reason[256] = "", back[256] = "";
    int64_t limit = deployer->options.switch_timeout_ms;
    pthread_mutex_unlock(&deployer->lock);
    int64_t began = ports->now_ms(ports->context);
    bool moved = ports->switch_to(ports->context, (enum bascule_environment)to, limit, reason,
                                  sizeof reason);
    bool late = ports->now_ms(ports->context) - began > limit;
    bool undone =
        !late || ports->switch_to(ports->context, (enum bascule_environment)bsc_slot_other(to),
                                  limit, back, sizeof back);
    pthread_mutex_lock(&deployer->lock);
    if (late)
        return fail(error, BASCULE_TIMEOUT, to, "switching to %s took longer than %lld ms%s%s",
                    bsc_slot_name(to), (long long)limit,
                    undone ? "" : "; switching back failed: ", undone ? "" : back);
    if (!moved)
        return fail(error, failure, to, "switching to %s failed: %s", bsc_slot_name(to),
                    *reason ? reason : "no reason given");
    return BASCULE_OK;
}

static enum bascule_result do_switch(struct bascule_deployer *deployer, struct bascule_error *error)
{
    enum bsc_slot old = deployer->slots.live, next = bsc_slot_other(old);
    enum bascule_result result = may(deployer, BSC_SLOT_SWITCH, error);
    if (result != BASCULE_OK)
        return result;
    result = move_traffic(deployer, next, BASCULE_SWITCH_FAILED, error);
    if (result != BASCULE_OK) {
        staging_failed(deployer);
        return result;
    }
    apply(deployer, BSC_SLOT_SWITCH);
    bsc_record_go_live(record_of(deployer, next), record_of(deployer, old), false, now(deployer));
    return BASCULE_OK;
}

static enum bascule_result do_rollback(struct bascule_deployer *deployer,
                                       struct bascule_error *error)
{
    enum bsc_slot undone = deployer->slots.live, back = bsc_slot_other(undone);
    enum bascule_result result = may(deployer, BSC_SLOT_ROLLBACK, error);
    if (result != BASCULE_OK)
        return result;
    result = move_traffic(deployer, back, BASCULE_ROLLBACK_FAILED, error);
    if (result != BASCULE_OK)
        return result;
    apply(deployer, BSC_SLOT_ROLLBACK);
    record_add(deployer, back, deployer->environments[back].deployment.version);
    bsc_record_go_live(record_of(deployer, back), record_of(deployer, undone), true, now(deployer));
    return BASCULE_OK;
}

enum bascule_result bascule_deploy(struct bascule_deployer *deployer, const char *version,
                                   const char *image, unsigned replicas,
                                   enum bascule_environment *out, struct bascule_error *error)
{
    enum bascule_result result = claim(deployer, error);
    if (result != BASCULE_OK)
        return result;
    return release(deployer, do_deploy(deployer, version, image, replicas, out, error));
}

enum bascule_result bascule_health_check(struct bascule_deployer *deployer,
                                         struct bascule_check_result *out,
                                         struct bascule_error *error)
{
    enum bascule_result result = claim(deployer, error);
    if (result != BASCULE_OK)
        return result;
    return release(deployer, do_health_check(deployer, out, error));
}

enum bascule_result bascule_switch(struct bascule_deployer *deployer, struct bascule_error *error)
{
    enum bascule_result result = claim(deployer, error);
    if (result != BASCULE_OK)
        return result;
    return release(deployer, do_switch(deployer, error));
}

enum bascule_result bascule_rollback(struct bascule_deployer *deployer, struct bascule_error *error)
{
    enum bascule_result result = claim(deployer, error);
    if (result != BASCULE_OK)
        return result;
    return release(deployer, do_rollback(deployer, error));
}

enum bascule_result bascule_deploy_and_switch(struct bascule_deployer *deployer,
                                              const char *version, const char *image,
                                              unsigned replicas, struct bascule_error *error)
{
    enum bascule_result result = claim(deployer, error);
    if (result != BASCULE_OK)
        return result;
    result = do_deploy(deployer, version, image, replicas, NULL, error);
    if (result == BASCULE_OK)
        result = do_health_check(deployer, NULL, error);
    if (result == BASCULE_OK)
        result = do_switch(deployer, error);
    return release(deployer, result);
}

enum bascule_result bascule_cleanup_staging(struct bascule_deployer *deployer,
                                            struct bascule_error *error)
{
    enum bascule_result result = claim(deployer, error);
    if (result != BASCULE_OK)
        return result;
    enum bsc_slot slot = bsc_slots_staging(&deployer->slots);
    result = may(deployer, BSC_SLOT_EMPTY, error);
    if (result != BASCULE_OK)
        return release(deployer, result);
    record_end(record_of(deployer, slot), BSC_RECORD_REPLACED);
    apply(deployer, BSC_SLOT_EMPTY);
    deployer->environments[slot] = (struct bsc_environment_place){ 0 };
    pthread_mutex_unlock(&deployer->lock);
    if (deployer->ports.stop)
        deployer->ports.stop(deployer->ports.context, (enum bascule_environment)slot);
    pthread_mutex_lock(&deployer->lock);
    return release(deployer, BASCULE_OK);
}
