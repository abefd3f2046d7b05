/* SPDX-License-Identifier: Apache-2.0
 * supervisor/notify.c - see notify.h. */
#include "supervisor/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void take_address(struct bsc_notify *notify, const char *name)
{
    size_t size = name ? strlen(name) : 0;
    if (size < 2 || size >= sizeof notify->address.sun_path || (*name != '/' && *name != '@'))
        return;
    notify->address.sun_family = AF_UNIX;
    memcpy(notify->address.sun_path, name, size);
    if (*name == '@')
        notify->address.sun_path[0] =
            '\0'; /* unix(7): abstract; its length counts, no NUL ends it */
    notify->address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
}

void bsc_notify_init(struct bsc_notify *notify)
{
    *notify = (struct bsc_notify){ 0 };
    take_address(notify, getenv("NOTIFY_SOCKET"));
    const char *period_us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (period_us && (!pid || atol(pid) == (long)getpid()))
        notify->watchdog_ms = atoll(period_us) / 1000 / 2; /* sd_watchdog_enabled(3): half of it */
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void bsc_notify_send(const struct bsc_notify *notify, const char *format, ...)
{
    char text[256];
    if (!notify->address_size)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return;
    (void)sendto(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
                 (const struct sockaddr *)&notify->address, notify->address_size);
    close(fd);
}

int64_t bsc_notify_watchdog(struct bsc_notify *notify, int64_t now_ms)
{
    if (!notify->watchdog_ms || !notify->address_size)
        return INT64_MAX;
    if (now_ms >= notify->watchdog_next_ms) {
        bsc_notify_send(notify, "WATCHDOG=1");
        notify->watchdog_next_ms = now_ms + notify->watchdog_ms;
    }
    return notify->watchdog_next_ms;
}
