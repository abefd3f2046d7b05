/* SPDX-License-Identifier: Apache-2.0
 * supervisor/notify.h - what systemd wants to know (sd_notify(3), written out because we link libc
 * only).
 */
#ifndef BASCULE_SUPERVISOR_NOTIFY_H
#define BASCULE_SUPERVISOR_NOTIFY_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.h"

struct bsc_notify {
    struct sockaddr_un address;
    socklen_t address_size;   /* 0: nobody wants to know */
    int64_t watchdog_ms;      /* 0: none; else how often to send WATCHDOG=1 */
    int64_t watchdog_next_ms; /* boot clock */
};

/* Takes NOTIFY_SOCKET (a path, or '@' and an abstract name), WATCHDOG_USEC and WATCHDOG_PID out of
 * the environment: our children are not the service. */
void bsc_notify_init(struct bsc_notify *notify);

/* Sends lines such as "READY=1\nMAINPID=7". Nobody listening is not an error. */
void bsc_notify_send(const struct bsc_notify *notify, const char *format, ...) BSC_PRINTF(2, 3);

/* Sends WATCHDOG=1 when it is due; returns when to call again (INT64_MAX: never). */
int64_t bsc_notify_watchdog(struct bsc_notify *notify, int64_t now_ms);

#endif
