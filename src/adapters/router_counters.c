/* SPDX-License-Identifier: Apache-2.0
 * adapters/router_counters.c - reading what proxies count; see router_internal.h. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/router_internal.h"

enum { WORDS = sizeof(struct bsc_totals) / sizeof(uint64_t) };
static_assert(sizeof(struct bsc_totals) == sizeof(struct bsc_cell),
              "struct bsc_totals mirrors struct bsc_cell");

enum bsc_status bsc_counters_map(struct bsc_generation *generation, struct bsc_error *error)
{
    const int wanted = F_SEAL_SHRINK | F_SEAL_GROW;
    struct stat file;
    int seals = fcntl(generation->counters_fd, F_GET_SEALS);
    if (seals == -1 || fstat(generation->counters_fd, &file) == -1)
        return bsc_error_errno(error, "its counters");
    size_t bytes =
        sizeof(struct bsc_counters) + (generation->workers + 1) * sizeof(struct bsc_shard);
    if ((seals & wanted) != wanted || !generation->workers ||
        generation->workers > BSC_COUNTERS_WORKERS_MAX || file.st_size < (off_t)bytes)
        return bsc_error_set(error, BSC_INVALID, "its counters have another size or no seal");
    void *memory = mmap(NULL, bytes, PROT_READ, MAP_SHARED, generation->counters_fd, 0);
    if (memory == MAP_FAILED)
        return bsc_error_errno(error, "map its counters");
    generation->counters = memory;
    generation->counters_bytes = bytes;
    if (generation->counters->version != BSC_COUNTERS_VERSION) {
        bsc_counters_unmap(generation);
        return bsc_error_set(error, BSC_INVALID, "its counters have another version");
    }
    return BSC_OK;
}

void bsc_counters_unmap(struct bsc_generation *generation)
{
    if (generation->counters)
        munmap((void *)(uintptr_t)generation->counters, generation->counters_bytes);
    generation->counters = NULL;
}

/* `finished` is read first: what ends in between makes the result too high, never too low. */
uint64_t bsc_counters_in_flight(const struct bsc_generation *generation, unsigned gauge)
{
    uint64_t started = 0, finished = 0;
    if (!generation->counters)
        return UINT64_MAX;
    for (unsigned i = 0; i <= generation->workers; i++)
        finished += bsc_counter_get(&generation->counters->shards[i].gauges[gauge].finished);
    atomic_thread_fence(memory_order_acquire);
    for (unsigned i = 0; i <= generation->workers; i++)
        started += bsc_counter_get(&generation->counters->shards[i].gauges[gauge].started);
    return started > finished ? started - finished : 0;
}

uint64_t bsc_counters_errors(const struct bsc_generation *generation, unsigned gauge)
{
    uint64_t errors = 0;
    for (unsigned i = 0; generation->counters && i < generation->workers; i++)
        errors += bsc_counter_get(&generation->counters->shards[i].gauges[gauge].errors);
    return errors;
}

/* Reading a page of shared memory that was never written would allocate it. */
static bool is_touched(const struct bsc_generation *generation, const void *part, size_t size)
{
    off_t at = (off_t)((const char *)part - (const char *)generation->counters);
    off_t data = lseek(generation->counters_fd, at, SEEK_DATA);
    if (data == -1)
        return errno != ENXIO;
    return data < at + (off_t)size;
}

bool bsc_counters_cell(const struct bsc_generation *generation, unsigned cell,
                       struct bsc_totals *out)
{
    bool touched = false;
    *out = (struct bsc_totals){ 0 };
    for (unsigned i = 0; generation->counters && i < generation->workers; i++) {
        const struct bsc_cell *shared = &generation->counters->shards[i].cells[cell];
        if (!is_touched(generation, shared, sizeof *shared))
            continue;
        touched = true;
        const bsc_counter *words = (const bsc_counter *)shared;
        for (unsigned w = 0; w < WORDS; w++)
            ((uint64_t *)out)[w] += bsc_counter_get(&words[w]);
    }
    return touched;
}

void bsc_counters_bad(const struct bsc_generation *generation, unsigned cell,
                      uint64_t out[static BSC_BAD_WORDS])
{
    for (unsigned i = 0; generation->counters && i < generation->workers; i++) {
        const struct bsc_bad_buckets *bad = &generation->counters->shards[i].bad[cell];
        for (unsigned w = 0; is_touched(generation, bad, sizeof *bad) && w < BSC_BAD_WORDS; w++)
            out[w] |= bsc_counter_get(&bad->words[w]);
    }
}

uint64_t bsc_counters_facts(const struct bsc_generation *generation, unsigned worker)
{
    const bsc_counter *facts = &generation->counters->shards[worker].facts;
    if (!is_touched(generation, facts, sizeof *facts))
        return 0;
    return atomic_load_explicit(facts, memory_order_acquire);
}

/* A worker writes to these from its first turn on, so their memory is there. */
void bsc_counters_figures(const struct bsc_generation *generation, struct bsc_router_figures *sum)
{
    for (unsigned i = 0; generation->counters && i < generation->workers; i++) {
        const struct bsc_shard *shard = &generation->counters->shards[i];
        uint64_t closed = bsc_counter_get(&shard->connections_closed);
        atomic_thread_fence(memory_order_acquire);
        uint64_t opened = bsc_counter_get(&shard->connections_opened);
        sum->connections += opened > closed ? opened - closed : 0;
        sum->connections_opened += opened;
        sum->connections_refused += bsc_counter_get(&shard->connections_refused);
        sum->own_answers += bsc_counter_get(&shard->own_answers);
        sum->held += bsc_counter_get(&shard->held);
        sum->held_refused += bsc_counter_get(&shard->held_refused);
        sum->held_timed_out += bsc_counter_get(&shard->held_timed_out);
        sum->rate_limited += bsc_counter_get(&shard->rate_limited);
        sum->overloaded += bsc_counter_get(&shard->overloaded);
        sum->scarce += bsc_counter_get(&shard->scarce);
        sum->idle_closed += bsc_counter_get(&shard->idle_closed);
        sum->h2_floods += bsc_counter_get(&shard->h2_floods);
        sum->h2_refused_streams += bsc_counter_get(&shard->h2_refused_streams);
        sum->access_dropped += bsc_counter_get(&shard->access_dropped);
    }
}

void bsc_totals_add(struct bsc_totals *sum, const struct bsc_totals *other)
{
    for (unsigned w = 0; w < WORDS; w++)
        ((uint64_t *)sum)[w] += ((const uint64_t *)other)[w];
}

void bsc_totals_subtract(struct bsc_totals *from, const struct bsc_totals *other)
{
    for (unsigned w = 0; w < WORDS; w++)
        ((uint64_t *)from)[w] -= ((const uint64_t *)other)[w];
}
