/* SPDX-License-Identifier: Apache-2.0
 * proxy/main.c - bascule-proxy: carries the traffic. Started by the supervisor only.
 *
 * usage: bascule-proxy --channel FD
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"
#include "proxy/control.h"
#include "proxy/tls.h"

static const char usage[] =
    "usage: bascule-proxy --channel FD\n"
    "Carries the traffic of bascule. It is started by 'bascule serve', not by hand.\n";

/* The terminal's signals go to the whole foreground group; the supervisor says when to stop. */
static void set_signals(void)
{
    static const int ignored[] = { SIGPIPE, SIGINT, SIGHUP };
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        signal(ignored[i], SIG_IGN);
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit))
        bsc_log_warning("the limit of file descriptors stays as it is");
}

static int channel_of(int argc, char **argv)
{
    char *end;
    if (argc != 3 || strcmp(argv[1], "--channel") != 0)
        return -1;
    long fd = strtol(argv[2], &end, 10);
    if (*end || end == argv[2] || fd < 0 || fd > 1000000 || fcntl((int)fd, F_GETFD) == -1)
        return -1;
    return (int)fd;
}

int main(int argc, char **argv)
{
    struct bsc_error error;
    if (argc == 2 && !strcmp(argv[1], "--help")) {
        fputs(usage, stdout);
        return 0;
    }
    int channel = channel_of(argc, argv);
    if (channel == -1) {
        fputs(usage, stderr);
        return 2;
    }
    bsc_log_init("proxy", BSC_LOG_INFO);
    set_signals();
    raise_descriptor_limit();
    fcntl(channel, F_SETFD, FD_CLOEXEC);
    bsc_tls_init();
    if (bsc_control_run(channel, &error))
        bsc_log_error("%s", error.text);
    return 1;
}
