/* SPDX-License-Identifier: Apache-2.0
 * proxy/sandbox.c - see sandbox.h. */
#include "proxy/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct passwd *find_user(const char *name, struct bsc_error *error)
{
    const struct passwd *user = getpwnam(*name ? name : "bascule");
    if (!user && !*name)
        user = getpwnam("nobody");
    if (!user)
        bsc_error_set(error, BSC_NOT_FOUND, "there is no user '%.80s' for the proxy to become",
                      *name ? name : "nobody");
    return user;
}

static enum bsc_status become(const char *name, struct bsc_error *error)
{
    const struct passwd *user = find_user(name, error);
    if (!user)
        return error->status;
    if (user->pw_uid == 0)
        return bsc_error_set(error, BSC_INVALID, "the proxy must not run as user '%.80s'", name);
    if (setgroups(0, NULL) || setresgid(user->pw_gid, user->pw_gid, user->pw_gid) ||
        setresuid(user->pw_uid, user->pw_uid, user->pw_uid))
        return bsc_error_errno(error, "become user %s", user->pw_name);
    return BSC_OK;
}

enum bsc_status bsc_sandbox_drop(const char *user, struct bsc_error *error)
{
    const struct rlimit none = { 0, 0 };
    if (geteuid() == 0 && become(user, error))
        return error->status;
    if (setrlimit(RLIMIT_CORE, &none))
        return bsc_error_errno(error, "forbid core dumps");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return bsc_error_errno(error, "forbid new privileges");
    return BSC_OK;
}

/* Whatever their arguments are: they act on descriptors and memory that are there already. */
static const int plain_calls[] = {
    SCMP_SYS(recvfrom),
    SCMP_SYS(sendto),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendmsg),
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(splice),
    SCMP_SYS(pipe2),
    SCMP_SYS(accept4),
    SCMP_SYS(connect),
    SCMP_SYS(shutdown),
    SCMP_SYS(close),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(fcntl),
    SCMP_SYS(lseek),
    SCMP_SYS(futex),
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(getrandom),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(getcpu),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getuid),
    SCMP_SYS(membarrier),
    /* a thread that still begins */
    SCMP_SYS(rseq),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

static int allow_plain(scmp_filter_ctx filter)
{
    int failed = 0;
    for (size_t i = 0; i < sizeof plain_calls / sizeof plain_calls[0] && !failed; i++)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, plain_calls[i], 0);
    return failed;
}

/* And these with some arguments only. */
static int allow_narrow(scmp_filter_ctx filter)
{
    static const uint64_t families[] = { AF_INET, AF_INET6, AF_UNIX };
    int failed = 0;
    for (size_t i = 0; i < sizeof families / sizeof families[0] && !failed; i++)
        failed = seccomp_rule_add(
            filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, SCMP_A0(SCMP_CMP_EQ, families[i], 0),
            SCMP_A1(SCMP_CMP_MASKED_EQ, (uint64_t) ~(SOCK_NONBLOCK | SOCK_CLOEXEC), SOCK_STREAM));
    if (!failed) /* no memory becomes code */
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                                  SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (!failed)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                                  SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (!failed) /* reads limits, sets none */
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2,
                                  SCMP_A0(SCMP_CMP_EQ, 0, 0), SCMP_A2(SCMP_CMP_EQ, 0, 0));
    if (!failed) /* abort(3) */
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                                  SCMP_A0(SCMP_CMP_EQ, (uint64_t)getpid(), 0));
    return failed;
}

enum bsc_status bsc_sandbox_seal(struct bsc_error *error)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter)
        return bsc_error_set(error, BSC_NO_MEMORY, "make a filter of system calls: no memory");
    /* All threads at once; found by a tree, because every call passes here. */
    int failed = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (!failed)
        failed = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    /* Older kernels (before 5.16) forbid speculation past stores to everything that has a filter,
     * which is meant for programs that run code of others; this one runs its own only. Kernels that
     * know nothing of that do not mind. */
    if (!failed)
        (void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
    if (!failed)
        failed = allow_plain(filter);
    if (!failed)
        failed = allow_narrow(filter);
    if (!failed)
        failed = seccomp_load(filter);
    seccomp_release(filter);
    errno = -failed;
    return failed ? bsc_error_errno(error, "limit the system calls") : BSC_OK;
}
