/* SPDX-License-Identifier: Apache-2.0
 * base/holder.h - who holds a TCP port, for the error text when it is in use.
 */
#ifndef BASCULE_BASE_HOLDER_H
#define BASCULE_BASE_HOLDER_H

enum { BSC_HOLDER_BYTES = 64 };

/* Writes " by NAME (pid N)" about a process that listens on TCP `port` on any address; an empty
 * string when /proc does not tell (another user's process, seen without privilege). Returns `out`.
 */
const char *bsc_holder_describe(unsigned port, char out[static BSC_HOLDER_BYTES]);

#endif
