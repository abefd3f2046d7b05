/* SPDX-License-Identifier: Apache-2.0
 * adapters/router_internal.h - the parts of router_proxy among themselves.
 *
 *   router_proxy.c       the port, who waits for what
 *   router_service.c     the wanted state of the services and its changes, in a safe order
 *   router_settings.c    what is no service's: listening addresses, options, certificates
 *   router_tls.c         certificates whose files change, keys of tickets
 *   router_upstreams.c   how TLS is spoken to instances
 *   router_wire.c        lines to the proxies and from them
 *   router_generation.c  one connection a proxy generation
 *   router_counters.c    the proxies' shared memory, read
 *   router_gauges.c      a gauge for each instance
 *   router_cells.c       a cell for each (service, slot, split generation)
 *   router_drain.c       waiting until nothing is in flight
 *   router_snapshot.c    what a fresh proxy starts from
 *   router_watch.c       what is counted of a service with a rollout, for the judge
 *   router_views.c       what others read
 *
 * Changes are lines, numbered by the router (`line`). A generation that got everything up to line L
 * by a resync and every later one as it came has acknowledged a line, too, so that "everybody uses
 * this or something newer" is a comparison of numbers.
 */
#ifndef BASCULE_ADAPTERS_ROUTER_INTERNAL_H
#define BASCULE_ADAPTERS_ROUTER_INTERNAL_H

#include <jansson.h>

#include "adapters/certificates.h"
#include "adapters/router_proxy.h"
#include "base/list.h"
#include "base/text.h"
#include "core/analysis/latency.h"
#include "core/configuration.h"
#include "core/mirror.h"
#include "proxy/counters.h"

struct bsc_configure;

/* -- a generation ---------------------------------------------------------------------------- */

struct bsc_generation {
    struct bsc_list link; /* oldest first */
    struct bsc_router_proxy *router;
    uint64_t number;
    pid_t pid;
    unsigned workers;
    bool retiring;

    int socket;      /* -1: closed, the process is about to go */
    uv_poll_t *poll; /* of the socket */
    struct bsc_text in, out;
    size_t out_at;       /* sent so far of `out` */
    bool synced;         /* it was told everything, and every line since */
    uint64_t seq;        /* of the last line put into `out` */
    uint64_t end_seq;    /* of the last resync's end ... */
    uint64_t end_line;   /* ... which stood for this line */
    uint64_t acked_line; /* 0: nothing of ours yet */

    const struct bsc_counters *counters; /* NULL: not usable */
    size_t counters_bytes;
    int counters_fd;
};

/* Takes over the descriptors. A known generation gets the new connection. */
void bsc_generation_arrive(struct bsc_router_proxy *router,
                           const struct bsc_proxy_arrival *arrival);
void bsc_generation_destroy(struct bsc_generation *generation);
struct bsc_generation *bsc_generation_find(const struct bsc_router_proxy *router, uint64_t number);
/* Begins a resync as soon as what is being sent is out. */
void bsc_generation_resync(struct bsc_generation *generation);
/* Sends the router's newest line. */
void bsc_generation_send(struct bsc_generation *generation, const struct bsc_text *body);

/* -- counters -------------------------------------------------------------------------------- */

/* Maps the memory. A proxy could shrink memory that is not sealed and so kill its reader: such
 * memory, and any of another form, is refused. */
enum bsc_status bsc_counters_map(struct bsc_generation *generation,
                                 struct bsc_error *error) BSC_MUST_CHECK;
void bsc_counters_unmap(struct bsc_generation *generation);
/* UINT64_MAX when it is not known. */
uint64_t bsc_counters_in_flight(const struct bsc_generation *generation, unsigned gauge);
/* False, and zeros, when nothing was ever counted there. Reads without touching unused memory. */
bool bsc_counters_cell(const struct bsc_generation *generation, unsigned cell,
                       struct bsc_totals *out);
/* Adds what its workers counted. */
void bsc_counters_figures(const struct bsc_generation *generation, struct bsc_router_figures *sum);
/* Of the requests that an instance finished. */
uint64_t bsc_counters_errors(const struct bsc_generation *generation, unsigned gauge);
/* Adds the buckets of users that had an error in the cell to the bits in `out`. */
void bsc_counters_bad(const struct bsc_generation *generation, unsigned cell,
                      uint64_t out[static BSC_BAD_WORDS]);
/* How many facts a worker has ever written. */
uint64_t bsc_counters_facts(const struct bsc_generation *generation, unsigned worker);
void bsc_totals_add(struct bsc_totals *sum, const struct bsc_totals *other);
void bsc_totals_subtract(struct bsc_totals *from, const struct bsc_totals *other);

/* -- gauges ---------------------------------------------------------------------------------- */

struct bsc_gauge_use {
    char *id;
    unsigned index;
    unsigned holders; /* endpoints that name it */
    uint64_t line;    /* holders == 0: the line that took it out of use */
};

struct bsc_gauges {
    struct bsc_gauge_use **uses; /* sorted by id */
    size_t count, capacity;
    unsigned *spare; /* indices to hand out again */
    size_t spare_count, spare_capacity;
    unsigned next; /* the first index that was never handed out */
};

/* NULL when all are in use. */
struct bsc_gauge_use *bsc_gauge_acquire(struct bsc_router_proxy *router, const char *id);
void bsc_gauge_release(struct bsc_router_proxy *router, struct bsc_gauge_use *use);
struct bsc_gauge_use *bsc_gauge_find(const struct bsc_router_proxy *router, const char *id);
/* An earlier controller counts this instance there. */
void bsc_gauge_restore(struct bsc_router_proxy *router, const char *id, unsigned index);
uint64_t bsc_gauge_in_flight(const struct bsc_router_proxy *router,
                             const struct bsc_gauge_use *use);
void bsc_gauges_deinit(struct bsc_gauges *gauges);

/* -- cells ----------------------------------------------------------------------------------- */

struct bsc_cell_base {
    uint64_t generation; /* of the proxy */
    struct bsc_totals totals;
};

/* Which cell of a split: that of a slot, for the units that its weight chose, or that of the
 * candidate for those that match rules chose. */
enum { BSC_CELL_CHOSEN = BSC_SLOT_COUNT, BSC_CELL_KINDS };

struct bsc_cell_use {
    struct bsc_list link; /* retired ones, oldest first */
    unsigned index;
    enum bsc_slot slot;
    struct bsc_routed *owner;     /* NULL: gone, nobody wants the figures */
    struct bsc_totals *folded;    /* from generations that are gone; NULL: nothing */
    struct bsc_cell_base **bases; /* what was there when it was handed out, where not nothing */
    size_t base_count, base_capacity;
    uint64_t line;      /* retired by this line ... */
    int64_t retired_ms; /* ... at this time (boot clock); 0: in use */
};

/* Where an earlier controller counts; `service` is copied. */
struct bsc_cell_hint {
    char *service;
    unsigned kind;
    uint64_t split;
    unsigned index;
};

struct bsc_cells {
    struct bsc_list retired;
    struct bsc_cell_hint *hints;
    size_t hint_count, hint_capacity;
    unsigned next; /* the first index that was never handed out */
};

/* `slot` is what it is charged to. */
struct bsc_cell_use *bsc_cell_acquire(struct bsc_router_proxy *router, struct bsc_routed *owner,
                                      unsigned kind, enum bsc_slot slot, uint64_t split);
/* No new request chooses it once the router's newest line is acknowledged. */
void bsc_cell_retire(struct bsc_router_proxy *router, struct bsc_cell_use *use);
void bsc_cell_restore(struct bsc_router_proxy *router, const char *service, unsigned kind,
                      uint64_t split, unsigned index);
/* Hints that no service took are indices in use until what runs there has ended. */
void bsc_cells_begin(struct bsc_router_proxy *router);
void bsc_cells_read(const struct bsc_router_proxy *router, const struct bsc_cell_use *use,
                    struct bsc_totals *out);
/* Keeps what was counted by a generation that goes. */
void bsc_cells_fold(struct bsc_router_proxy *router, const struct bsc_generation *generation);
void bsc_cells_forget_owner(struct bsc_router_proxy *router, const struct bsc_routed *owner);
void bsc_cells_deinit(struct bsc_cells *cells);

/* -- services -------------------------------------------------------------------------------- */

struct bsc_routed_endpoint {
    char *id, *address;
    enum bsc_slot slot;
    enum bsc_speech speech;
    struct bsc_upstream_way *way; /* NULL: without TLS */
    char *server_name;
    bool healthy, leaving;
    unsigned weight;
    struct bsc_gauge_use *gauge; /* NULL before begin */
};

/* What is wanted of a service. The texts are bodies of lines: what stands after the seq. */
struct bsc_routed {
    char *name;
    struct bsc_text service, instances, split;
    enum bsc_traffic traffic;
    struct bsc_routed_endpoint *endpoints;
    size_t endpoint_count;
    uint64_t generation;
    unsigned weight_bp[BSC_SLOT_COUNT];
    bool rescue;
    enum bsc_slot stable;
    unsigned rescue_percent;
    uint64_t rollout;                           /* the newest that was published; 0: none */
    struct bsc_router_rescues before;           /* it: what was counted until then */
    uint64_t tripped;                           /* the newest generation that did; 0: none */
    char affinity_key[BSC_AFFINITY_KEY_BYTES];  /* "": zeros */
    struct bsc_cell_use *cells[BSC_CELL_KINDS]; /* NULL before begin; CHOSEN: without `match` */
    struct bsc_totals *ended[BSC_SLOT_COUNT];   /* of cells that were folded; NULL: nothing */
    uint64_t first_line, line;                  /* of its last change */
    bool refused;       /* a proxy did not take it: the next publish says everything again */
    bool watch, sticky; /* its candidate is judged; its users stay where they are */
    enum bsc_slot candidate;
    json_t *match;  /* whose requests it gets whatever it weighs; NULL: nobody's */
    uint64_t trial; /* the rollout whose users are counted; 0: none */
    struct bsc_fact_source *sources;
    size_t source_count, source_capacity;
    struct bsc_list rests;        /* what sources that are gone had still to tell */
    struct bsc_baseline baseline; /* of the live slot when the candidate got traffic; no units: not
                                   known */
};

/* Since this controller began. */
void bsc_routed_rescues(const struct bsc_router_proxy *router, const struct bsc_routed *routed,
                        struct bsc_router_rescues *out);
struct bsc_routed *bsc_routed_find(const struct bsc_router_proxy *router, const char *name);
/* Takes over the routings, all or none, and tells the proxies what changed. `out` has room for as
 * many. */
enum bsc_status bsc_routed_publish(struct bsc_router_proxy *router,
                                   const struct bsc_routing *routings, unsigned count,
                                   struct bsc_routed **out, struct bsc_error *error) BSC_MUST_CHECK;
/* Begin: gives it cells and gauges, and its texts. */
enum bsc_status bsc_routed_begin(struct bsc_router_proxy *router, struct bsc_routed *routed,
                                 struct bsc_error *error) BSC_MUST_CHECK;
void bsc_routed_remove(struct bsc_router_proxy *router, struct bsc_routed *routed);
void bsc_routed_destroy(struct bsc_router_proxy *router, struct bsc_routed *routed);

/* -- settings -------------------------------------------------------------------------------- */

struct bsc_setting {
    char *name;
    struct bsc_text body; /* of its line */
};

struct bsc_settings {
    struct bsc_setting *items;
    size_t count, capacity;
};

/* Puts them in force and tells the proxies what changed. */
void bsc_settings_replace(struct bsc_router_proxy *router, struct bsc_settings *take_new);
/* A line of an earlier controller's snapshot. */
void bsc_settings_restore(struct bsc_router_proxy *router, const json_t *line);
void bsc_settings_deinit(struct bsc_settings *settings);
/* Replaces the line of TLS; true when it is another one, which was told then. */
bool bsc_settings_change_tls(struct bsc_router_proxy *router, json_t *take_line);

/* -- certificates ---------------------------------------------------------------------------- */

enum { BSC_TICKET_KEYS = 3, BSC_TICKET_KEY_BYTES = 80, BSC_WAY_NAME_BYTES = 17 };

/* How TLS is spoken to instances: an item of "upstreams" in the line of TLS. */
struct bsc_upstream_way {
    struct bsc_list link;
    char name[BSC_WAY_NAME_BYTES];
    struct bsc_arena arena; /* of the texts in `tls` */
    struct bsc_upstream_tls_spec tls;
    unsigned holders; /* endpoints */
    json_t *object;   /* as its files were when they were read; NULL: they never could be */
    struct bsc_file_stamp stamps[3];
    unsigned stamp_count;
    bool unsettled; /* they changed at the last look */
};

struct bsc_router_tls {
    struct bsc_certificates *files; /* of the configuration in force; NULL: none yet */
    bool unsettled;                 /* they changed at the last look */
    char keys[BSC_TICKET_KEYS][2 * BSC_TICKET_KEY_BYTES + 1]; /* in hexadecimal, newest first */
    int64_t renew_ms;                                         /* when the next one is made */
    json_t *served;       /* what holds for clients, without those keys; NULL: nothing yet */
    struct bsc_list ways; /* to instances */
    json_t *restored;     /* what an earlier controller told of them; NULL: nothing */
    bool unsaid;          /* they are not what the proxies were told */
    uv_timer_t *timer;
};

void bsc_router_tls_init(struct bsc_router_proxy *router);
void bsc_router_tls_deinit(struct bsc_router_proxy *router);
/* The whole line, with the keys of tickets and the ways to instances. */
json_t *bsc_router_tls_line(struct bsc_router_tls *tls, const json_t *served);
/* True when there is something for such a line to say. */
bool bsc_router_tls_wanted(const struct bsc_router_proxy *router);
/* Tells the proxies of ways that they were not told of, or that changed. */
void bsc_router_tls_settle(struct bsc_router_proxy *router);
/* There are files to watch, or none any more. */
void bsc_router_tls_watch(struct bsc_router_proxy *router);
void bsc_router_tls_report(struct bsc_router_proxy *router, enum bsc_status status,
                           const char *text);
void bsc_router_tls_restore(struct bsc_router_tls *tls, const json_t *object);
/* Watches these files from now on. */
void bsc_router_tls_use(struct bsc_router_proxy *router, struct bsc_configure *configure);

/* NULL gives NULL. What is new is told by the next bsc_router_tls_settle. */
struct bsc_upstream_way *bsc_upstream_way_acquire(struct bsc_router_proxy *router,
                                                  const struct bsc_upstream_tls_spec *tls);
void bsc_upstream_way_release(struct bsc_router_proxy *router, struct bsc_upstream_way *way);
json_t *bsc_upstream_ways_list(const struct bsc_router_tls *tls);
void bsc_upstream_ways_look(struct bsc_router_proxy *router);
void bsc_upstream_ways_deinit(struct bsc_router_tls *tls);
/* The name that the certificate of an instance must have. The caller's; NULL: without TLS. */
char *bsc_upstream_server_name(const struct bsc_upstream_tls_spec *tls, const char *address);

/* -- the wire -------------------------------------------------------------------------------- */

/* Bodies; BSC_INVALID when a text is not UTF-8. */
enum bsc_status bsc_wire_service(const struct bsc_routing *routing, struct bsc_text *out,
                                 struct bsc_error *error) BSC_MUST_CHECK;
enum bsc_status bsc_wire_instances(const char *name, const struct bsc_routed_endpoint *endpoints,
                                   size_t count, struct bsc_text *out,
                                   struct bsc_error *error) BSC_MUST_CHECK;
json_t *bsc_wire_pages(const struct bsc_error_pages *pages);
/* NULL gives NULL; the caller's. */
json_t *bsc_wire_match(const struct bsc_match_spec *match);
void bsc_wire_split(const struct bsc_routed *routed, struct bsc_text *out);
/* One body of several: each is added to what is there, then it is ended. */
void bsc_wire_add_split(struct bsc_text *out, const struct bsc_text *split);
void bsc_wire_end_splits(struct bsc_text *out);
void bsc_wire_remove(const char *name, struct bsc_text *out);
/* Adds a line. */
void bsc_wire_line(struct bsc_text *out, uint64_t seq, const struct bsc_text *body);
/* Adds everything from `hello` to `end`, counting *seq on. */
void bsc_wire_everything(const struct bsc_router_proxy *router, struct bsc_text *out,
                         uint64_t *seq);

enum { BSC_WIRE_ID_BYTES = 160 };

struct bsc_wire_answer {
    enum {
        BSC_WIRE_OTHER,
        BSC_WIRE_ACK,
        BSC_WIRE_ERROR,
        BSC_WIRE_EJECTED,
        BSC_WIRE_RETURNED,
        BSC_WIRE_TRIPPED,
        BSC_WIRE_MIRROR
    } kind;
    uint64_t seq, epoch;
    uint64_t generation; /* TRIPPED: of the split */
    char text[256];
    char service[BSC_NAME_MAX + 1], id[BSC_WIRE_ID_BYTES]; /* EJECTED, RETURNED, TRIPPED */
    int64_t for_ms;                                        /* EJECTED */
    uint64_t rollout;                                      /* MIRROR ... */
    struct bsc_mirror_report *report;                      /* ... the caller's */
};
/* Reads one line of a proxy. BSC_INVALID: it is not JSON. */
enum bsc_status bsc_wire_parse(const char *line, size_t size, struct bsc_wire_answer *out,
                               struct bsc_error *error) BSC_MUST_CHECK;
/* router_mirror.c: what is copied, for the line of the service; `routing->mirror` is not NULL. */
json_t *bsc_wire_mirror(const struct bsc_routing *routing);
/* What was found; false: it can't be read. */
bool bsc_wire_mirrored(const json_t *object, struct bsc_wire_answer *out);
/* Tells the engine. Takes the report. */
void bsc_router_mirrored(struct bsc_router_proxy *router, struct bsc_wire_answer *answer);
/* Reads a snapshot of an earlier controller for its settings, gauges and cells. */
void bsc_wire_restore(struct bsc_router_proxy *router, const char *text, size_t size);

/* -- snapshots ------------------------------------------------------------------------------- */

struct bsc_snapshots {
    uv_timer_t *timer; /* armed: one is due */
    bool armed;
    uint64_t id;         /* of the last one sent */
    uint64_t sent_line;  /* under way; 0: none is */
    uint64_t taken_line; /* a fresh proxy starts at least from this */
};

void bsc_snapshots_init(struct bsc_router_proxy *router);
void bsc_snapshots_deinit(struct bsc_router_proxy *router);
/* Something changed: one is sent soon. */
void bsc_snapshots_want(struct bsc_router_proxy *router);
void bsc_snapshots_taken(struct bsc_router_proxy *router, uint64_t id);
void bsc_snapshots_restore(struct bsc_router_proxy *router, uint64_t id, int memfd);

/* -- drains ---------------------------------------------------------------------------------- */

struct bsc_drains {
    struct bsc_list list;
    uv_timer_t *timer;
};

void bsc_drains_init(struct bsc_router_proxy *router);
void bsc_drains_deinit(struct bsc_router_proxy *router);
void bsc_drain_add(struct bsc_router_proxy *router, const char *const *ids, unsigned count,
                   bsc_token token);
void bsc_drain_cancel(struct bsc_router_proxy *router, bsc_token token);

/* -- watching -------------------------------------------------------------------------------- */

struct bsc_watch;

void bsc_watch_init(struct bsc_router_proxy *router, bsc_deliver deliver, void *argument);
void bsc_watch_deinit(struct bsc_router_proxy *router);
/* Before the routing takes the place of what is there. */
void bsc_watch_publish(struct bsc_router_proxy *router, struct bsc_routed *routed,
                       const struct bsc_routing *routing);

/* -- facts about users ----------------------------------------------------------------------- */

struct bsc_fact_reader;

void bsc_facts_init(struct bsc_router_proxy *router, bsc_deliver deliver, void *argument);
void bsc_facts_deinit(struct bsc_router_proxy *router);
/* Before the routing takes the place of what is there. */
void bsc_facts_publish(struct bsc_router_proxy *router, struct bsc_routed *routed,
                       const struct bsc_routing *routing);
/* The generation goes: what it has to tell is kept. */
void bsc_facts_rescue(struct bsc_router_proxy *router, const struct bsc_generation *generation);
void bsc_facts_forget(struct bsc_routed *routed); /* it goes */
/* What stands in the service's line; NULL: nothing. */
json_t *bsc_wire_trial(const struct bsc_routing *routing);

/* -- configurations -------------------------------------------------------------------------- */

/* Waits for the supervisor's answer. */
struct bsc_configure {
    bsc_token token;
    struct bsc_settings settings;
    struct bsc_certificates *files;
    json_t *served;        /* what they hold, for the line of TLS; NULL: there are none */
    struct bsc_text notes; /* about them */
    bool warns;            /* one is not valid now */
};

enum bsc_status bsc_configure_make(struct bsc_router_proxy *router, const struct bsc_config *config,
                                   struct bsc_configure *out,
                                   struct bsc_error *error) BSC_MUST_CHECK;
void bsc_configure_deinit(struct bsc_configure *configure);
/* It is about to be put in force: says what is true now of services, too. */
void bsc_configure_settle(struct bsc_router_proxy *router, struct bsc_configure *configure);

/* -- the router ------------------------------------------------------------------------------ */

struct bsc_router_proxy {
    uv_loop_t *loop;
    struct bsc_supervisor_link *link;
    struct bsc_outbox *outbox;
    uint64_t epoch;
    bool begun;
    uint64_t line;                /* of the newest change; what was there at begin is line 1 */
    struct bsc_routed **services; /* sorted by name */
    size_t service_count, service_capacity;
    struct bsc_list generations;
    struct bsc_router_figures gone; /* what generations counted that are not there any more */
    struct bsc_list waiters;        /* for PUBLISHED */
    struct bsc_settings settings;
    struct bsc_router_tls tls;
    struct bsc_configure *configures; /* oldest first */
    size_t configure_count, configure_capacity;
    struct bsc_gauges gauges;
    struct bsc_cells cells;
    struct bsc_snapshots snapshots;
    struct bsc_drains drains;
    struct bsc_watch *watch;
    struct bsc_fact_reader *facts;
};

/* Tells the engine that a service's split has tripped. */
void bsc_router_tripped(struct bsc_router_proxy *router, const char *service, uint64_t generation);
/* Gives `body` the next line and sends it to every generation. */
void bsc_router_emit(struct bsc_router_proxy *router, const struct bsc_text *body);
/* Does every live generation use `line` or something newer, and does one that accepts? */
bool bsc_router_everywhere(const struct bsc_router_proxy *router, uint64_t line);
/* An acknowledgement came, a generation went or retires. */
void bsc_router_progress(struct bsc_router_proxy *router);
/* A generation ejected an instance, or took it back. */
void bsc_router_heard(struct bsc_router_proxy *router, const struct bsc_generation *generation,
                      const struct bsc_wire_answer *answer);
/* A generation refused `line` (0: one of a resync). */
void bsc_router_refused(struct bsc_router_proxy *router, uint64_t line, const char *text);

#endif
