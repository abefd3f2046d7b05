/* SPDX-License-Identifier: Apache-2.0
 * base/error.c - see error.h. */
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const status_names[BSC_STATUS_COUNT] = {
    [BSC_OK] = "ok",
    [BSC_FAILED] = "failed",
    [BSC_INVALID] = "invalid",
    [BSC_NOT_FOUND] = "not-found",
    [BSC_BUSY] = "environment-busy",
    [BSC_STATE] = "invalid-state",
    [BSC_DENIED] = "denied",
    [BSC_EXISTS] = "exists",
    [BSC_NO_MEMORY] = "no-memory",
    [BSC_NO_SPACE] = "disk-full",
    [BSC_TIMEOUT] = "timeout",
    [BSC_UNAVAILABLE] = "unavailable",
    [BSC_CORRUPT] = "store-damaged",
    [BSC_NEWER] = "store-newer",
    [BSC_UNHEALTHY] = "health-check-failed",
    [BSC_NO_ROLLBACK] = "rollback-failed",
    [BSC_NO_SWITCH] = "switch-failed",
    [BSC_LOCKED] = "locked",
};

const char *bsc_status_name(enum bsc_status status)
{
    if ((unsigned)status >= BSC_STATUS_COUNT)
        return "unknown";
    return status_names[status];
}

bool bsc_status_parse(const char *name, enum bsc_status *out)
{
    for (unsigned i = 0; i < BSC_STATUS_COUNT; i++)
        if (!strcmp(name, status_names[i])) {
            *out = (enum bsc_status)i;
            return true;
        }
    return false;
}

enum bsc_status bsc_error_set(struct bsc_error *error, enum bsc_status status, const char *format,
                              ...)
{
    if (!error)
        return status;
    error->status = status;
    error->number = 0;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return status;
}

static enum bsc_status status_of(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT:
        return BSC_NO_SPACE;
    case ENOENT:
        return BSC_NOT_FOUND;
    case EACCES:
    case EPERM:
        return BSC_DENIED;
    case EADDRINUSE:
    case EEXIST:
        return BSC_EXISTS;
    case ETIMEDOUT:
        return BSC_TIMEOUT;
    case ENOMEM:
        return BSC_NO_MEMORY;
    default:
        return BSC_FAILED;
    }
}

enum bsc_status bsc_error_errno(struct bsc_error *error, const char *format, ...)
{
    int number = errno;
    enum bsc_status status = status_of(number);
    if (!error)
        return status;
    error->status = status;
    error->number = number;
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    if (size >= 0 && (size_t)size < sizeof error->text)
        snprintf(error->text + size, sizeof error->text - (size_t)size, ": %s", strerror(number));
    return status;
}

enum bsc_status bsc_error_wrap(struct bsc_error *error, const char *format, ...)
{
    if (!error)
        return BSC_FAILED;
    char inner[sizeof error->text];
    memcpy(inner, error->text, sizeof inner);
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    if (size >= 0 && (size_t)size < sizeof error->text)
        snprintf(error->text + size, sizeof error->text - (size_t)size, ": %s", inner);
    return error->status;
}
