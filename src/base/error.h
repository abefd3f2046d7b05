/* SPDX-License-Identifier: Apache-2.0
 * base/error.h - what went wrong, said once, with its context outermost first.
 *
 * Functions that can fail return enum bsc_status and fill a trailing struct bsc_error, which the
 * caller holds by value and may leave uninitialised: it is written only on failure. Every function
 * here accepts a NULL error.
 */
#ifndef BASCULE_BASE_ERROR_H
#define BASCULE_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

enum bsc_status {
    BSC_OK = 0,
    BSC_FAILED,    /* nothing more specific fits */
    BSC_INVALID,   /* input or configuration is wrong */
    BSC_NOT_FOUND, /* the thing named does not exist */
    BSC_BUSY,      /* another operation holds it: environment-busy */
    BSC_STATE,     /* not possible in this state: invalid-state */
    BSC_DENIED,    /* the caller may not */
    BSC_EXISTS,    /* it is there already; also: address in use */
    BSC_NO_MEMORY,
    BSC_NO_SPACE, /* disk full */
    BSC_TIMEOUT,
    BSC_UNAVAILABLE, /* the other side is not there */
    BSC_CORRUPT,     /* stored data is damaged */
    BSC_NEWER,       /* stored data comes from a newer version of bascule */
    BSC_UNHEALTHY,   /* health-check-failed */
    BSC_NO_ROLLBACK, /* rollback-failed: nothing to go back to */
    BSC_NO_SWITCH,   /* switch-failed */
    BSC_LOCKED,      /* somebody locked it, and said why */
    BSC_STATUS_COUNT
};

enum { BSC_ERROR_TEXT_BYTES = 1024 };

struct bsc_error {
    enum bsc_status status;
    int number; /* errno, or 0 */
    char text[BSC_ERROR_TEXT_BYTES];
};

#define BSC_MUST_CHECK __attribute__((warn_unused_result))
/* It hardly ever runs: its code, and what leads to it, is kept away from the code that does. */
#define BSC_COLD __attribute__((cold))
#define BSC_PRINTF(text, first) __attribute__((format(printf, text, first)))

/* Fills *error and returns `status`, so that a caller can `return bsc_error_set(...)`. */
BSC_COLD enum bsc_status bsc_error_set(struct bsc_error *error, enum bsc_status status,
                                       const char *format, ...) BSC_PRINTF(3, 4);

/* The same from errno: "<text>: <strerror>". ENOSPC and EDQUOT become BSC_NO_SPACE, ENOENT
 * BSC_NOT_FOUND, EACCES and EPERM BSC_DENIED, EADDRINUSE and EEXIST BSC_EXISTS, ETIMEDOUT
 * BSC_TIMEOUT, ENOMEM BSC_NO_MEMORY, all others BSC_FAILED. */
BSC_COLD enum bsc_status bsc_error_errno(struct bsc_error *error, const char *format, ...)
    BSC_PRINTF(2, 3);

/* Puts "<text>: " before what *error already says. Returns error->status (BSC_FAILED when NULL). */
BSC_COLD enum bsc_status bsc_error_wrap(struct bsc_error *error, const char *format, ...)
    BSC_PRINTF(2, 3);

/* The word that users, the API and scripts see: "environment-busy", "invalid-state", ... */
const char *bsc_status_name(enum bsc_status status);
bool bsc_status_parse(const char *name, enum bsc_status *out);

#endif
