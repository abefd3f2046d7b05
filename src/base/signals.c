/* SPDX-License-Identifier: Apache-2.0
 * base/signals.c - see signals.h. */
#include "base/signals.h"

#include <signal.h>
#include <sys/signalfd.h>

enum bsc_status bsc_signals_open(const int *taken, size_t count, int *out, struct bsc_error *error)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < count; i++)
        sigaddset(&set, taken[i]);
    signal(SIGCHLD, SIG_DFL); /* ignored by the caller, it would swallow exit statuses */
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_SETMASK, &set, NULL);
    *out = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return *out == -1 ? bsc_error_errno(error, "signalfd") : BSC_OK;
}

void bsc_signals_reset(void)
{
    sigset_t none;
    const struct sigaction normal = { .sa_handler = SIG_DFL };
    for (int signal = 1; signal < NSIG; signal++)
        sigaction(signal, &normal, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}
