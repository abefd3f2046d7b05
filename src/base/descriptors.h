/* SPDX-License-Identifier: Apache-2.0
 * base/descriptors.h - how many descriptors this process and its children may open.
 *
 * Thousands of probes at once need more than the usual soft limit of 1,024. Children get the limit
 * that this process was started with, because programs that use select(2) rely on it.
 */
#ifndef BASCULE_BASE_DESCRIPTORS_H
#define BASCULE_BASE_DESCRIPTORS_H

#include <sys/resource.h>

/* Raises the soft limit to the hard one, once, at the start. */
void bsc_descriptors_raise(void);

/* Around the making of a child: the limit of the start, and back again. */
struct rlimit bsc_descriptors_lower(void);
void bsc_descriptors_restore(const struct rlimit *limit);

#endif
