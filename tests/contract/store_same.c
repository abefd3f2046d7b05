/* SPDX-License-Identifier: Apache-2.0
 * contract/store_same.c - see store_same.h. */
#include "store_same.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "config/config.h"

void assert_same_spec(const struct bsc_spec *got, const struct bsc_spec *want)
{
    struct bsc_text got_text = { 0 }, want_text = { 0 };
    assert_string_equal(got->name, want->name);
    if (want->version)
        assert_string_equal(got->version, want->version);
    else
        assert_null(got->version);
    bsc_spec_write_json(got, &got_text);
    bsc_spec_write_json(want, &want_text);
    assert_string_equal(bsc_text_get(&got_text), bsc_text_get(&want_text));
    bsc_text_deinit(&got_text);
    bsc_text_deinit(&want_text);
}

void assert_same_service(const struct bsc_service_row *got, const struct bsc_service_row *want)
{
    assert_string_equal(got->name, want->name);
    assert_same_spec(got->spec, want->spec);
    assert_field(got, want, slots.live);
    assert_field(got, want, standby_until_ms);
    assert_field(got, want, removed);
    assert_field(got, want, traffic);
    assert_field(got, want, generation);
    assert_field(got, want, stable);
    assert_string_equal(got->affinity_key, want->affinity_key);
    assert_field(got, want, lock.at_ms);
    assert_string_equal(got->lock.actor, want->lock.actor);
    assert_string_equal(got->lock.reason, want->lock.reason);
    assert_field(got, want, next.rollout);
    assert_field(got, want, next.release);
    assert_field(got, want, next.kind);
    assert_string_equal(got->next.actor, want->next.actor);
    assert_field(got, want, next.group.id);
    assert_string_equal(got->next.group.name, want->next.group.name);
    for (unsigned slot = 0; slot < BSC_SLOT_COUNT; slot++) {
        assert_field(got, want, slots.state[slot]);
        assert_field(got, want, slots.checked[slot]);
        assert_field(got, want, release[slot]);
        assert_field(got, want, record[slot]);
        assert_field(got, want, weight_bp[slot]);
    }
}

void assert_same_instance(const struct bsc_instance_row *got, const struct bsc_instance_row *want)
{
    assert_string_equal(got->id, want->id);
    assert_string_equal(got->service, want->service);
    assert_string_equal(got->address, want->address);
    assert_field(got, want, release);
    assert_field(got, want, slot);
    assert_field(got, want, position);
    assert_field(got, want, port);
    assert_field(got, want, phase);
    assert_field(got, want, healthy);
}

void assert_same_rollout(const struct bsc_rollout_row *got, const struct bsc_rollout_row *want)
{
    assert_string_equal(got->service, want->service);
    assert_string_equal(got->actor, want->actor);
    assert_string_equal(got->reason, want->reason);
    assert_field(got, want, id);
    assert_field(got, want, kind);
    assert_field(got, want, strategy);
    assert_field(got, want, release);
    assert_field(got, want, record);
    assert_field(got, want, slot);
    assert_field(got, want, walk.status);
    assert_field(got, want, walk.ending);
    assert_field(got, want, walk.cursor);
    assert_field(got, want, walk.paused);
    assert_field(got, want, paused_ms);
    assert_string_equal(got->paused_by, want->paused_by);
    assert_field(got, want, baked_ms);
    assert_field(got, want, group.id);
    assert_string_equal(got->group.name, want->group.name);
    assert_field(got, want, started_ms);
    assert_field(got, want, ended_ms);
    assert_field(got, want, error);
    assert_field(got, want, passed);
    assert_field(got, want, total);
    assert_memory_equal(&got->before, &want->before, sizeof want->before);
    assert_field(got, want, plan.count);
    for (unsigned i = 0; i < want->plan.count; i++) {
        const struct bsc_step *a = &got->plan.steps[i], *b = &want->plan.steps[i];
        assert_field(a, b, kind);
        assert_field(a, b, state);
        assert_field(a, b, undo);
        assert_field(a, b, slot);
        assert_field(a, b, hook);
        assert_field(a, b, weight_bp);
        assert_field(a, b, instances);
        assert_field(a, b, duration_ms);
        assert_field(a, b, timeout_ms);
    }
}

void assert_same_record(const struct bsc_record *got, const struct bsc_record *want)
{
    assert_string_equal(got->version, want->version);
    assert_string_equal(got->reason, want->reason);
    assert_field(got, want, id);
    assert_field(got, want, slot);
    assert_field(got, want, status);
    assert_field(got, want, deployed_at_ms);
    assert_field(got, want, switched_at_ms);
    assert_field(got, want, rolled_back_at_ms);
    assert_field(got, want, error);
}

void assert_same_release(const struct bsc_release_row *got, const struct bsc_release_row *want)
{
    assert_field(got, want, id);
    assert_string_equal(got->service, want->service);
    assert_same_spec(got->spec, want->spec);
    assert_field(got, want, created_ms);
    assert_field(got, want, live_ms);
    assert_field(got, want, rejected);
    assert_field(got, want, group);
    assert_string_equal(got->image, want->image);
}
