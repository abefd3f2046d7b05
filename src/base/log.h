/* SPDX-License-Identifier: Apache-2.0
 * base/log.h - one line a happening on standard error: time, level, process, text.
 *
 * Whatever the text holds, it stays one line: control characters are escaped. Thread-safe (one
 * write a line).
 */
#ifndef BASCULE_BASE_LOG_H
#define BASCULE_BASE_LOG_H

#include "base/error.h"

enum bsc_log_level { BSC_LOG_ERROR, BSC_LOG_WARNING, BSC_LOG_INFO, BSC_LOG_DEBUG };

/* `process` must outlive all logging: "controller", "proxy", ... */
void bsc_log_init(const char *process, enum bsc_log_level least);
void bsc_log(enum bsc_log_level level, const char *format, ...) BSC_PRINTF(2, 3);

#define bsc_log_error(...) bsc_log(BSC_LOG_ERROR, __VA_ARGS__)
#define bsc_log_warning(...) bsc_log(BSC_LOG_WARNING, __VA_ARGS__)
#define bsc_log_info(...) bsc_log(BSC_LOG_INFO, __VA_ARGS__)
#define bsc_log_debug(...) bsc_log(BSC_LOG_DEBUG, __VA_ARGS__)

#endif
