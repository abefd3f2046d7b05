/* SPDX-License-Identifier: Apache-2.0
 * base/descriptors.c - see descriptors.h. */
#include "base/descriptors.h"

static rlim_t started_with; /* 0: never raised */

void bsc_descriptors_raise(void)
{
    struct rlimit limit;
    if (started_with || getrlimit(RLIMIT_NOFILE, &limit) == -1)
        return;
    started_with = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

struct rlimit bsc_descriptors_lower(void)
{
    struct rlimit now = { 0 };
    if (!started_with || getrlimit(RLIMIT_NOFILE, &now) == -1)
        return (struct rlimit){ 0 };
    struct rlimit child = { .rlim_cur = started_with, .rlim_max = now.rlim_max };
    setrlimit(RLIMIT_NOFILE, &child);
    return now;
}

void bsc_descriptors_restore(const struct rlimit *limit)
{
    if (limit->rlim_max)
        setrlimit(RLIMIT_NOFILE, limit);
}
