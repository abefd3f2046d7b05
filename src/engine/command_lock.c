/* SPDX-License-Identifier: Apache-2.0
 * engine/command_lock.c - a service that somebody locked: nothing new is released, and what users
 * could go back to stays. The way back is open all the time.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "engine/internal.h"

enum bsc_status bsc_lock_check(const struct bsc_service *service, struct bsc_error *error)
{
    const struct bsc_lock *lock = &service->row.lock;
    char since[BSC_TIME_BYTES];
    if (!lock->at_ms)
        return BSC_OK;
    return bsc_error_set(error, BSC_LOCKED,
                         "%s is locked by %s since %s: %s. 'bascule unlock %s' allows releases "
                         "again; rollback and abort work all the time",
                         service->name, lock->actor, bsc_time_format(lock->at_ms, since),
                         lock->reason, service->name);
}

/* One line that says something, short enough to be shown everywhere. */
static enum bsc_status check_reason(const char *reason, struct bsc_error *error)
{
    bool says = false;
    for (const char *at = reason; *at; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            return bsc_error_set(error, BSC_INVALID,
                                 "the reason of a lock is one line without control characters");
        says = says || *at != ' ';
    }
    if (!says)
        return bsc_error_set(error, BSC_INVALID,
                             "a lock needs a reason, for whoever meets it: 'incident 42'");
    if (strlen(reason) >= BSC_LOCK_REASON_BYTES)
        return bsc_error_set(error, BSC_INVALID,
                             "the reason of a lock has at most %d bytes, this one %zu",
                             BSC_LOCK_REASON_BYTES - 1, strlen(reason));
    return BSC_OK;
}

void bsc_lock_command(struct bsc_engine *engine, struct bsc_service *service,
                      const struct bsc_event *event)
{
    struct bsc_lock *lock = &service->row.lock;
    struct bsc_error error;
    const char *reason = event->text ? event->text : "";
    const char *actor = event->actor ? event->actor : "bascule";
    if (check_reason(reason, &error) != BSC_OK) {
        bsc_reply(engine, event->token, error.status, 0, "%s", error.text);
        return;
    }
    bool same = !strcmp(lock->reason, reason) && !strncmp(lock->actor, actor, BSC_ACTOR_BYTES - 1);
    if (!same && bsc_lock_check(service, &error) != BSC_OK) { /* whose lock it is stays clear */
        bsc_reply(engine, event->token, error.status, 0, "%s", error.text);
        return;
    }
    if (!lock->at_ms) {
        lock->at_ms = bsc_wall(engine);
        snprintf(lock->actor, sizeof lock->actor, "%s", actor);
        snprintf(lock->reason, sizeof lock->reason, "%s", reason);
        bsc_audit(engine, service, 0, "lock", actor, "%s", reason);
        bsc_touch_row(engine, service);
    }
    char why[BSC_ACTOR_BYTES + BSC_LOCK_REASON_BYTES + 32];
    snprintf(why, sizeof why, "locked by %s: %s", actor, reason);
    unsigned long long dropped = bsc_successor_drop(engine, service, BSC_ROLLOUT_CANCELLED, why);
    if (dropped)
        bsc_reply(engine, event->token, BSC_OK, dropped, "%s is locked; r%llu does not begin",
                  service->name, dropped);
    else if (bsc_rollout_open(service))
        bsc_reply(engine, event->token, BSC_OK, service->rollout->row.id,
                  "%s is locked; r%llu %s: 'bascule abort %s' takes it back", service->name,
                  (unsigned long long)service->rollout->row.id,
                  service->rollout->row.walk.paused ? "stays paused" : "goes on", service->name);
    else
        bsc_reply(engine, event->token, BSC_OK, 0, "%s is locked", service->name);
}

void bsc_unlock_command(struct bsc_engine *engine, struct bsc_service *service,
                        const struct bsc_event *event)
{
    if (!service->row.lock.at_ms) {
        bsc_reply(engine, event->token, BSC_OK, 0, "%s is not locked", service->name);
        return;
    }
    bsc_audit(engine, service, 0, "unlock", event->actor, "was locked by %s: %s",
              service->row.lock.actor, service->row.lock.reason);
    service->row.lock = (struct bsc_lock){ 0 };
    bsc_touch_row(engine, service);
    bsc_reply(engine, event->token, BSC_OK, 0, "%s is unlocked", service->name);
}
