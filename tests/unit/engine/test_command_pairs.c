/* SPDX-License-Identifier: Apache-2.0
 * Every pair of commands in every situation of a rollout, with the real engine: each is answered as
 * core/command.h rules, and whatever was asked, the service comes to rest with all invariants kept.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/internal.h"
#include "world.h"

enum { TURNS = 20000 };

static struct sim *sim;

static const struct bsc_service *service(void)
{
    return bsc_engine_service(sim->engine, "s1"); /* it has hooks */
}

static enum bsc_status ask(struct bsc_event event)
{
    event.service = "s1";
    return sim_ask(sim, event);
}

static void turn_until(bool (*reached)(void))
{
    unsigned turns = 0;
    while (!reached() && turns++ < TURNS)
        sim_turn(sim);
    assert_true(reached());
}

static bool at_rest(void)
{
    return !bsc_service_busy(service()) && sim_engine_free(sim);
}

static bool at_step(enum bsc_step_kind kind)
{
    const struct bsc_rollout_row *row = &service()->rollout->row;
    return row->walk.cursor < row->plan.count && row->plan.steps[row->walk.cursor].kind == kind &&
           sim_engine_free(sim);
}

static bool starting(void)
{
    return at_step(BSC_STEP_START);
}

static bool baking(void)
{
    return at_step(BSC_STEP_BAKE);
}

static bool holding(void)
{
    return at_step(BSC_STEP_START) && bsc_plan_holds(&service()->rollout->row.plan);
}

static bool draining(void)
{
    return at_step(BSC_STEP_DRAIN);
}

static bool standby_over(void)
{
    return service()->row.slots.state[bsc_slots_staging(&service()->row.slots)] == BSC_SLOT_IDLE;
}

static bool hook_behind_commit(void)
{
    return service()->rollout->row.walk.status == BSC_ROLLOUT_PROMOTED && at_step(BSC_STEP_HOOK);
}

static bool awaiting(void)
{
    return bsc_service_situation(service()) == BSC_AWAITING;
}

static bool at_rest_or_awaiting(void)
{
    return at_rest() || awaiting();
}

/* To the end, whatever is to be approved. */
static void let_through(void)
{
    turn_until(at_rest_or_awaiting);
    if (awaiting())
        assert_int_equal(ask((struct bsc_event){ .kind = BSC_EVENT_APPROVE }), BSC_OK);
    turn_until(at_rest);
}

static void deploy(const char *version)
{
    assert_int_equal(ask((struct bsc_event){ .kind = BSC_EVENT_DEPLOY, .version = version }),
                     BSC_OK);
}

/* v2 is live and v1 was before; v5 is what is rolled out where something is. */
static void bring_about(enum bsc_situation situation)
{
    deploy("v1");
    let_through();
    deploy("v2");
    let_through();
    if (situation == BSC_AT_REST)
        return;
    if (situation == BSC_GOING_BACK) {
        turn_until(standby_over);
        assert_int_equal(ask((struct bsc_event){ .kind = BSC_EVENT_ROLLBACK }), BSC_OK);
        turn_until(starting);
        return;
    }
    if (situation == BSC_HOLDING) {
        struct bsc_event event = { .kind = BSC_EVENT_DEPLOY, .version = "v5" };
        event.wish.has_strategy = true;
        event.wish.strategy = BSC_STRATEGY_RECREATE;
        assert_int_equal(ask(event), BSC_OK);
        turn_until(holding);
        return;
    }
    deploy("v5");
    turn_until(situation == BSC_AT_WORK        ? starting
               : situation == BSC_TIDYING      ? draining
               : situation == BSC_TIDYING_HOOK ? hook_behind_commit
               : situation == BSC_AWAITING     ? awaiting
                                               : baking);
    if (situation == BSC_PAUSED)
        assert_int_equal(ask((struct bsc_event){ .kind = BSC_EVENT_PAUSE }), BSC_OK);
    if (situation == BSC_UNDOING)
        assert_int_equal(ask((struct bsc_event){ .kind = BSC_EVENT_ABORT }), BSC_OK);
}

static struct bsc_event event_of(enum bsc_command_kind command)
{
    static const enum bsc_event_kind kinds[BSC_COMMAND_KIND_COUNT] = {
        [BSC_COMMAND_DEPLOY] = BSC_EVENT_DEPLOY,
        [BSC_COMMAND_SUPERSEDE] = BSC_EVENT_DEPLOY,
        [BSC_COMMAND_SWITCH] = BSC_EVENT_SWITCH,
        [BSC_COMMAND_RETRY] = BSC_EVENT_RETRY,
        [BSC_COMMAND_PROMOTE] = BSC_EVENT_PROMOTE,
        [BSC_COMMAND_PROMOTE_FULL] = BSC_EVENT_PROMOTE,
        [BSC_COMMAND_PAUSE] = BSC_EVENT_PAUSE,
        [BSC_COMMAND_RESUME] = BSC_EVENT_RESUME,
        [BSC_COMMAND_APPROVE] = BSC_EVENT_APPROVE,
        [BSC_COMMAND_REJECT] = BSC_EVENT_REJECT,
        [BSC_COMMAND_ABORT] = BSC_EVENT_ABORT,
        [BSC_COMMAND_ROLLBACK] = BSC_EVENT_ROLLBACK,
        [BSC_COMMAND_ROLLBACK_TO] = BSC_EVENT_ROLLBACK,
        [BSC_COMMAND_CHECK] = BSC_EVENT_CHECK,
        [BSC_COMMAND_CLEANUP] = BSC_EVENT_CLEANUP,
        [BSC_COMMAND_TRAFFIC] = BSC_EVENT_TRAFFIC,
        [BSC_COMMAND_LOCK] = BSC_EVENT_LOCK,
        [BSC_COMMAND_UNLOCK] = BSC_EVENT_UNLOCK,
    };
    struct bsc_event event = { .kind = kinds[command] };
    event.supersede = command == BSC_COMMAND_SUPERSEDE;
    event.to_end = command == BSC_COMMAND_PROMOTE_FULL;
    if (command == BSC_COMMAND_DEPLOY || command == BSC_COMMAND_SUPERSEDE)
        event.version = "v6";
    if (command == BSC_COMMAND_ROLLBACK_TO)
        event.version = "v1";
    if (command == BSC_COMMAND_LOCK)
        event.text = "incident 42";
    return event;
}

/* What the table allows may still meet something in its way, but never another command. */
static void give(enum bsc_command_kind command)
{
    enum bsc_situation situation = bsc_service_situation(service());
    bool locked = service()->row.lock.at_ms != 0;
    struct bsc_ruling ruling = bsc_command_rule(command, situation, locked);
    enum bsc_status status = ask(event_of(command));
    if (status == ruling.status)
        return;
    bool met = ruling.status == BSC_OK && ruling.rule == BSC_RULE_FREE && situation == BSC_AT_REST;
    met = met || (command == BSC_COMMAND_CHECK && status != BSC_LOCKED); /* asked for, then cut */
    met = met || ((command == BSC_COMMAND_APPROVE || command == BSC_COMMAND_REJECT) &&
                  situation == BSC_PAUSED && status == BSC_STATE);
    met = met || (ruling.rule == BSC_RULE_NEWER && situation == BSC_TIDYING);
    if (!met || status == BSC_LOCKED || (status == BSC_BUSY && command != BSC_COMMAND_CHECK))
        fail_msg("%s when %s%s: %s (%s) and not %s by the rule '%s'", bsc_command_name(command),
                 bsc_situation_name(situation), locked ? " and locked" : "",
                 bsc_status_name(status), sim->answer_text, bsc_status_name(ruling.status),
                 bsc_rule_name(ruling.rule));
}

static void come_to_rest(void)
{
    (void)ask((struct bsc_event){ .kind = BSC_EVENT_UNLOCK });
    (void)ask((struct bsc_event){ .kind = BSC_EVENT_RESUME });
    let_through();
}

static void pairs_in(enum bsc_situation situation)
{
    for (unsigned first = 0; first < BSC_COMMAND_KIND_COUNT; first++)
        for (unsigned second = 0; second < BSC_COMMAND_KIND_COUNT; second++) {
            struct sim_fate fate = { .script = SIM_DRIVEN, .approval = situation == BSC_AWAITING };
            sim = sim_open(1, &fate, false);
            while (!bsc_engine_services(sim->engine) || !sim_engine_free(sim))
                sim_turn(sim);
            bring_about(situation);
            assert_int_equal(bsc_service_situation(service()), situation);
            give((enum bsc_command_kind)first);
            give((enum bsc_command_kind)second);
            come_to_rest();
            if (sim->failure[0])
                fail_msg("%s, then %s when %s: %s", bsc_command_name(first),
                         bsc_command_name(second), bsc_situation_name(situation), sim->failure);
            sim_close(sim);
        }
}

#define PAIRS(situation, name)      \
    static void name(void **unused) \
    {                               \
        (void)unused;               \
        pairs_in(situation);        \
    }

PAIRS(BSC_AT_REST, every_pair_at_rest)
PAIRS(BSC_AT_WORK, every_pair_while_a_step_runs)
PAIRS(BSC_HOLDING, every_pair_while_requests_wait)
PAIRS(BSC_BAKING, every_pair_in_a_bake)
PAIRS(BSC_AWAITING, every_pair_while_an_approval_is_waited_for)
PAIRS(BSC_PAUSED, every_pair_while_it_is_paused)
PAIRS(BSC_GOING_BACK, every_pair_in_a_rollback)
PAIRS(BSC_UNDOING, every_pair_while_it_is_undone)
PAIRS(BSC_TIDYING, every_pair_while_the_old_version_drains)
PAIRS(BSC_TIDYING_HOOK, every_pair_while_the_last_hook_runs)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_at_rest),
        cmocka_unit_test(every_pair_while_a_step_runs),
        cmocka_unit_test(every_pair_while_requests_wait),
        cmocka_unit_test(every_pair_in_a_bake),
        cmocka_unit_test(every_pair_while_an_approval_is_waited_for),
        cmocka_unit_test(every_pair_while_it_is_paused),
        cmocka_unit_test(every_pair_in_a_rollback),
        cmocka_unit_test(every_pair_while_it_is_undone),
        cmocka_unit_test(every_pair_while_the_old_version_drains),
        cmocka_unit_test(every_pair_while_the_last_hook_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
