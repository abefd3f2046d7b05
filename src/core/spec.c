/* SPDX-License-Identifier: Apache-2.0
 * core/spec.c - a specification's life: created, shared by counting, freed with its arena. */
#include "core/spec.h"

#include <string.h>

#include <assert.h>
#include <stdlib.h>

struct bsc_spec *bsc_spec_create(void)
{
    struct bsc_spec *spec = bsc_alloc(sizeof *spec);
    bsc_arena_init(&spec->arena);
    spec->references = 1;
    return spec;
}

/* The count is atomic: a store may drop its reference on a thread of its own. */
struct bsc_spec *bsc_spec_acquire(struct bsc_spec *spec)
{
    unsigned before = __atomic_fetch_add(&spec->references, 1, __ATOMIC_RELAXED);
    assert(before > 0);
    return spec;
}

void bsc_spec_release(struct bsc_spec *spec)
{
    if (!spec)
        return;
    unsigned before = __atomic_fetch_sub(&spec->references, 1, __ATOMIC_ACQ_REL);
    assert(before > 0);
    if (before > 1)
        return;
    bsc_arena_deinit(&spec->arena);
    free(spec);
}

static const char weight_mark[] = " weight=";

size_t bsc_target_address_size(const char *target)
{
    const char *mark = strstr(target, weight_mark);
    return mark ? (size_t)(mark - target) : strlen(target);
}

unsigned bsc_target_weight(const char *target)
{
    const char *mark = strstr(target, weight_mark);
    unsigned long weight = mark ? strtoul(mark + sizeof weight_mark - 1, NULL, 10) : 1;
    return weight >= 1 && weight <= BSC_WEIGHT_MAX ? (unsigned)weight : 1;
}

const struct bsc_upstream_tls_spec *bsc_upstream_tls(const struct bsc_spec *spec)
{
    return spec->upstream_tls.enabled ? &spec->upstream_tls : NULL;
}

unsigned bsc_spec_instances(const struct bsc_spec *spec, enum bsc_slot slot)
{
    return spec->runtime == BSC_RUNTIME_STATIC ? spec->targets[slot].count : spec->replicas;
}

unsigned bsc_amount_of(struct bsc_amount amount, unsigned total, bool round_up)
{
    uint64_t exact = (uint64_t)total * amount.number + (round_up ? 99 : 0);
    uint64_t number = amount.percent ? exact / 100 : amount.number;
    return number < total ? (unsigned)number : total;
}

unsigned bsc_spec_capacity(const struct bsc_spec *spec, unsigned total)
{
    unsigned gone = bsc_amount_of(spec->deploy.max_unavailable, total, false);
    return gone < total ? total - gone : 1;
}

const char *bsc_retry_cause_name(unsigned index)
{
    static const char *const names[] = { "connect", "reset", "timeout", "502", "503", "504" };
    return index < sizeof names / sizeof *names ? names[index] : NULL;
}

unsigned bsc_ab_decides(const struct bsc_ab_spec *ab)
{
    for (unsigned i = 0; ab->decide && i < ab->goal_count; i++)
        if (!strcmp(ab->goals[i].name, ab->decide))
            return i;
    return ab->decide ? ab->goal_count : 0;
}
