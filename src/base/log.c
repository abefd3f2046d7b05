/* SPDX-License-Identifier: Apache-2.0
 * base/log.c - see log.h. */
#include "base/log.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

static const char *process_name = "bascule";
static enum bsc_log_level least_level = BSC_LOG_INFO;

void bsc_log_init(const char *process, enum bsc_log_level least)
{
    process_name = process;
    least_level = least;
}

void bsc_log(enum bsc_log_level level, const char *format, ...)
{
    static const char *const names[] = { "error", "warning", "info", "debug" };
    if (level > least_level)
        return;
    char time[BSC_TIME_BYTES];
    struct bsc_text line = { 0 };
    char message[4096];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (size < 0)
        return;
    if ((size_t)size >= sizeof message)
        size = sizeof message - 1;
    bsc_text_printf(&line, "%s %s %s: ", bsc_time_format(bsc_clock_wall_ms(), time), names[level],
                    process_name);
    bsc_text_add_escaped(&line, message, (size_t)size);
    bsc_text_puts(&line, "\n");
    ssize_t written = write(STDERR_FILENO, line.data, line.size);
    (void)written; /* there is nowhere to report that reporting failed */
    bsc_text_deinit(&line);
}
