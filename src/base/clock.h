/* SPDX-License-Identifier: Apache-2.0
 * base/clock.h - times and how they are written.
 *
 * Two clocks: `boot` runs evenly, also through a suspend, and never jumps (CLOCK_BOOTTIME): every
 * timer uses it. `wall` is what people read and what is stored; it may jump.
 */
#ifndef BASCULE_BASE_CLOCK_H
#define BASCULE_BASE_CLOCK_H

#include <stdint.h>

#include "base/error.h"

int64_t bsc_clock_boot_ms(void);
int64_t bsc_clock_boot_us(void);
int64_t bsc_clock_wall_ms(void); /* since 1970, UTC */

enum { BSC_TIME_BYTES = 32, BSC_DURATION_BYTES = 32 };

/* RFC 3339 in UTC with milliseconds: 2026-01-31T12:00:00.123Z. Returns `out`. */
const char *bsc_time_format(int64_t wall_ms, char out[static BSC_TIME_BYTES]);

/* "250ms", "1.5s", "2m", "1h30m", "1d"; a bare 0 is allowed. Accepts 0 up to 10 years. */
enum bsc_status bsc_duration_parse(const char *text, int64_t *out_ms,
                                   struct bsc_error *error) BSC_MUST_CHECK;
/* The shortest exact spelling that bsc_duration_parse reads back: 90000 is "1m30s". */
const char *bsc_duration_format(int64_t ms, char out[static BSC_DURATION_BYTES]);

#endif
