/* SPDX-License-Identifier: Apache-2.0
 * proxy/sandbox.h - what the process that faces the network gives up before it meets the network.
 *
 * Whoever takes a worker over finds an unprivileged user, no capability, and a kernel that refuses
 * to open files, to start programs, to make threads and to touch other processes. What is left are
 * the descriptors that the proxy holds, and new connections.
 */
#ifndef BASCULE_PROXY_SANDBOX_H
#define BASCULE_PROXY_SANDBOX_H

#include <stdbool.h>

#include "base/error.h"

/* Sanitizers open files and make threads whenever they like. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BSC_SANDBOX_IMPOSSIBLE true
#else
#define BSC_SANDBOX_IMPOSSIBLE false
#endif

/* Before the first other thread: becomes `user` when the process is root's (empty: "bascule", or
 * "nobody" where there is no such user), without groups and capabilities, for good; forbids core
 * dumps, because memory holds keys. A user that is named must exist. */
enum bsc_status bsc_sandbox_drop(const char *user, struct bsc_error *error) BSC_MUST_CHECK;

/* After the last thread was made: from now on all threads may make only the system calls of
 * proxy/sandbox.c; others fail with EPERM (seccomp(2), by libseccomp). */
enum bsc_status bsc_sandbox_seal(struct bsc_error *error) BSC_MUST_CHECK;

#endif
