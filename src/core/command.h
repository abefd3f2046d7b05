/* SPDX-License-Identifier: Apache-2.0
 * core/command.h - which command wins over what is under way, and by which rule.
 *
 * Pure: one table of commands and situations, complete by construction. The engine asks it before
 * it does anything, docs/commands-during-a-rollout.md shows it. What it allows may still be refused
 * for what it meets: a slot that holds nothing, a version that is not kept.
 */
#ifndef BASCULE_CORE_COMMAND_H
#define BASCULE_CORE_COMMAND_H

#include <stdbool.h>

#include "base/error.h"

enum bsc_command_kind {
    BSC_COMMAND_DEPLOY, /* and deploy --stage */
    BSC_COMMAND_SUPERSEDE,
    BSC_COMMAND_SWITCH,
    BSC_COMMAND_RETRY,
    BSC_COMMAND_PROMOTE,
    BSC_COMMAND_PROMOTE_FULL,
    BSC_COMMAND_PAUSE,
    BSC_COMMAND_RESUME,
    BSC_COMMAND_APPROVE,
    BSC_COMMAND_REJECT,
    BSC_COMMAND_ABORT,
    BSC_COMMAND_ROLLBACK,
    BSC_COMMAND_ROLLBACK_TO, /* with a version */
    BSC_COMMAND_CHECK,
    BSC_COMMAND_CLEANUP,
    BSC_COMMAND_TRAFFIC,
    BSC_COMMAND_LOCK,
    BSC_COMMAND_UNLOCK,
    BSC_COMMAND_KIND_COUNT
};

/* Where the newest rollout of a service stands. */
enum bsc_situation {
    BSC_AT_REST, /* it is over, or there is none */
    BSC_AT_WORK, /* before the commit, in any step but a bake or an approval */
    BSC_HOLDING, /* ... and requests wait in the proxy for it */
    BSC_BAKING,
    BSC_AWAITING, /* a person must approve it */
    BSC_PAUSED,
    BSC_GOING_BACK,   /* it is a rollback, and not committed */
    BSC_UNDOING,      /* it is taken back */
    BSC_TIDYING,      /* promoted; the old version drains and stops */
    BSC_TIDYING_HOOK, /* promoted; a hook runs */
    BSC_SITUATION_COUNT
};

enum bsc_rule {
    BSC_RULE_NONE, /* marks an unset cell of the table */
    BSC_RULE_FREE,
    BSC_RULE_WAY_BACK,
    BSC_RULE_NEWER,
    BSC_RULE_ONE,
    BSC_RULE_ALREADY,
    BSC_RULE_NOTHING,
    BSC_RULE_WAITING,
    BSC_RULE_COMMITTED,
    BSC_RULE_LOCK,
    BSC_RULE_COUNT
};

struct bsc_ruling {
    enum bsc_status status; /* BSC_OK: it is done, or nothing is left to do */
    enum bsc_rule rule;
};

struct bsc_ruling bsc_command_rule(enum bsc_command_kind command, enum bsc_situation situation,
                                   bool locked);

const char *bsc_command_name(enum bsc_command_kind command);  /* "deploy --supersede" */
const char *bsc_situation_name(enum bsc_situation situation); /* "baking" */
const char *bsc_rule_name(enum bsc_rule rule);                /* "way back" */
const char *bsc_rule_text(enum bsc_rule rule); /* "abort and rollback win over everything" */

#endif
