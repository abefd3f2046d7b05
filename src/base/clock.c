/* SPDX-License-Identifier: Apache-2.0
 * base/clock.c - see clock.h. */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_us(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t bsc_clock_boot_us(void)
{
    return read_us(CLOCK_BOOTTIME);
}

int64_t bsc_clock_boot_ms(void)
{
    return read_us(CLOCK_BOOTTIME) / 1000;
}

int64_t bsc_clock_wall_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}

const char *bsc_time_format(int64_t wall_ms, char out[static BSC_TIME_BYTES])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm fields;
    gmtime_r(&seconds, &fields);
    size_t size = strftime(out, BSC_TIME_BYTES, "%Y-%m-%dT%H:%M:%S", &fields);
    snprintf(out + size, BSC_TIME_BYTES - size, ".%03dZ", (int)(wall_ms % 1000));
    return out;
}

static const struct unit {
    const char *name;
    int64_t ms;
} units[] = { { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 } };

static const int64_t longest_ms = INT64_C(10) * 366 * 86400000;

static const struct unit *unit_at(const char *text, size_t *length)
{
    size_t size = strspn(text, "abcdefghijklmnopqrstuvwxyz");
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strlen(units[i].name) == size && !strncmp(text, units[i].name, size)) {
            *length = size;
            return &units[i];
        }
    return NULL;
}

enum bsc_status bsc_duration_parse(const char *text, int64_t *out_ms, struct bsc_error *error)
{
    const char *const accepted = "a duration such as 250ms, 1.5s, 2m or 1h30m";
    int64_t total = 0;
    if (!strcmp(text, "0")) {
        *out_ms = 0;
        return BSC_OK;
    }
    const char *at = text;
    const struct unit *last = NULL;
    while (*at || at == text) {
        int64_t whole = 0, fraction = 0, scale = 1;
        size_t digits = strspn(at, "0123456789");
        if (!digits || digits > 12)
            return bsc_error_set(error, BSC_INVALID, "'%s' is not %s", text, accepted);
        for (size_t i = 0; i < digits; i++)
            whole = whole * 10 + (at[i] - '0');
        at += digits;
        if (*at == '.') {
            size_t places = strspn(++at, "0123456789");
            if (!places || places > 6)
                return bsc_error_set(error, BSC_INVALID, "'%s' is not %s", text, accepted);
            for (size_t i = 0; i < places; i++, scale *= 10)
                fraction = fraction * 10 + (at[i] - '0');
            at += places;
        }
        size_t length = 0;
        const struct unit *unit = unit_at(at, &length);
        if (!unit)
            return bsc_error_set(error, BSC_INVALID, "'%s' is not %s", text,
                                 *at ? accepted : "a duration: it has no unit (ms, s, m, h, d)");
        if (last && unit->ms >= last->ms)
            return bsc_error_set(error, BSC_INVALID, "'%s' is not %s", text, accepted);
        if (whole > longest_ms / unit->ms)
            return bsc_error_set(error, BSC_INVALID, "'%s' is longer than ten years", text);
        total += whole * unit->ms + fraction * unit->ms / scale;
        last = unit;
        at += length;
    }
    if (total > longest_ms)
        return bsc_error_set(error, BSC_INVALID, "'%s' is longer than ten years", text);
    *out_ms = total;
    return BSC_OK;
}

const char *bsc_duration_format(int64_t ms, char out[static BSC_DURATION_BYTES])
{
    if (ms <= 0)
        return memcpy(out, "0s", 3);
    size_t size = 0;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        int64_t count = ms / units[i].ms;
        if (!count)
            continue;
        ms -= count * units[i].ms;
        size += (size_t)snprintf(out + size, BSC_DURATION_BYTES - size, "%lld%s", (long long)count,
                                 units[i].name);
    }
    return out;
}
