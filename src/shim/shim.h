/* SPDX-License-Identifier: Apache-2.0
 * shim/shim.h - the contract between bascule-shim and whoever starts it: arguments and files.
 *
 * usage: bascule-shim --directory DIR --id ID [--grace-ms N] [--log-bytes N] [--log-files N]
 *                     [--user NAME] [--chdir DIR] [--timeout-ms N] [--port N] -- COMMAND [ARG...]
 *
 * The environment is passed on as it is. DIR is made by the caller (0700) and holds the state of
 * one instance or hook, so that any later process can find out what happened:
 *
 *   lock     flock()ed by the shim for its whole life, taken before anything is started: a second
 *            shim for the same directory exits with BSC_SHIM_LOCKED and starts nothing
 *   state    written atomically (rename), one "key=value" a line:
 *              boot_id=…        /proc/sys/kernel/random/boot_id of the boot it ran in
 *              shim_pid=…       valid while `lock` is held
 *              pid=…            of the command; 0 before it was started
 *              phase=starting|running|stopping|exited
 *              started_ms=… exited_ms=…   wall clock
 *              wait_status=…    as of waitpid(2), once phase=exited; -1: never started
 *              error=…          why it was never started ("exec /x: No such file …",
 *                               "port 31001 is in use"), else absent
 *   log      output of the command, standard output and error together, rotated to log.1, log.2 …
 *   control  FIFO: the shim reads commands, one a line: "stop GRACE_MS" (TERM to the whole tree,
 *            KILL after the grace), "kill"
 *
 * The shim is a session leader and subreaper; the command runs in a process group of its own with
 * PDEATHSIG=KILL. When the command has exited, or is stopped, the shim ends whatever is left of the
 * tree, writes phase=exited and exits 0. Log output is read to its end before that, bounded by 1 s.
 * A caller watches the shim's pid (pidfd) or the lock; `--port` is probed by binding before the
 * command is started. `--timeout-ms` (hooks): stop the command after that long; error=timed out.
 */
#ifndef BASCULE_SHIM_SHIM_H
#define BASCULE_SHIM_SHIM_H

enum bsc_shim_exit {
    BSC_SHIM_DONE = 0,
    BSC_SHIM_USAGE = 2,
    BSC_SHIM_LOCKED = 3, /* another shim has the directory */
    BSC_SHIM_FAILED = 4, /* could not work; `state` says why if it could be written */
};

#define BSC_SHIM_LOCK "lock"
#define BSC_SHIM_STATE "state"
#define BSC_SHIM_LOG "log"
#define BSC_SHIM_CONTROL "control"

#endif
