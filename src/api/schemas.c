/* SPDX-License-Identifier: Apache-2.0
 * api/schemas.c - the objects that the API answers with (docs/api.md, Objects). The views build
 * them; the OpenAPI document is made from this table, and a test holds the two together.
 */
#include "api/route.h"

#define SLOTS "blue|green"
#define STRATEGIES "blue-green|canary|rolling|recreate|shadow|ab"
#define STEP_KINDS \
    "hook|start|check|split|bake|commit|drain|stop|hold|resume|mirror|trial|follow|meet"

static const struct bsc_api_field version[] = {
    { "version", BSC_API_STRING, .summary = "the daemon's own version" },
    { "api", BSC_API_INTEGER, .summary = "grows when a member of an answer is taken away" },
    { 0 },
};

static const struct bsc_api_field status[] = {
    { "processes", BSC_API_OBJECT, .of = "Processes", .summary = "who runs" },
    { "listen", BSC_API_LIST, .of = "Listener", .summary = "where clients are served now" },
    { "proxy", BSC_API_OBJECT, .of = "ProxyFigures",
      .summary = "what happened to clients that no service is charged with" },
    { "services", BSC_API_LIST, .of = "Service", .summary = "sorted by name" },
    { 0 },
};

#include "api/schemas_proxy.inc"

static const struct bsc_api_field service[] = {
    { "name", BSC_API_STRING, .summary = "its name in the configuration" },
    { "live", BSC_API_STRING, .of = SLOTS, .summary = "the slot that is live" },
    { "slots", BSC_API_OBJECT, .of = "Slots", .summary = "both environments" },
    { "traffic", BSC_API_STRING, .of = "serve|hold|maintenance|stop",
      .summary = "what the proxy does with requests" },
    { "held", BSC_API_BOOLEAN,
      .summary = "a rollout lets requests wait although `traffic` is serve" },
    { "removed", BSC_API_BOOLEAN,
      .summary = "it left the configuration and disappears when it is stopped" },
    { "lock", BSC_API_OBJECT, BSC_API_NULLABLE, .of = "Lock",
      .summary = "who refuses what is new" },
    { "rollout", BSC_API_OBJECT, BSC_API_NULLABLE, .of = "Rollout",
      .summary = "the rollout at work" },
    { "next", BSC_API_STRING, BSC_API_NULLABLE,
      .summary = "the rollout that begins when that one is taken back, \"r13\"" },
    { "last_rollout", BSC_API_OBJECT, BSC_API_NULLABLE, .of = "Rollout",
      .summary = "the newest rollout when it is over" },
    { "figures", BSC_API_OBJECT, .of = "ServiceFigures",
      .summary = "what the proxies counted since the controller began" },
    { "preview", BSC_API_OBJECT, BSC_API_NULLABLE, .of = "Preview",
      .summary = "the way to what is not live; null: the file gives none" },
    { 0 },
};

static const struct bsc_api_field figures[] = {
    { "requests", BSC_API_INTEGER, .summary = "that have ended" },
    { "errors", BSC_API_INTEGER,
      .summary = "of them: 500 or more, or no answer; before a rescue, after retries" },
    { "retries", BSC_API_INTEGER, .summary = "requests sent again, to an instance of their slot" },
    { "queued", BSC_API_INTEGER, .summary = "requests that found every instance full" },
    { "queue_refused", BSC_API_INTEGER, .summary = "of them: the queue was full, 503" },
    { "queue_timed_out", BSC_API_INTEGER, .summary = "of them: none came free in time, 503" },
    { "ejections", BSC_API_INTEGER,
      .summary = "how often an instance was left out for a while because of its answers" },
    { 0 },
};

static const struct bsc_api_field latency_bucket[] = {
    { "up_to_us", BSC_API_INTEGER,
      .summary = "microseconds from the request's head to the answer's, at most; more than in the "
                 "bucket before" },
    { "count", BSC_API_INTEGER, .summary = "answers that took so long" },
    { 0 },
};

static const struct bsc_api_field slot_counters[] = {
    { "requests", BSC_API_INTEGER, .summary = "that have ended" },
    { "errors", BSC_API_INTEGER, .summary = "of them, before a rescue" },
    { "latency", BSC_API_LIST, .of = "LatencyBucket",
      .summary = "the histogram's buckets that hold something" },
    { 0 },
};

static const struct bsc_api_field slots_counters[] = {
    { "blue", BSC_API_OBJECT, .of = "SlotCounters", .summary = "the blue environment" },
    { "green", BSC_API_OBJECT, .of = "SlotCounters", .summary = "the green environment" },
    { 0 },
};

static const struct bsc_api_field counters[] = {
    { "service", BSC_API_STRING, .summary = "its name" },
    { "controller", BSC_API_INTEGER, BSC_API_NULLABLE,
      .summary = "the controller's process id: another one counts from the beginning" },
    { "slots", BSC_API_OBJECT, .of = "SlotsCounters",
      .summary = "growing while the controller lives: look twice for what was in between" },
    { 0 },
};

static const struct bsc_api_field rescues[] = {
    { "status", BSC_API_INTEGER, .summary = "the candidate answered 500, 502, 503 or 504" },
    { "no_instance", BSC_API_INTEGER, .summary = "it had no healthy instance" },
    { "connect_failed", BSC_API_INTEGER, .summary = "it could not be connected to" },
    { "reset", BSC_API_INTEGER, .summary = "it broke off, or answered nonsense" },
    { "timed_out", BSC_API_INTEGER, .summary = "it did not answer in time" },
    { "failed", BSC_API_INTEGER, .summary = "the stable slot failed them, too" },
    { "refused", BSC_API_INTEGER,
      .summary = "not tried: nothing healthy in the stable slot, or too many at once" },
    { 0 },
};

static const struct bsc_api_field analysis[] = {
    { "finding", BSC_API_STRING, .of = "inconclusive|good|harm", .summary = "what was found" },
    { "proof", BSC_API_STRING, .of = "none|fast|steady|before|ceiling",
      .summary = "by which test harm was found" },
    { "metric", BSC_API_STRING, .of = "errors|p50|p90|p99", .summary = "... and of what" },
    { "compared", BSC_API_STRING, .of = "requests|users|before",
      .summary = "with the live version at the same time, by requests or by users; or with what "
                 "it was before" },
    { "p_ppm", BSC_API_INTEGER,
      .summary = "p, in millionths: how probable such a difference is by chance, valid at all "
                 "times" },
    { "candidate", BSC_API_OBJECT, .of = "Rates", .summary = "the new version in this step" },
    { "live", BSC_API_OBJECT, .of = "Rates", .summary = "what it is compared with" },
    { "minimum_requests", BSC_API_INTEGER, .summary = "of the new version, for `good`" },
    { "needed_ms", BSC_API_INTEGER, BSC_API_NULLABLE,
      .summary = "until there are so many at this rate; null: none comes" },
    { "confident", BSC_API_BOOLEAN,
      .summary =
          "it is shown that the new version is no worse than `deploy.analysis.margin`, which "
          "ends a bake with `until: confident`" },
    { 0 },
};

static const struct bsc_api_field query[] = {
    { "name", BSC_API_STRING, .summary = "as in the file" },
    { "state", BSC_API_STRING, .of = "open|passed|failed",
      .summary = "what its answers say in this step" },
    { "value", BSC_API_STRING, BSC_API_NULLABLE,
      .summary = "the newest answer; null: it was no number" },
    { "last", BSC_API_STRING, .summary = "the same in words, or why there was none" },
    { "text", BSC_API_STRING, .summary = "all of this in words" },
    { "passed", BSC_API_INTEGER, .summary = "answers that passed" },
    { "failed", BSC_API_INTEGER, .summary = "... that did not" },
    { "unanswered", BSC_API_INTEGER, .summary = "questions without an answer" },
    { "count", BSC_API_INTEGER, .summary = "passes that are needed" },
    { "failure_limit", BSC_API_INTEGER, .summary = "failures that are too many" },
    { "dry_run", BSC_API_BOOLEAN, .summary = "nothing follows from it" },
    { 0 },
};

static const struct bsc_api_field goal_rate[] = {
    { "users", BSC_API_INTEGER, .summary = "who reached the goal" },
    { "rate_ppm", BSC_API_INTEGER, .summary = "of the version's users, in millionths" },
    { "low_ppm", BSC_API_INTEGER, .summary = "the rate lies above this ..." },
    { "high_ppm", BSC_API_INTEGER, .summary = "... and below this, valid at all times" },
    { 0 },
};

static const struct bsc_api_field goal[] = {
    { "name", BSC_API_STRING, .summary = "as in the configuration" },
    { "candidate", BSC_API_OBJECT, .of = "GoalRate", .summary = "the new version" },
    { "live", BSC_API_OBJECT, .of = "GoalRate", .summary = "the old version" },
    { "lift_ppm", BSC_API_INTEGER, BSC_API_NULLABLE, .summary = "of the old version's rate" },
    { "lift_low_ppm", BSC_API_INTEGER, .summary = "the lift lies above this ..." },
    { "lift_high_ppm", BSC_API_INTEGER, BSC_API_NULLABLE,
      .summary = "... and below this, valid at all times" },
    { "p_ppm", BSC_API_INTEGER, .summary = "p in millionths, valid at all times" },
    { 0 },
};

static const struct bsc_api_field trial_value[] = {
    { "header", BSC_API_STRING, .summary = "the field of answers" },
    { "candidate_users", BSC_API_INTEGER, .summary = "of the new version, with a number" },
    { "live_users", BSC_API_INTEGER, .summary = "of the old version" },
    { "candidate_millionths", BSC_API_INTEGER, BSC_API_NULLABLE,
      .summary = "the mean over all users of the new version, times a million" },
    { "live_millionths", BSC_API_INTEGER, BSC_API_NULLABLE, .summary = "... of the old version" },
    { "difference_millionths", BSC_API_INTEGER, BSC_API_NULLABLE, .summary = "of the two" },
    { "low_millionths", BSC_API_INTEGER, BSC_API_NULLABLE, .summary = "it lies above this" },
    { "high_millionths", BSC_API_INTEGER, BSC_API_NULLABLE, .summary = "... and below this" },
    { 0 },
};

static const struct bsc_api_field trial[] = {
    { "verdict", BSC_API_STRING, .of = "undecided|candidate|live|mismatch",
      .summary = "which version wins; mismatch: users are lost, so nothing can be decided" },
    { "over", BSC_API_BOOLEAN, .summary = "nobody is counted any more" },
    { "text", BSC_API_STRING, .summary = "the same in words" },
    { "decide", BSC_API_STRING, .summary = "the goal that decides, or \"value\"" },
    { "alpha_bp", BSC_API_INTEGER, .summary = "probability of a wrong decision" },
    { "share_bp", BSC_API_INTEGER, .summary = "of the users, drawn for the new version" },
    { "candidate_users", BSC_API_INTEGER, .summary = "who came and got the new version" },
    { "live_users", BSC_API_INTEGER, .summary = "who came and got the old one" },
    { "mismatch_p_ppm", BSC_API_INTEGER, .summary = "p of the numbers of users, in millionths" },
    { "needed_users", BSC_API_INTEGER, BSC_API_NULLABLE, .summary = "about so many more" },
    { "lost", BSC_API_INTEGER, .summary = "facts that were overwritten before they were read" },
    { "untaken", BSC_API_INTEGER, .summary = "facts about users beyond the first million" },
    { "goals", BSC_API_LIST, .of = "Goal", .summary = "all of them" },
    { "value", BSC_API_OBJECT, BSC_API_NULLABLE, .of = "TrialValue", .summary = "of each user" },
    { 0 },
};

static const struct bsc_api_field rates[] = {
    { "requests", BSC_API_INTEGER, BSC_API_NULLABLE,
      .summary = "in this step; null: as of before" },
    { "errors", BSC_API_INTEGER, BSC_API_NULLABLE, .summary = "of them" },
    { "rate_ppm", BSC_API_INTEGER, .summary = "errors in a million requests" },
    { "low_ppm", BSC_API_INTEGER, .summary = "... at least, and" },
    { "high_ppm", BSC_API_INTEGER, .summary = "... at most, as far as that can be known" },
    { "p50_us", BSC_API_INTEGER, BSC_API_NULLABLE, .summary = "half of the answers took longer" },
    { "p90_us", BSC_API_INTEGER, BSC_API_NULLABLE, .summary = "a tenth did" },
    { "p99_us", BSC_API_INTEGER, BSC_API_NULLABLE, .summary = "a hundredth did" },
    { 0 },
};

static const struct bsc_api_field lock[] = {
    { "at", BSC_API_TIME, .summary = "since when" },
    { "actor", BSC_API_STRING, .summary = "who locked it" },
    { "reason", BSC_API_STRING, .summary = "and why" },
    { 0 },
};

static const struct bsc_api_field slots[] = {
    { "blue", BSC_API_OBJECT, .of = "Slot", .summary = "one environment" },
    { "green", BSC_API_OBJECT, .of = "Slot", .summary = "the other one" },
    { 0 },
};

static const struct bsc_api_field slot[] = {
    { "state", BSC_API_STRING, .of = "idle|deploying|ready|live|standby|failed",
      .summary = "what the environment is" },
    { "version", BSC_API_STRING, BSC_API_NULLABLE, .summary = "null: none, or not known" },
    { "record", BSC_API_STRING, BSC_API_NULLABLE, .summary = "id of its deployment, \"d12\"" },
    { "weight_bp", BSC_API_INTEGER, .summary = "its share of the traffic in 1/10,000" },
    { "match", BSC_API_LIST,
      .summary = "rules that send chosen users there besides, \"header:X-Beta=yes\"; mostly none" },
    { "standby_until", BSC_API_TIME, BSC_API_NULLABLE,
      .summary = "when a standby stops being warm" },
    { "instances", BSC_API_LIST, .of = "Instance", .summary = "by position" },
    { 0 },
};

static const struct bsc_api_field instance[] = {
    { "id", BSC_API_STRING, .summary = "unique for ever" },
    { "pid", BSC_API_INTEGER, BSC_API_NULLABLE,
      .summary = "null: not running, or not run by bascule" },
    { "address", BSC_API_STRING, .summary = "where it listens" },
    { "phase", BSC_API_STRING, .of = "starting|running|restarting|draining|stopping",
      .summary = "where it stands in its life" },
    { "health", BSC_API_STRING, .of = "unknown|healthy|ill|ejected",
      .summary = "verdict of the probes; ejected: healthy, but the proxy leaves it out for a while "
                 "because of its answers" },
    { "detail", BSC_API_STRING,
      .summary = "the last probe's answer, how it exited, or why it is ejected" },
    { 0 },
};

static const struct bsc_api_field rollout[] = {
    { "id", BSC_API_STRING, .summary = "\"r12\"" },
    { "record", BSC_API_STRING, BSC_API_NULLABLE, .summary = "id of the deployment, \"d11\"" },
    { "service", BSC_API_STRING, .summary = "of which service" },
    { "kind", BSC_API_STRING, .of = "deploy|stage|switch|rollback|revert",
      .summary = "which command began it" },
    { "strategy", BSC_API_STRING, .of = STRATEGIES, .summary = "how it goes" },
    { "version", BSC_API_STRING, BSC_API_NULLABLE, .summary = "what it brings" },
    { "slot", BSC_API_STRING, .of = SLOTS, .summary = "where it brings it" },
    { "status", BSC_API_STRING,
      .of = "running|undoing|promoted|staged|rolled-back|failed|cancelled|superseded",
      .summary = "where it stands" },
    { "step", BSC_API_INTEGER,
      .summary = "index of the current step; their number when all are done" },
    { "steps", BSC_API_LIST, .of = "Step", .summary = "the whole plan" },
    { "waiting", BSC_API_STRING, .summary = "why the current step has not gone on, or \"\"" },
    { "paused", BSC_API_OBJECT, BSC_API_NULLABLE, .of = "Pause",
      .summary = "who holds it up; `waiting` says where" },
    { "reason", BSC_API_STRING, BSC_API_NULLABLE,
      .summary = "why it failed, was aborted or rolled back" },
    { "error", BSC_API_STRING, BSC_API_NULLABLE,
      .summary = "the name of what made it fail, as in problems" },
    { "passed", BSC_API_INTEGER, BSC_API_NULLABLE,
      .summary = "how many instances were healthy when it failed for that" },
    { "total", BSC_API_INTEGER, BSC_API_NULLABLE, .summary = "... of how many" },
    { "rescues", BSC_API_OBJECT, BSC_API_NULLABLE, .of = "Rescues",
      .summary = "what its version failed and the stable slot answered; null: not known any more" },
    { "analysis", BSC_API_OBJECT, BSC_API_NULLABLE, .of = "Analysis",
      .summary = "how its version compares; null: nothing was counted, or it is not known any "
                 "more" },
    { "queries", BSC_API_LIST, BSC_API_NULLABLE, .of = "Query",
      .summary = "what others say of its version; null: nobody was asked, or it is not known any "
                 "more" },
    { "group", BSC_API_STRING, BSC_API_NULLABLE,
      .summary = "\"g12\", when it stands or falls with others" },
    { "actor", BSC_API_STRING, .summary = "who asked for it" },
    { "started_at", BSC_API_TIME, .summary = "when it began" },
    { "ended_at", BSC_API_TIME, BSC_API_NULLABLE, .summary = "when it ended" },
    { 0 },
};

static const struct bsc_api_field pause[] = {
    { "at", BSC_API_TIME, .summary = "since when" },
    { "actor", BSC_API_STRING, .summary = "who paused it" },
    { 0 },
};

static const struct bsc_api_field step[] = {
    { "kind", BSC_API_STRING, .of = STEP_KINDS, .summary = "what it does" },
    { "state", BSC_API_STRING, .of = "pending|running|done|failed|skipped|undoing|undone",
      .summary = "where it stands" },
    { "slot", BSC_API_STRING, .of = SLOTS, .summary = "in which environment" },
    { "text", BSC_API_STRING, .summary = "the step in words" },
    { "undo", BSC_API_STRING, BSC_API_NULLABLE, .summary = "its undo in words" },
    { "capacity", BSC_API_OBJECT, BSC_API_OPTIONAL, .of = "Capacity",
      .summary = "of a plan: what there is when the step is done" },
    { 0 },
};

static const struct bsc_api_field capacity[] = {
    { "blue", BSC_API_OBJECT, .of = "SlotCapacity", .summary = "of one environment" },
    { "green", BSC_API_OBJECT, .of = "SlotCapacity", .summary = "of the other one" },
    { "held", BSC_API_BOOLEAN, .summary = "requests wait" },
    { 0 },
};

static const struct bsc_api_field slot_capacity[] = {
    { "instances", BSC_API_INTEGER, .summary = "how many run" },
    { "weight_bp", BSC_API_INTEGER, .summary = "its share of the traffic, of 10,000" },
    { "chosen", BSC_API_BOOLEAN, .summary = "and users that match rules choose" },
    { 0 },
};

static const struct bsc_api_field record[] = {
    { "id", BSC_API_STRING, .summary = "\"d12\"" },
    { "environment", BSC_API_STRING, .of = SLOTS, .summary = "where it was deployed" },
    { "version", BSC_API_STRING, BSC_API_NULLABLE, .summary = "what was deployed" },
    { "status", BSC_API_STRING, .of = "in-progress|ready|live|replaced|rolled-back|failed",
      .summary = "what became of it" },
    { "deployed_at", BSC_API_TIME, BSC_API_NULLABLE, .summary = "when it was deployed" },
    { "switched_at", BSC_API_TIME, BSC_API_NULLABLE, .summary = "when it became live" },
    { "rolled_back_at", BSC_API_TIME, BSC_API_NULLABLE, .summary = "when it was taken back" },
    { "reason", BSC_API_STRING, BSC_API_NULLABLE, .summary = "why it failed or was taken back" },
    { "error", BSC_API_STRING, BSC_API_NULLABLE,
      .summary = "the name of what made it fail, as in problems" },
    { 0 },
};

static const struct bsc_api_field event[] = {
    { "sequence", BSC_API_INTEGER, .summary = "grows by one with each event" },
    { "at", BSC_API_TIME, .summary = "when" },
    { "service", BSC_API_STRING, BSC_API_NULLABLE, .summary = "null: of the whole" },
    { "rollout", BSC_API_STRING, BSC_API_NULLABLE, .summary = "of which rollout" },
    { "kind", BSC_API_STRING, .summary = "\"deploy\", \"step\", \"promoted\", \"health\"" },
    { "actor", BSC_API_STRING, .summary = "who caused it" },
    { "text", BSC_API_STRING, .summary = "the event in words" },
    { "error", BSC_API_STRING, BSC_API_NULLABLE,
      .summary = "the name of what went wrong, where the event tells of that" },
    { 0 },
};

static const struct bsc_api_field plan[] = {
    { "service", BSC_API_STRING, .summary = "of which service" },
    { "version", BSC_API_STRING, BSC_API_NULLABLE, .summary = "what it would bring" },
    { "kind", BSC_API_STRING, .of = "deploy|stage|switch|rollback|revert",
      .summary = "what would run: a rollback may turn out a revert" },
    { "strategy", BSC_API_STRING, .of = STRATEGIES, .summary = "how it would go" },
    { "steps", BSC_API_LIST, .of = "Step", .summary = "in order" },
    { "match", BSC_API_LIST, .summary = "the rules by which users are chosen in it" },
    { "drift", BSC_API_LIST, .summary = "what runs otherwise than the file says" },
    { 0 },
};

static const struct bsc_api_field check[] = {
    { "healthy", BSC_API_BOOLEAN, .summary = "enough instances are healthy" },
    { "passed", BSC_API_INTEGER, .summary = "healthy instances" },
    { "failed", BSC_API_INTEGER, .summary = "the others" },
    { "duration_ms", BSC_API_INTEGER, .summary = "how long the check took" },
    { "checks", BSC_API_LIST, .of = "Check", .summary = "by instance" },
    { 0 },
};

static const struct bsc_api_field check_item[] = {
    { "instance", BSC_API_STRING, .summary = "its id" },
    { "passed", BSC_API_BOOLEAN, .summary = "it is healthy" },
    { "detail", BSC_API_STRING, .summary = "the last probe's answer" },
    { 0 },
};

static const struct bsc_api_field report[] = {
    { "service", BSC_API_STRING, .summary = "of which service" },
    { "rollout", BSC_API_STRING, .summary = "of which rollout" },
    { "version", BSC_API_STRING, BSC_API_OPTIONAL | BSC_API_NULLABLE, .summary = "the new one" },
    { "verdict", BSC_API_STRING, BSC_API_OPTIONAL, .of = "few|alike|different|slower",
      .summary = "few: not enough was compared" },
    { "text", BSC_API_STRING, BSC_API_OPTIONAL, .summary = "the same in words" },
    { "compared", BSC_API_INTEGER, BSC_API_OPTIONAL,
      .summary = "answers of both versions to the same request" },
    { "different", BSC_API_INTEGER, BSC_API_OPTIONAL, .summary = "of them, without noise" },
    { "minimum", BSC_API_INTEGER, BSC_API_OPTIONAL, .summary = "of comparisons, for a verdict" },
    { "skipped", BSC_API_INTEGER, BSC_API_OPTIONAL,
      .summary = "requests drawn that could not be compared" },
    { "unseen", BSC_API_LIST, BSC_API_OPTIONAL, .summary = "why they could not: why, count" },
    { "dropped", BSC_API_INTEGER, BSC_API_OPTIONAL,
      .summary = "... for which there was no room or time" },
    { "live", BSC_API_OBJECT, BSC_API_OPTIONAL, .of = "Latency", .summary = "of the live version" },
    { "candidate", BSC_API_OBJECT, BSC_API_OPTIONAL, .of = "Latency", .summary = "of the new one" },
    { "findings", BSC_API_LIST, BSC_API_OPTIONAL, .of = "Finding", .summary = "at most 48" },
    { "trial", BSC_API_OBJECT, BSC_API_OPTIONAL, .of = "Trial", .summary = "of an A/B test: only" },
    { 0 },
};

static const struct bsc_api_field latency[] = {
    { "p50_us", BSC_API_INTEGER, .summary = "half of the answers took longer" },
    { "p95_us", BSC_API_INTEGER, .summary = "one in twenty did; 0: nothing was measured" },
    { 0 },
};

static const struct bsc_api_field finding[] = {
    { "kind", BSC_API_STRING, .of = "answer|status|header|body",
      .summary = "what differs; answer: there was none" },
    { "where", BSC_API_STRING,
      .summary = "the header's name, the field's path, the reason without an answer" },
    { "count", BSC_API_INTEGER, .summary = "comparisons that showed it" },
    { "noise", BSC_API_BOOLEAN,
      .summary = "the live version differs from itself there: it does not count" },
    { "examples", BSC_API_LIST, .of = "Example", .summary = "at most 3" },
    { 0 },
};

static const struct bsc_api_field example[] = {
    { "request", BSC_API_STRING, .summary = "without its query" },
    { "live", BSC_API_STRING, .summary = "the beginning of the live version's value" },
    { "candidate", BSC_API_STRING, .summary = "... and of the new one's" },
    { 0 },
};

static const struct bsc_api_field why[] = {
    { "service", BSC_API_STRING, .summary = "of which service" },
    { "lines", BSC_API_LIST, .summary = "what is so and why, in plain words" },
    { 0 },
};

static const struct bsc_api_field started[] = {
    { "id", BSC_API_STRING, BSC_API_NULLABLE, .summary = "the rollout's id" },
    { "record", BSC_API_STRING, BSC_API_NULLABLE, .summary = "the deployment's id" },
    { "done", BSC_API_STRING, .summary = "what was done, and by which rule it won" },
    { 0 },
};

static const struct bsc_api_field started_together[] = {
    { "id", BSC_API_STRING, .summary = "of the group, \"g12\"" },
    { "done", BSC_API_STRING, .summary = "what was done" },
    { 0 },
};

static const struct bsc_api_field release[] = {
    { "name", BSC_API_STRING, .summary = "as in the file, or \"all\"" },
    { "id", BSC_API_STRING, BSC_API_NULLABLE, .summary = "of the newest, \"g12\"; null: none yet" },
    { "status", BSC_API_STRING, BSC_API_NULLABLE,
      .summary = "of all its rollouts together; \"waiting\" until what was before is taken back" },
    { "services", BSC_API_LIST, .of = "Member", .summary = "in the order of their start" },
    { 0 },
};

static const struct bsc_api_field member[] = {
    { "service", BSC_API_STRING, .summary = "its name" },
    { "rank", BSC_API_INTEGER, .summary = "0: depends on none of the others" },
    { "rollout", BSC_API_OBJECT, BSC_API_NULLABLE, .of = "Rollout", .summary = "its part" },
    { 0 },
};

static const struct bsc_api_field done[] = {
    { "done", BSC_API_STRING, .summary = "what was done" },
    { 0 },
};

static const struct bsc_api_field traffic[] = {
    { "traffic", BSC_API_STRING, .of = "serve|hold|maintenance|stop",
      .summary = "what the proxy does with requests" },
    { 0 },
};

static const struct bsc_api_field applied[] = {
    { "changes", BSC_API_LIST, .summary = "what changed, a line each" },
    { 0 },
};

static const struct bsc_api_field upgraded[] = {
    { "generation", BSC_API_INTEGER, .summary = "of the proxy that serves now" },
    { 0 },
};

static const struct bsc_api_field problem[] = {
    { "type", BSC_API_STRING, .summary = "urn:bascule: and the error's word" },
    { "title", BSC_API_STRING, .summary = "the same for every problem of this type" },
    { "status", BSC_API_INTEGER, .summary = "the HTTP status" },
    { "detail", BSC_API_STRING, .summary = "what went wrong here" },
    { "problems", BSC_API_LIST, BSC_API_OPTIONAL, .of = "ConfigurationProblem",
      .summary = "everything that is wrong with a configuration" },
    { 0 },
};

static const struct bsc_api_field configuration_problem[] = {
    { "file", BSC_API_STRING, .summary = "which file" },
    { "line", BSC_API_INTEGER, .summary = "from 1; 0: the file as a whole" },
    { "key", BSC_API_STRING, .summary = "\"services.web.health.interval\"" },
    { "text", BSC_API_STRING, .summary = "what was found and what is accepted" },
    { 0 },
};

const struct bsc_api_schema bsc_api_schemas[] = {
    { "Analysis", analysis },
    { "Applied", applied },
    { "Rates", rates },
    { "Capacity", capacity },
    { "Check", check_item },
    { "CheckResult", check },
    { "ConfigurationProblem", configuration_problem },
    { "Counters", counters },
    { "Done", done },
    { "Event", event },
    { "Goal", goal },
    { "GoalRate", goal_rate },
    { "Instance", instance },
    { "Lock", lock },
    { "Pause", pause },
    { "Plan", plan },
    { "Report", report },
    { "Latency", latency },
    { "Finding", finding },
    { "Example", example },
    { "Preview", preview },
    { "Problem", problem },
    { "Processes", processes },
    { "ProxyFigures", proxy },
    { "Query", query },
    { "Member", member },
    { "Record", record },
    { "Release", release },
    { "Rollout", rollout },
    { "Listener", listener },
    { "Service", service },
    { "ServiceFigures", figures },
    { "Rescues", rescues },
    { "LatencyBucket", latency_bucket },
    { "Slot", slot },
    { "SlotCounters", slot_counters },
    { "SlotsCounters", slots_counters },
    { "SlotCapacity", slot_capacity },
    { "Slots", slots },
    { "Started", started },
    { "StartedTogether", started_together },
    { "Status", status },
    { "Step", step },
    { "Traffic", traffic },
    { "Trial", trial },
    { "TrialValue", trial_value },
    { "Upgraded", upgraded },
    { "Version", version },
    { "Why", why },
};
const size_t bsc_api_schema_count = sizeof bsc_api_schemas / sizeof *bsc_api_schemas;
