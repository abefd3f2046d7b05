/* SPDX-License-Identifier: Apache-2.0
 * Tests of base/signals.h. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/signals.h"

static void a_signal_that_is_taken_is_read_and_the_children_get_all_of_them(void **unused)
{
    (void)unused;
    static const int taken[] = { SIGTERM, SIGCHLD };
    struct bsc_error error;
    struct sigaction now;
    sigset_t blocked;
    int fd;
    assert_int_equal(bsc_signals_open(taken, 2, &fd, &error), BSC_OK);
    struct signalfd_siginfo info;
    assert_int_equal(read(fd, &info, sizeof info), -1);
    raise(SIGTERM);
    assert_int_equal(read(fd, &info, sizeof info), sizeof info);
    assert_int_equal(info.ssi_signo, SIGTERM);
    close(fd);
    assert_int_equal(sigaction(SIGPIPE, NULL, &now), 0);
    assert_ptr_equal(now.sa_handler, SIG_IGN);

    bsc_signals_reset();
    assert_int_equal(sigprocmask(SIG_SETMASK, NULL, &blocked), 0);
    assert_true(sigisemptyset(&blocked));
    assert_int_equal(sigaction(SIGPIPE, NULL, &now), 0);
    assert_ptr_equal(now.sa_handler, SIG_DFL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signal_that_is_taken_is_read_and_the_children_get_all_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
