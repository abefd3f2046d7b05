/* SPDX-License-Identifier: Apache-2.0
 * core/command.c - see command.h. */
#include "core/command.h"

#include <assert.h>

/* A command is done, refused as busy, or refused for the state, each by a rule. */
#define YES(rule)               \
    {                           \
        BSC_OK, BSC_RULE_##rule \
    }
#define BUSY(rule)                \
    {                             \
        BSC_BUSY, BSC_RULE_##rule \
    }
#define NOT(rule)                  \
    {                              \
        BSC_STATE, BSC_RULE_##rule \
    }
/* At rest; at work, requests wait, baking, to be approved, paused; going back, undoing; tidying,
 * with a hook. */
#define ROW(rest, work, wait, bake, person, paused, back, undo, tidy, hook)                    \
    {                                                                                          \
        [BSC_AT_REST] = rest, [BSC_AT_WORK] = work, [BSC_HOLDING] = wait, [BSC_BAKING] = bake, \
        [BSC_AWAITING] = person, [BSC_PAUSED] = paused, [BSC_GOING_BACK] = back,               \
        [BSC_UNDOING] = undo, [BSC_TIDYING] = tidy, [BSC_TIDYING_HOOK] = hook                  \
    }
#define ALWAYS                                                                                  \
    ROW(YES(FREE), YES(FREE), YES(FREE), YES(FREE), YES(FREE), YES(FREE), YES(FREE), YES(FREE), \
        YES(FREE), YES(FREE))

/* clang-format off */
static const struct bsc_ruling table[BSC_COMMAND_KIND_COUNT][BSC_SITUATION_COUNT] = {
    [BSC_COMMAND_DEPLOY] =
        ROW(YES(FREE), BUSY(ONE), BUSY(ONE), BUSY(ONE), BUSY(ONE), BUSY(ONE),
            BUSY(WAY_BACK), BUSY(ONE), YES(NEWER), BUSY(ONE)),
    [BSC_COMMAND_SUPERSEDE] =
        ROW(YES(FREE), YES(NEWER), YES(NEWER), YES(NEWER), YES(NEWER), YES(NEWER),
            BUSY(WAY_BACK), YES(NEWER), YES(NEWER), BUSY(ONE)),
    [BSC_COMMAND_SWITCH] =
        ROW(YES(FREE), BUSY(ONE), BUSY(ONE), BUSY(ONE), BUSY(ONE), BUSY(ONE),
            BUSY(WAY_BACK), BUSY(ONE), YES(NEWER), BUSY(ONE)),
    [BSC_COMMAND_RETRY] =
        ROW(YES(FREE), BUSY(ONE), BUSY(ONE), BUSY(ONE), BUSY(ONE), BUSY(ONE),
            BUSY(WAY_BACK), BUSY(ONE), NOT(COMMITTED), NOT(COMMITTED)),
    [BSC_COMMAND_PROMOTE] =
        ROW(NOT(NOTHING), NOT(NOTHING), NOT(NOTHING), YES(FREE), YES(FREE), YES(NEWER),
            NOT(WAY_BACK), NOT(WAY_BACK), YES(ALREADY), YES(ALREADY)),
    [BSC_COMMAND_PROMOTE_FULL] =
        ROW(NOT(NOTHING), YES(FREE), YES(FREE), YES(FREE), YES(FREE), YES(NEWER),
            NOT(WAY_BACK), NOT(WAY_BACK), YES(ALREADY), YES(ALREADY)),
    [BSC_COMMAND_PAUSE] =
        ROW(NOT(NOTHING), YES(FREE), NOT(WAITING), YES(FREE), YES(FREE), YES(ALREADY),
            NOT(WAY_BACK), NOT(WAY_BACK), NOT(COMMITTED), NOT(COMMITTED)),
    [BSC_COMMAND_RESUME] =
        ROW(NOT(NOTHING), YES(ALREADY), YES(ALREADY), YES(ALREADY), YES(ALREADY), YES(NEWER),
            NOT(WAY_BACK), NOT(WAY_BACK), NOT(COMMITTED), NOT(COMMITTED)),
    [BSC_COMMAND_APPROVE] =
        ROW(NOT(NOTHING), NOT(NOTHING), NOT(NOTHING), NOT(NOTHING), YES(FREE), YES(FREE),
            NOT(WAY_BACK), NOT(WAY_BACK), NOT(COMMITTED), NOT(COMMITTED)),
    [BSC_COMMAND_REJECT] =
        ROW(NOT(NOTHING), NOT(NOTHING), NOT(NOTHING), NOT(NOTHING), YES(FREE), YES(FREE),
            NOT(WAY_BACK), NOT(WAY_BACK), NOT(COMMITTED), NOT(COMMITTED)),
    [BSC_COMMAND_ABORT] =
        ROW(NOT(NOTHING), YES(WAY_BACK), YES(WAY_BACK), YES(WAY_BACK), YES(WAY_BACK), YES(WAY_BACK),
            YES(WAY_BACK), YES(ALREADY), NOT(COMMITTED), NOT(COMMITTED)),
    [BSC_COMMAND_ROLLBACK] =
        ROW(YES(FREE), YES(WAY_BACK), YES(WAY_BACK), YES(WAY_BACK), YES(WAY_BACK), YES(WAY_BACK),
            YES(ALREADY), YES(WAY_BACK), YES(WAY_BACK), YES(WAY_BACK)),
    [BSC_COMMAND_ROLLBACK_TO] =
        ROW(YES(FREE), YES(WAY_BACK), YES(WAY_BACK), YES(WAY_BACK), YES(WAY_BACK), YES(WAY_BACK),
            BUSY(ONE), YES(WAY_BACK), YES(WAY_BACK), YES(WAY_BACK)),
    [BSC_COMMAND_CHECK] =
        ROW(YES(FREE), BUSY(ONE), BUSY(ONE), BUSY(ONE), BUSY(ONE), BUSY(ONE),
            BUSY(ONE), BUSY(ONE), YES(FREE), YES(FREE)),
    [BSC_COMMAND_CLEANUP] =
        ROW(YES(FREE), BUSY(ONE), BUSY(ONE), BUSY(ONE), BUSY(ONE), BUSY(ONE),
            BUSY(ONE), BUSY(ONE), YES(NEWER), BUSY(ONE)),
    [BSC_COMMAND_TRAFFIC] = ALWAYS,
    [BSC_COMMAND_LOCK] = ALWAYS,
    [BSC_COMMAND_UNLOCK] = ALWAYS,
};
/* clang-format on */

/* A lock refuses what brings a new version nearer to users, and what throws the way back away. */
static const bool locked_out[BSC_COMMAND_KIND_COUNT] = {
    [BSC_COMMAND_DEPLOY] = true, [BSC_COMMAND_SUPERSEDE] = true, [BSC_COMMAND_SWITCH] = true,
    [BSC_COMMAND_RETRY] = true,  [BSC_COMMAND_PROMOTE] = true,   [BSC_COMMAND_PROMOTE_FULL] = true,
    [BSC_COMMAND_RESUME] = true, [BSC_COMMAND_APPROVE] = true,   [BSC_COMMAND_CLEANUP] = true,
};

static const char *const command_names[BSC_COMMAND_KIND_COUNT] = {
    [BSC_COMMAND_DEPLOY] = "deploy",
    [BSC_COMMAND_SUPERSEDE] = "deploy --supersede",
    [BSC_COMMAND_SWITCH] = "switch",
    [BSC_COMMAND_RETRY] = "retry",
    [BSC_COMMAND_PROMOTE] = "promote",
    [BSC_COMMAND_PROMOTE_FULL] = "promote --full",
    [BSC_COMMAND_PAUSE] = "pause",
    [BSC_COMMAND_RESUME] = "resume",
    [BSC_COMMAND_APPROVE] = "approve",
    [BSC_COMMAND_REJECT] = "reject",
    [BSC_COMMAND_ABORT] = "abort",
    [BSC_COMMAND_ROLLBACK] = "rollback",
    [BSC_COMMAND_ROLLBACK_TO] = "rollback VERSION",
    [BSC_COMMAND_CHECK] = "check",
    [BSC_COMMAND_CLEANUP] = "cleanup",
    [BSC_COMMAND_TRAFFIC] = "traffic",
    [BSC_COMMAND_LOCK] = "lock",
    [BSC_COMMAND_UNLOCK] = "unlock",
};

static const char *const situation_names[BSC_SITUATION_COUNT] = {
    [BSC_AT_REST] = "at rest",         [BSC_AT_WORK] = "at work",
    [BSC_HOLDING] = "requests wait",   [BSC_BAKING] = "baking",
    [BSC_AWAITING] = "to be approved", [BSC_PAUSED] = "paused",
    [BSC_GOING_BACK] = "going back",   [BSC_UNDOING] = "undoing",
    [BSC_TIDYING] = "tidying up",      [BSC_TIDYING_HOOK] = "tidying up, a hook runs",
};

static const struct {
    const char *name, *text;
} rules[BSC_RULE_COUNT] = {
    [BSC_RULE_NONE] = { "", "" },
    [BSC_RULE_FREE] = { "free", "nothing stands against it" },
    [BSC_RULE_WAY_BACK] = { "way back", "abort and rollback win over everything" },
    [BSC_RULE_NEWER] = { "newer", "the newer of two wishes wins" },
    [BSC_RULE_ONE] = { "one", "a service has one rollout at a time" },
    [BSC_RULE_ALREADY] = { "already", "it is so already" },
    [BSC_RULE_NOTHING] = { "nothing", "there is nothing to do it to" },
    [BSC_RULE_WAITING] = { "waiting", "no request is kept waiting for a pause" },
    [BSC_RULE_COMMITTED] = { "committed", "what is promoted is taken back by a rollback only" },
    [BSC_RULE_LOCK] = { "lock", "a locked service releases nothing new and keeps its way back" },
};

struct bsc_ruling bsc_command_rule(enum bsc_command_kind command, enum bsc_situation situation,
                                   bool locked)
{
    assert(command < BSC_COMMAND_KIND_COUNT && situation < BSC_SITUATION_COUNT);
    if (locked && locked_out[command])
        return (struct bsc_ruling){ BSC_LOCKED, BSC_RULE_LOCK };
    return table[command][situation];
}

const char *bsc_command_name(enum bsc_command_kind command)
{
    return command_names[command];
}

const char *bsc_situation_name(enum bsc_situation situation)
{
    return situation_names[situation];
}

const char *bsc_rule_name(enum bsc_rule rule)
{
    return rules[rule].name;
}

const char *bsc_rule_text(enum bsc_rule rule)
{
    return rules[rule].text;
}
