/* SPDX-License-Identifier: Apache-2.0
 * cli/table.c - see table.h. */
#include "cli/table.h"

#include <string.h>

#include "cli/run.h"

#define OPT(name) BSC_OPTION_BIT(BSC_OPTION_##name)

static const char *const modes[] = { "serve", "hold", "maintenance", "stop", NULL };
static const char *const shells[] = { "bash", "zsh", "fish", NULL };
static const char *const config_actions[] = { "check", "reference", "schema", NULL };

#define TOGETHER (OPT(ALL) | OPT(RELEASE))

/* How one deployment differs from what the file says. */
#define WISHES (OPT(STRATEGY) | OPT(STEPS) | OPT(MATCH) | OPT(BAKE))

#define SERVICE_ARGUMENT                               \
    {                                                  \
        .name = "SERVICE", .value = BSC_VALUE_SERVICE, \
        .help = "the service's name in bascule.yaml"   \
    }
#define SERVICE_OPTIONAL                                                 \
    {                                                                    \
        .name = "SERVICE", .value = BSC_VALUE_SERVICE, .optional = true, \
        .help = "only this service"                                      \
    }

const struct bsc_cli_command bsc_commands[] = {
    { .name = "deploy",
      .group = BSC_GROUP_RELEASE,
      .summary = "put a version of a service in front of its users",
      .description =
          "Starts VERSION in the environment that is not live, checks its health and gives it the "
          "traffic, as the service's strategy says: at once with the old version kept warm, in "
          "steps, batch by batch, or with requests held. A version that does not become healthy "
          "never gets a request; one that falls ill later, or fails more often or is slower than "
          "the version before, is taken back.\n\n"
          "Waits until the rollout ended. Ctrl-C stops the watching, not the rollout.",
      .arguments = { SERVICE_ARGUMENT,
                     { .name = "VERSION",
                       .value = BSC_VALUE_RELEASE,
                       .help = "what ${VERSION} becomes: letters, digits and . _ - + : @" } },
      .options = TOGETHER | WISHES | OPT(STAGE) | OPT(SUPERSEDE) | OPT(NO_WAIT) | OPT(TIMEOUT),
      .examples = { { "bascule deploy web v2", "deploy and switch" },
                    { "bascule deploy web v3 --stage", "only start and check it" },
                    { "bascule deploy web v2 --strategy canary --steps 5,25,50 --bake 1m",
                      "in steps, each watched" },
                    { "bascule deploy web v2 --json --timeout 5m", "from a script" } },
      .run = bsc_run_deploy },
    { .name = "check",
      .group = BSC_GROUP_RELEASE,
      .summary = "check the health of the staged version",
      .description = "Probes every instance of the environment that is not live, and prints what "
                     "each of them answered. Exit status 1 when too few are healthy.",
      .arguments = { SERVICE_ARGUMENT },
      .examples = { { "bascule check web", "after `bascule deploy web v3 --stage`" } },
      .run = bsc_run_check },
    { .name = "switch",
      .group = BSC_GROUP_RELEASE,
      .summary = "give the staged version the traffic",
      .description = "The second half of a deployment that was begun with `deploy --stage`. Only a "
                     "version that passed its health check can be switched to.",
      .arguments = { SERVICE_ARGUMENT },
      .options = OPT(NO_WAIT) | OPT(TIMEOUT),
      .examples = { { "bascule switch web", "make the staged version live" } },
      .run = bsc_run_switch },
    { .name = "rollback",
      .group = BSC_GROUP_RELEASE,
      .summary = "go back to the version before",
      .description =
          "At once while the old version is still warm; otherwise it is started and checked "
          "first. Without VERSION to the one that was live before. A second rollback to the "
          "version just rejected needs its name. While a rollout is under way, it is undone.",
      .arguments = { SERVICE_ARGUMENT,
                     { .name = "VERSION",
                       .value = BSC_VALUE_RELEASE,
                       .optional = true,
                       .help = "go back to this one" } },
      .options = TOGETHER | OPT(NO_WAIT) | OPT(TIMEOUT),
      .examples = { { "bascule rollback web", "the version before is live again" },
                    { "bascule rollback web v1", "a version of long ago" } },
      .run = bsc_run_rollback },
    { .name = "retry",
      .group = BSC_GROUP_RELEASE,
      .summary = "release again what failed or was taken back",
      .description = "The very release of the last rollout, with the configuration that it had "
                     "then, as a new rollout with all its checks.",
      .arguments = { SERVICE_ARGUMENT },
      .options = OPT(NO_WAIT) | OPT(TIMEOUT),
      .examples = { { "bascule retry web", "when what was in its way is mended" } },
      .run = bsc_run_retry },
    { .name = "promote",
      .group = BSC_GROUP_RELEASE,
      .summary = "end the watching and go on with the rollout",
      .description =
          "Ends the watching that is under way, before its time, and goes on with the next step; a "
          "pause ends, too. With --full nothing more is watched: the new version gets all the "
          "traffic as soon as it is large enough and healthy. What is skipped is said, and marked "
          "in the plan. Health checks are never skipped.",
      .arguments = { SERVICE_ARGUMENT },
      .options = TOGETHER | OPT(FULL),
      .examples = { { "bascule promote web", "on with the next step" },
                    { "bascule promote web --full", "to the end" } },
      .run = bsc_run_promote },
    { .name = "pause",
      .group = BSC_GROUP_RELEASE,
      .summary = "hold a rollout where it is",
      .description =
          "The step under way ends, the next one is not begun; while a version is watched, the "
          "clock of that stands still. A version that fails is taken back all the same, and "
          "abort and rollback work all the time.",
      .arguments = { SERVICE_ARGUMENT },
      .options = TOGETHER,
      .examples = { { "bascule pause web", "to have a look first" } },
      .run = bsc_run_pause },
    { .name = "resume",
      .group = BSC_GROUP_RELEASE,
      .summary = "let a paused rollout go on",
      .description = "Whoever paused it. What was watched before the pause counts.",
      .arguments = { SERVICE_ARGUMENT },
      .options = TOGETHER,
      .examples = { { "bascule resume web", "" } },
      .run = bsc_run_resume },
    { .name = "approve",
      .group = BSC_GROUP_RELEASE,
      .summary = "let a rollout go on that waits for an approval",
      .description = "It goes on with the step behind the gate. Who approved is recorded with the "
                     "comment, and shown by `bascule events`.",
      .arguments = { SERVICE_ARGUMENT },
      .options = OPT(COMMENT),
      .examples = { { "bascule approve web --comment \"seen by marketing\"", "" } },
      .run = bsc_run_approve },
    { .name = "reject",
      .group = BSC_GROUP_RELEASE,
      .summary = "take back a rollout that waits for an approval",
      .description = "The gate has failed: the traffic goes back to the version that was live "
                     "before, and what the rollout started is stopped. Who rejected is recorded "
                     "with the comment.",
      .arguments = { SERVICE_ARGUMENT },
      .options = OPT(COMMENT),
      .examples = { { "bascule reject web --comment \"the logo is wrong\"", "" } },
      .run = bsc_run_reject },
    { .name = "abort",
      .group = BSC_GROUP_RELEASE,
      .summary = "stop a rollout and undo it",
      .description = "The traffic goes back to the version that was live before the rollout, and "
                     "what the rollout started is stopped. Waits until that is done.",
      .arguments = { SERVICE_ARGUMENT },
      .options = TOGETHER | OPT(NO_WAIT) | OPT(TIMEOUT),
      .examples = { { "bascule abort web", "everything as it was" } },
      .run = bsc_run_abort },
    { .name = "wait",
      .group = BSC_GROUP_RELEASE,
      .summary = "watch a rollout until it ends",
      .description = "The display and the exit status of `deploy`, for a rollout that is already "
                     "under way.",
      .arguments = { { .name = "ROLLOUT",
                       .value = BSC_VALUE_ROLLOUT,
                       .help = "its id, as `deploy --no-wait` and `status` print it" } },
      .options = OPT(TIMEOUT),
      .examples = { { "bascule wait r12 --timeout 10m", "" } },
      .run = bsc_run_wait },
    { .name = "plan",
      .group = BSC_GROUP_LOOK,
      .summary = "show what a deployment would do",
      .description = "The steps in order, how each is undone, and what has changed in the "
                     "configuration since the live release. Nothing happens.",
      .arguments = { SERVICE_ARGUMENT,
                     { .name = "VERSION",
                       .value = BSC_VALUE_RELEASE,
                       .optional = true,
                       .help = "the version to deploy; without it: the switch to a staged one" } },
      .options = TOGETHER | WISHES,
      .examples = { { "bascule plan web v2", "before deploying it" },
                    { "bascule plan web v2 --strategy rolling", "what that would be" },
                    { "bascule plan --release shop v2", "of services that go together" } },
      .run = bsc_run_plan },
    { .name = "status",
      .group = BSC_GROUP_LOOK,
      .summary = "show what is live, and how it does",
      .description = "One line a service, and where clients are served; with SERVICE its "
                     "environments, instances and rollout. `held` in place of the traffic mode: a "
                     "rollout lets requests wait.",
      .arguments = { SERVICE_OPTIONAL },
      .options = TOGETHER | OPT(STRICT),
      .examples = { { "bascule status", "all services" },
                    { "bascule status web", "one in detail" },
                    { "bascule status --strict -q", "for a monitoring script" } },
      .run = bsc_run_status },
    { .name = "history",
      .group = BSC_GROUP_LOOK,
      .summary = "list the deployments of a service",
      .description = "Oldest first: version, environment, when it was deployed and switched to, "
                     "what became of it and why. The newest 1,000 unless told otherwise; more are "
                     "read page by page with --before.",
      .arguments = { SERVICE_ARGUMENT },
      .options = OPT(LINES) | OPT(BEFORE),
      .examples = { { "bascule history web -n 5", "the newest five" },
                    { "bascule history web -n 5 --before d12", "the five before those" } },
      .run = bsc_run_history },
    { .name = "events",
      .group = BSC_GROUP_LOOK,
      .summary = "show what happened, and who asked for it",
      .description = "Every command, step and change of health, oldest first. With --json a list; "
                     "with --json --follow one object a line.",
      .arguments = { SERVICE_OPTIONAL },
      .options = OPT(FOLLOW) | OPT(LINES),
      .examples = { { "bascule events web -n 50", "the newest fifty" },
                    { "bascule events --follow", "live" } },
      .run = bsc_run_events },
    { .name = "logs",
      .group = BSC_GROUP_LOOK,
      .summary = "show what a service's instances printed",
      .description = "The newest lines of all instances of both environments.",
      .arguments = { SERVICE_ARGUMENT },
      .options = OPT(SLOT) | OPT(INSTANCE) | OPT(LINES) | OPT(FOLLOW),
      .examples = { { "bascule logs web -f", "live" },
                    { "bascule logs web --slot green -n 200", "one environment" } },
      .run = bsc_run_logs },
    { .name = "why",
      .group = BSC_GROUP_LOOK,
      .summary = "say in plain words why a service is as it is",
      .description = "Why a rollout waits, why an instance gets no traffic, why a version was "
                     "taken back, and what can be done.",
      .arguments = { SERVICE_ARGUMENT },
      .examples = { { "bascule why web", "at three in the morning" } },
      .run = bsc_run_why },
    { .name = "monitor",
      .group = BSC_GROUP_LOOK,
      .summary = "watch error rate and latency for a while, for scripts",
      .description =
          "Looks every --interval at what happened since the look before: the share of errors and "
          "the p95 of the latency, of all environments or of --slot; without SERVICE of all "
          "services together. Prints both at every look.\n\n"
          "Exit status 0 when every look was good for --duration, 1 at once when one is above a "
          "threshold, or at the end when no look had data.",
      .arguments = { SERVICE_OPTIONAL },
      .options = OPT(DURATION) | OPT(INTERVAL) | OPT(ERROR_RATE_THRESHOLD) |
                 OPT(LATENCY_THRESHOLD) | OPT(SLOT) | OPT(PROMETHEUS) | OPT(ERROR_QUERY) |
                 OPT(LATENCY_QUERY),
      .examples = { { "bascule monitor web --duration 300", "the five minutes after a release" },
                    { "bascule monitor web || bascule rollback web", "in a script" } },
      .run = bsc_run_monitor },
    { .name = "report",
      .group = BSC_GROUP_LOOK,
      .summary = "show in what a new version answers otherwise",
      .description =
          "Of an A/B test: users, goals, the lift with its interval, and about how many more "
          "users a decision needs. Of copies: what came of the requests that `strategy: shadow` "
          "copied to the new version: "
          "how many answers differ, where, with examples, and what was taken for noise. "
          "Of values only the beginning is kept and shown; it may be personal data.",
      .arguments = { SERVICE_ARGUMENT },
      .examples = { { "bascule report web", "while it is mirrored, and afterwards" },
                    { "bascule report web --json", "for scripts" } },
      .run = bsc_run_report },
    { .name = "convert",
      .group = BSC_GROUP_OPERATE,
      .summary = "count what a user of an A/B test did",
      .description = "For what can't be seen in a request: a payment that was confirmed later, a "
                     "call to the hotline. Each goal counts once for each user, numbers add up. "
                     "Users who have not come since the test began are no part of it.",
      .arguments = { SERVICE_ARGUMENT },
      .options = OPT(USER) | OPT(GOAL) | OPT(VALUE),
      .examples = { { "bascule convert web --user 8f2c --goal signup", "" },
                    { "bascule convert web --user 8f2c --value 12.50", "what they paid" } },
      .run = bsc_run_convert },
    { .name = "serve",
      .group = BSC_GROUP_OPERATE,
      .summary = "run the daemon in the foreground",
      .description =
          "Checks the configuration, then starts the supervisor, which starts the proxy and the "
          "controller. SIGTERM stops everything, SIGHUP is `apply`. When an earlier daemon died, "
          "its proxy and instances are taken over while they serve.",
      .examples = { { "bascule serve --config bascule.yaml --state /srv/state", "" } },
      .run = bsc_run_serve },
    { .name = "apply",
      .group = BSC_GROUP_OPERATE,
      .summary = "put a changed configuration in force",
      .description =
          "Routes, time limits and balancing change at once; what belongs to a release changes "
          "with the next deployment. A configuration with problems changes nothing.",
      .options = OPT(FILE),
      .examples = { { "bascule apply", "read the daemon's own file again" },
                    { "bascule apply -f next.yaml", "another file" } },
      .run = bsc_run_apply },
    { .name = "traffic",
      .group = BSC_GROUP_OPERATE,
      .summary = "serve, hold or stop a service's requests",
      .description = "serve: requests are answered. hold: they wait, up to the service's limits. "
                     "maintenance: answered by a maintenance page. stop: refused with 503, held "
                     "ones too. A deployment does not change the mode.",
      .arguments = { SERVICE_ARGUMENT,
                     { .name = "MODE",
                       .value = BSC_VALUE_CHOICE,
                       .choices = modes,
                       .help = "serve, hold, maintenance or stop" } },
      .examples = { { "bascule traffic web hold", "for a moment's work on the database" },
                    { "bascule traffic web serve", "let them go on" } },
      .run = bsc_run_traffic },
    { .name = "lock",
      .group = BSC_GROUP_OPERATE,
      .summary = "refuse new versions of a service, and say why",
      .description =
          "Until `bascule unlock` nothing new is released: deploy, switch, retry, promote, resume "
          "and cleanup are refused with REASON and who locked it when. Rollback and abort work all "
          "the time. A rollout that is under way goes on. The lock survives restarts of the "
          "daemon.",
      .arguments = { SERVICE_ARGUMENT,
                     { .name = "REASON",
                       .value = BSC_VALUE_WORDS,
                       .help = "what whoever meets the lock should know; one line, quoted" } },
      .examples = { { "bascule lock web \"incident 42\"", "in the middle of an incident" } },
      .run = bsc_run_lock },
    { .name = "unlock",
      .group = BSC_GROUP_OPERATE,
      .summary = "allow new versions of a service again",
      .description = "Ends what `bascule lock` began, whoever locked it.",
      .arguments = { SERVICE_ARGUMENT },
      .examples = { { "bascule unlock web", "when the incident is over" } },
      .run = bsc_run_unlock },
    { .name = "cleanup",
      .group = BSC_GROUP_OPERATE,
      .summary = "stop what is not live",
      .description = "Stops the instances of the environment that is not live and empties it. "
                     "After that a rollback has to start the old version again.",
      .arguments = { SERVICE_ARGUMENT },
      .examples = { { "bascule cleanup web", "give its memory back" } },
      .run = bsc_run_cleanup },
    { .name = "upgrade",
      .group = BSC_GROUP_OPERATE,
      .summary = "replace the running proxy without losing a request",
      .description = "A new proxy of the installed version takes over the listening sockets; the "
                     "old one finishes what it has.",
      .examples = { { "bascule upgrade", "after a new bascule was installed" } },
      .run = bsc_run_upgrade },
    { .name = "config",
      .group = BSC_GROUP_OPERATE,
      .summary = "check or explain the configuration",
      .description = "check: read the file and print every problem. reference: all keys, as "
                     "Markdown. schema: the JSON schema, for editors. Needs no daemon.",
      .arguments = { { .name = "ACTION",
                       .value = BSC_VALUE_CHOICE,
                       .choices = config_actions,
                       .help = "check, reference or schema" } },
      .options = OPT(MAN),
      .examples = { { "bascule config check", "./bascule.yaml" },
                    { "bascule config check --config next.yaml", "another file" } },
      .run = bsc_run_config },
    { .name = "init",
      .group = BSC_GROUP_OPERATE,
      .summary = "write a first bascule.yaml",
      .description =
          "Asks what matters to you, chooses the strategy by that, and writes a commented "
          "configuration that `bascule config check` accepts as it is. A file that is there is "
          "never replaced without --force. In a script the answers are options.",
      .options = OPT(ANSWERS) | OPT(STRATEGY) | OPT(NAME) | OPT(COMMAND) | OPT(PORT) | OPT(FORCE),
      .examples = { { "bascule init", "asks" },
                    { "bascule init --answers no-downtime --name web --command './app'",
                      "in a script" },
                    { "bascule init --strategy canary --config shop.yaml", "" } },
      .run = bsc_run_init },
    { .name = "load",
      .group = BSC_GROUP_OPERATE,
      .summary = "run a load test from a scenario file",
      .description =
          "Users or a constant rate of requests as SCENARIO says: weighted requests with random "
          "parameters, a log-in, time to think, stages, and thresholds. With a rate, latency "
          "counts from when a request was due, so that a stall is not hidden. Needs no daemon.\n\n"
          "Exit status 1 when a threshold is broken, a user can't log in, nothing was answered, "
          "or the test was stopped early.",
      .arguments = { { .name = "SCENARIO",
                       .value = BSC_VALUE_FILE,
                       .help = "a file of YAML; see docs/load.md" } },
      .options = OPT(URL) | OPT(DURATION) | OPT(RATE) | OPT(USERS),
      .examples = { { "bascule load shop.yaml", "as the file says" },
                    { "bascule load shop.yaml --rate 1000/s --duration 1h", "an endurance test" },
                    { "bascule load shop.yaml --url http://127.0.0.1:31001 --json",
                      "against one instance, from a script" } },
      .run = bsc_run_load },
    { .name = "version",
      .group = BSC_GROUP_OTHER,
      .summary = "print the version of bascule and of the daemon",
      .description = "The daemon's is left out when none answers.",
      .examples = { { "bascule version --json", "" } },
      .run = bsc_run_version },
    { .name = "help",
      .group = BSC_GROUP_OTHER,
      .summary = "explain bascule or one of its commands",
      .description = "The same as `bascule COMMAND --help`.",
      .arguments = { { .name = "COMMAND",
                       .value = BSC_VALUE_COMMAND,
                       .optional = true,
                       .help = "explain this one" } },
      .options = OPT(MAN),
      .examples = { { "bascule help deploy", "" } },
      .run = bsc_run_help },
    { .name = "completion",
      .group = BSC_GROUP_OTHER,
      .summary = "print a completion script for a shell",
      .description = "Completes commands and options, and the names of services and versions "
                     "where a daemon runs.",
      .arguments = { { .name = "SHELL",
                       .value = BSC_VALUE_CHOICE,
                       .choices = shells,
                       .help = "bash, zsh or fish" } },
      .examples = { { "source <(bascule completion bash)", "in ~/.bashrc" },
                    { "source <(bascule completion zsh)", "in ~/.zshrc" },
                    { "bascule completion fish | source", "in config.fish" } },
      .run = bsc_run_completion },
};

const size_t bsc_command_count = sizeof bsc_commands / sizeof *bsc_commands;

const char *const bsc_exit_meanings[BSC_EXIT_COUNT] = {
    [BSC_EXIT_DONE] = "done; the rollout was promoted or staged",
    [BSC_EXIT_FAILED] = "the rollout failed or was taken back, or the daemon refused",
    [BSC_EXIT_USAGE] = "the command line or the configuration is wrong",
    [BSC_EXIT_BUSY] = "another rollout of the service is under way, or somebody locked it",
    [BSC_EXIT_UNREACHABLE] = "the daemon does not answer",
    [BSC_EXIT_TIMEOUT] = "timed out waiting; the rollout goes on",
};

const struct bsc_cli_command *bsc_command_find(const char *name)
{
    for (size_t i = 0; i < bsc_command_count; i++)
        if (!strcmp(bsc_commands[i].name, name))
            return &bsc_commands[i];
    return NULL;
}

const char *bsc_group_title(enum bsc_group group)
{
    static const char *const titles[BSC_GROUP_COUNT] = {
        [BSC_GROUP_RELEASE] = "Release",
        [BSC_GROUP_LOOK] = "Look",
        [BSC_GROUP_OPERATE] = "Operate",
        [BSC_GROUP_OTHER] = "Other",
    };
    return titles[group];
}
