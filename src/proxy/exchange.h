/* SPDX-License-Identifier: Apache-2.0
 * proxy/exchange.h - one request and its answer, from the complete head to the last byte.
 *
 *   begin -> (held) -> (queued) -> connecting -> waiting -> answering -> ended
 *                                      ^___________|           |
 *                                         retry             tunnel
 *
 * Wherever it fails before the answer's head, the proxy answers itself ("own"). Every function that
 * may end the exchange says so: it returns false, and the exchange is gone.
 */
#ifndef BASCULE_PROXY_EXCHANGE_H
#define BASCULE_PROXY_EXCHANGE_H

#include "base/network.h"
#include "proxy/client.h"
#include "proxy/flow.h"
#include "proxy/local.h"
#include "proxy/upstream.h"

enum bsc_exchange_phase {
    BSC_EXCHANGE_HELD,       /* waits until its service serves again; no slot is chosen yet */
    BSC_EXCHANGE_QUEUED,     /* waits for an instance of its slot to have room */
    BSC_EXCHANGE_CONNECTING, /* to the instance that it claimed */
    BSC_EXCHANGE_WAITING,    /* the request goes out; no head of an answer yet */
    BSC_EXCHANGE_ANSWERING,
    BSC_EXCHANGE_TUNNEL, /* bytes both ways: tunnel.h */
    BSC_EXCHANGE_OWN     /* the proxy's own answer goes out */
};

/* Why an exchange counts as an error. */
enum bsc_cause {
    BSC_CAUSE_NONE,
    BSC_CAUSE_NO_INSTANCE,
    BSC_CAUSE_CONNECT,
    BSC_CAUSE_RESET, /* ended early or nonsense, too */
    BSC_CAUSE_TIME_OUT,
    BSC_CAUSE_COUNT
};

struct bsc_exchange {
    struct bsc_client *client;
    struct bsc_upstream *upstream;       /* NULL: none now */
    struct bsc_local_service *service;   /* NULL: no route */
    struct bsc_local_instance *instance; /* the claim; NULL: none */
    struct bsc_list held;                /* among those that are held, or queued */
    struct bsc_flow request, answer;
    struct bsc_buffer *location; /* where an own answer sends the client; mostly NULL */
    int64_t started_us;          /* the request's head was complete */
    int64_t answered_us;         /* the answer's head was; 0: not yet */
    int64_t until_ms;            /* end of holding, or of sending an own answer */
    uint64_t identity;           /* of the client, when `identified` (identity.h) */
    uint64_t id;                 /* for X-Request-Id; 0: it went nowhere */
    const char *reason;          /* of an own answer; NULL: none */
    struct bsc_buffer *note;     /* for the access log (access.h); NULL: it is off */
    struct bsc_lasting *lasting; /* farewell.h; NULL: it is over soon, or nothing can be told */
    uint64_t user, trial;        /* of an A/B test (trial.h); trial 0: of none */
    uint64_t cookie;             /* the number that makes it, when `give_cookie` */
    uint32_t cell;               /* what it is charged to, once `charged` */
    uint16_t status;             /* of the answer; 0: none yet */
    uint8_t phase, cause;        /* enum bsc_exchange_phase, enum bsc_cause */
    uint8_t slot;                /* where it is now */
    uint8_t tries;               /* claims so far */
    uint8_t method, minor;       /* of the request */
    uint8_t failed_tries;        /* `rescued`: claims in the candidate ... */
    uint8_t failed_cause;        /* ... how it failed in the end, and when */
    uint8_t blame;               /* which rule says what of its answer is an error */
    uint8_t rate_path;           /* whose path has a rate of its own (edge.h); 0: none has */
    uint16_t failed_status;
    int64_t failed_us;
    uint8_t retry_after_s;  /* for an own answer */
    uint8_t goals;          /* of the test that the request may reach */
    bool charged : 1;       /* the coin was tossed: `cell` is its unit */
    bool keep_alive : 1;    /* the client's connection goes on afterwards */
    bool reusable : 1;      /* the upstream's does */
    bool replayable : 1;    /* may be sent again although it was sent once */
    bool upgrade : 1;       /* asks for it */
    bool json : 1;          /* own answers in JSON */
    bool rescued : 1;       /* stable answers what the candidate failed (rescue.h) */
    bool retrying : 1;      /* counted in service->retrying */
    bool request_stuck : 1; /* the upstream takes no more of the request; it may still answer */
    bool answer_begun : 1;  /* the upstream sent something: too late to try again */
    bool asking : 1;        /* the client sent FIN: it will be asked whether it is still there */
    bool asked : 1;         /* it was */
    bool client_left : 1;   /* it went away first */
    bool identified : 1;
    bool told : 1;         /* ... that its user came, and what of it */
    bool give_cookie : 1;  /* the answer brings the client a cookie of ours */
    bool unstored : 1;     /* ... says that no cache may keep it */
    bool placed : 1;       /* it has one of the instance's places (queue.h) */
    bool client_id : 1;    /* its id is the client's own, not `id` */
    bool streams : 1;      /* its body may come slowly: a stream of messages */
    bool websocket : 1;    /* what it asks to upgrade to */
    bool head_counted : 1; /* its unit's `answered` */
    bool tcp : 1;          /* a connection of a TCP service: no heads, no answers (tunnel.h) */
    bool cut : 1;          /* the client does not read: what it has must not look whole */
    bool chosen : 1;       /* by a match rule, when its head came */
    bool mirrored : 1;     /* a copy, whose answer nobody waits for (mirror.h) */
    bool pinned : 1;       /* it stays in its slot, whatever the split says: such a copy, or ... */
    bool previewed : 1;    /* ... a look at what is not live (preview.h) */
    bool by_proxy : 1;     /* a trusted proxy passed it on ... */
    int64_t body_us;       /* since when its body is waited for; 0: it was not */
    struct bsc_ip behind;  /* ... for this client */
    int64_t stalled_us;    /* since when the answer waits for the client to read; 0: it does not */
    int64_t slow_us;       /* how long it did before, and ... */
    uint64_t slow_bytes;   /* ... what had been read when that began */
};

/* The client's next request is complete in worker->request. */
void bsc_exchange_begin(struct bsc_worker *worker, struct bsc_client *client);
/* For a request that came over TLS or should have; false: it was answered (secure.c). */
bool bsc_exchange_enters(struct bsc_worker *worker, struct bsc_exchange *exchange,
                         const char *bytes);
/* Moves what can be moved, after anything happened to either connection. */
void bsc_exchange_run(struct bsc_worker *worker, struct bsc_exchange *exchange);
/* Whose request it is, for limits, affinity and logs: the peer, or who a trusted proxy says is
 * behind it. Numeric; in `buffer` or with the client. */
const char *bsc_exchange_address(const struct bsc_exchange *exchange,
                                 char buffer[static INET6_ADDRSTRLEN]);
/* An id as it stands in X-Request-Id; returns `out`. */
enum { BSC_EXCHANGE_ID_BYTES = 17 };
const char *bsc_exchange_write_id(uint64_t id, char out[static BSC_EXCHANGE_ID_BYTES]);
void bsc_exchange_client_late(struct bsc_worker *worker, struct bsc_exchange *exchange);
void bsc_exchange_upstream_late(struct bsc_worker *worker, struct bsc_exchange *exchange);
/* The service's traffic mode changed: what it holds looks again. */
void bsc_exchange_wake_held(struct bsc_worker *worker, struct bsc_local_service *service);

/* Between the files of the exchange. */

/* Tells the instance whose request it is, if it wants to know and the connection is new; false: it
 * could not be sent. */
bool bsc_exchange_introduce(const struct bsc_exchange *exchange);
/* Goes on when limits allow, or answers that they do not. */
bool bsc_exchange_admit(struct bsc_worker *worker, struct bsc_exchange *exchange);
BSC_COLD bool bsc_exchange_too_large(struct bsc_worker *worker, struct bsc_exchange *exchange);
/* Whether the body comes too slowly, and the answer to that. */
bool bsc_exchange_body_late(const struct bsc_worker *worker, const struct bsc_exchange *exchange);
BSC_COLD bool bsc_exchange_late(struct bsc_worker *worker, struct bsc_exchange *exchange);
/* Whether the client reads its answer too slowly, and the end of that. Always false. */
bool bsc_exchange_reader_late(const struct bsc_worker *worker, struct bsc_exchange *exchange);
BSC_COLD bool bsc_exchange_cut_reader(struct bsc_worker *worker, struct bsc_exchange *exchange);
/* Where match rules are in force: is it for the candidate on purpose? `head` NULL: a connection of
 * TCP. */
void bsc_exchange_match(struct bsc_exchange *exchange, const struct bsc_head *head,
                        const char *bytes);
/* Goes where the service's traffic mode and the current split say. */
bool bsc_exchange_go(struct bsc_worker *worker, struct bsc_exchange *exchange);
/* Claims an instance and connects; answers itself when there is none. */
bool bsc_exchange_claim(struct bsc_worker *worker, struct bsc_exchange *exchange);
/* The request in worker->request has a body, or an unsafe method: will it be kept, so that it can
 * be sent again all the same? */
void bsc_exchange_keep_body(const struct bsc_worker *worker, struct bsc_exchange *exchange,
                            const char *bytes);
/* Could the whole request be sent once more, and may it? */
bool bsc_exchange_repeatable(const struct bsc_exchange *exchange);
/* Sends it once more, without asking. */
bool bsc_exchange_again(struct bsc_worker *worker, struct bsc_exchange *exchange);
/* Sends it once more, or fails it with `status` when that may not be. */
BSC_COLD bool bsc_exchange_retry(struct bsc_worker *worker, struct bsc_exchange *exchange,
                                 unsigned status, enum bsc_cause cause, const char *reason,
                                 const char *text);
/* The server error in worker->response need not be the last word. True: the request went
 * elsewhere, and *alive is false when the exchange has ended meanwhile. */
BSC_COLD bool bsc_exchange_reconsider(struct bsc_worker *worker, struct bsc_exchange *exchange,
                                      bool *alive);
/* Answers instead of the upstream; only before the answer's head. */
BSC_COLD bool bsc_exchange_own(struct bsc_worker *worker, struct bsc_exchange *exchange,
                               unsigned status, const char *reason, const char *text);
/* Goes on with that. */
bool bsc_exchange_run_own(struct bsc_worker *worker, struct bsc_exchange *exchange);
/* Answers like that because the upstream failed, unless the request is rescued. */
BSC_COLD bool bsc_exchange_fail(struct bsc_worker *worker, struct bsc_exchange *exchange,
                                unsigned status, enum bsc_cause cause, const char *reason,
                                const char *text);
/* Goes on with connecting to the instance. */
bool bsc_exchange_connecting(struct bsc_worker *worker, struct bsc_exchange *exchange);
bool bsc_exchange_connecting_securely(struct bsc_worker *worker, struct bsc_exchange *exchange);
/* The instance can't be reached: tried again elsewhere, or failed. */
BSC_COLD bool bsc_exchange_unconnected(struct bsc_worker *worker, struct bsc_exchange *exchange);
/* The same as it wants TLS, and there is none. */
BSC_COLD bool bsc_exchange_unsecured(struct bsc_worker *worker, struct bsc_exchange *exchange);
/* The connection to the instance is there. */
bool bsc_exchange_connected(struct bsc_worker *worker, struct bsc_exchange *exchange);
/* Reads the upstream's answer, from its first byte on. */
bool bsc_exchange_answer(struct bsc_worker *worker, struct bsc_exchange *exchange);
/* Charges, releases the claim, gives connections back. `whole`: the client got a whole answer. */
void bsc_exchange_end(struct bsc_worker *worker, struct bsc_exchange *exchange, bool whole);
/* The client is gone. */
BSC_COLD bool bsc_exchange_leave(struct bsc_worker *worker, struct bsc_exchange *exchange);
void bsc_exchange_unhold(struct bsc_worker *worker, struct bsc_exchange *exchange);
/* Releases the claim, if there is one. */
void bsc_exchange_release(struct bsc_worker *worker, struct bsc_exchange *exchange,
                          enum bsc_outcome outcome);
void bsc_exchange_charge(struct bsc_worker *worker, const struct bsc_exchange *exchange);
/* Does a try that ended like that count as an error, by the service's rules? */
bool bsc_exchange_erred(const struct bsc_exchange *exchange, enum bsc_cause cause, unsigned status);
/* Does what it is charged with? Of a rescued one that is the candidate's part. */
bool bsc_exchange_charged_error(const struct bsc_exchange *exchange);
/* The head of its answer is there. */
void bsc_exchange_charge_head(struct bsc_worker *worker, struct bsc_exchange *exchange);

#endif
