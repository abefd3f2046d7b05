/* SPDX-License-Identifier: Apache-2.0
 * A proxy that was taken over: what the sandbox leaves to it. Each test is a process of its own,
 * because nobody comes back from a sandbox. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/sandbox.h"

enum { HELD = 0, ESCAPED = 1, NO_SANDBOX = 2, DIED = 3 };

static int run(int (*attempt)(void))
{
    pid_t child = fork();
    if (child == 0) {
        struct bsc_error error;
        if (bsc_sandbox_drop("", &error) || bsc_sandbox_seal(&error))
            _exit(NO_SANDBOX);
        _exit(attempt());
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : DIED;
}

/* A call must have failed because it is forbidden, and not by chance. */
static int forbidden(long result)
{
    return result == -1 && (errno == EPERM || errno == EACCES) ? HELD : ESCAPED;
}

static int open_a_file(void)
{
    return forbidden(open("/proc/self/status", O_RDONLY)) |
           forbidden(open("/tmp/x", O_CREAT, 0600)) |
           forbidden(mkdir("/tmp/bascule-sandbox", 0700)) | forbidden(unlink("/tmp/nothing"));
}

static int start_a_program(void)
{
    char *const argv[] = { (char[]){ "true" }, NULL };
    return forbidden(execv("/bin/true", argv)) | forbidden(fork());
}

static int touch_another_process(void)
{
    return forbidden(kill(getppid(), 0)) | forbidden(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int become_root(void)
{
    return geteuid() == 0 ? ESCAPED : forbidden(setuid(0));
}

static int make_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return forbidden(mprotect(page, 4096, PROT_READ | PROT_EXEC)) |
           (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                    MAP_FAILED
                ? HELD
                : ESCAPED);
}

static int listen_elsewhere(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/tmp/bascule-sandbox.sock" };
    return (fd == -1 ? ESCAPED : HELD) |
           forbidden(bind(fd, (struct sockaddr *)&address, sizeof address)) |
           forbidden(listen(fd, 1)) | forbidden(socket(AF_NETLINK, SOCK_RAW, 0)) |
           forbidden(socket(AF_INET, SOCK_DGRAM, 0)) | forbidden(socket(AF_PACKET, SOCK_RAW, 0));
}

static int write_to_the_other_end(void)
{
    int ends[2];
    char byte = 'x';
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0) /* not needed, so not allowed */
        return ESCAPED;
    char *memory = malloc(1 << 20);
    memset(memory, byte, 1 << 20);
    free(memory);
    return write(STDERR_FILENO, "", 0) == 0 ? HELD : ESCAPED;
}

static void holds(int (*attempt)(void))
{
    assert_int_equal(run(attempt), HELD);
}

static void no_file_is_opened_or_made(void **unused)
{
    (void)unused;
    holds(open_a_file);
}

static void no_program_is_started(void **unused)
{
    (void)unused;
    holds(start_a_program);
}

static void no_other_process_is_touched(void **unused)
{
    (void)unused;
    holds(touch_another_process);
}

static void root_does_not_come_back(void **unused)
{
    (void)unused;
    holds(become_root);
}

static void no_memory_becomes_code(void **unused)
{
    (void)unused;
    holds(make_code);
}

static void only_streams_and_only_outwards(void **unused)
{
    (void)unused;
    holds(listen_elsewhere);
}

static void memory_and_descriptors_still_work(void **unused)
{
    (void)unused;
    holds(write_to_the_other_end);
}

/* The socket of a container engine belongs to root and its group: whoever may use it is root. */
static void a_socket_of_root_is_out_of_reach(void **unused)
{
    (void)unused;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char folder[] = "/tmp/bascule-sandbox-XXXXXX";
    if (geteuid() != 0)
        skip();
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chmod(folder, 0755), 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/root.sock", folder);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(chmod(address.sun_path, 0660), 0);
    pid_t child = fork();
    if (child == 0) {
        struct bsc_error error;
        if (bsc_sandbox_drop("", &error) || bsc_sandbox_seal(&error))
            _exit(NO_SANDBOX);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        _exit(forbidden(connect(fd, (struct sockaddr *)&address, sizeof address)));
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    unlink(address.sun_path);
    rmdir(folder);
    close(listener);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), HELD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_file_is_opened_or_made),
        cmocka_unit_test(no_program_is_started),
        cmocka_unit_test(no_other_process_is_touched),
        cmocka_unit_test(root_does_not_come_back),
        cmocka_unit_test(no_memory_becomes_code),
        cmocka_unit_test(only_streams_and_only_outwards),
        cmocka_unit_test(memory_and_descriptors_still_work),
        cmocka_unit_test(a_socket_of_root_is_out_of_reach),
    };
    enum { SKIPPED = 77 }; /* to meson */
    return BSC_SANDBOX_IMPOSSIBLE ? SKIPPED : cmocka_run_group_tests(tests, NULL, NULL);
}
