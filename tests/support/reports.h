/* SPDX-License-Identifier: Apache-2.0
 * reports.h - where sanitizers write what they find: part of every source that is built with them.
 *
 * Options in the environment would not reach the shims, which are given a clean one, and a shim has
 * no standard error that anybody reads. Where ASAN_OPTIONS and the like are set, those win.
 */
#ifndef BSC_REPORTS_H
#define BSC_REPORTS_H

#define BSC_SANITIZER_OPTIONS(name, options)                             \
    const char *__##name##_default_options(void);                        \
    __attribute__((weak, no_sanitize("address", "thread", "undefined"))) \
    const char *__##name##_default_options(void)                         \
    {                                                                    \
        return options;                                                  \
    }

BSC_SANITIZER_OPTIONS(tsan, "log_path=" BSC_REPORTS "/tsan:log_exe_name=1")
BSC_SANITIZER_OPTIONS(asan, "log_path=" BSC_REPORTS "/asan:log_exe_name=1:handle_abort=1")
/* What gcc's runtime for undefined behaviour says is on standard error wherever its log is; that of
 * the other runtime, which it sets instead, gets the stack of the abort that follows. */
BSC_SANITIZER_OPTIONS(ubsan, "log_path=" BSC_REPORTS "/asan:log_exe_name=1:halt_on_error=1:"
                             "abort_on_error=1:print_stacktrace=1")

#endif
