/* SPDX-License-Identifier: Apache-2.0
 * core/expand.h - ${VERSION}, ${SERVICE}, ${PORT}, ${SLOT}, ${INSTANCE} in a specification's
 * strings.
 *
 * "$${" stands for a literal "${"; "$NAME" and "$$" are left as they are, for a shell. A text is
 * expanded twice, with version and service when a release is made and with the rest when an
 * instance or a hook starts: an expansion without a slot is not the last one and keeps "$${" for
 * the next. Pure but for the arena that the caller gives.
 */
#ifndef BASCULE_CORE_EXPAND_H
#define BASCULE_CORE_EXPAND_H

#include "core/spec.h"

struct bsc_variables {
    const char *version, *port, *slot, *instance, *service; /* NULL: keep "${NAME}" as it stands */
};

/* Fails with BSC_INVALID on any other name or an unclosed "${", and says which are accepted. */
enum bsc_status bsc_expand(struct bsc_arena *arena, const char *text,
                           const struct bsc_variables *variables, const char **out,
                           struct bsc_error *error) BSC_MUST_CHECK;

/* A copy of `file` as release `version`: ${VERSION} expanded everywhere, version set. */
enum bsc_status bsc_spec_for_version(const struct bsc_spec *file, const char *version,
                                     struct bsc_spec **out, struct bsc_error *error) BSC_MUST_CHECK;

#endif
