/* SPDX-License-Identifier: Apache-2.0
 * load/transfer.h - requests of many users at once: libcurl's multi interface on one epoll.
 *
 * A user has a connection's worth of state, cookies included; connections are kept and used again
 * by whoever asks next. Everything runs in the caller's thread.
 */
#ifndef BASCULE_LOAD_TRANSFER_H
#define BASCULE_LOAD_TRANSFER_H

#include "load/scenario.h"

struct bsc_load_wire; /* all of them */

struct bsc_load_user {
    unsigned number; /* from 1 */
    void *easy;      /* CURL *; NULL until the first request */
    void *fields;    /* struct curl_slist * */
    struct bsc_text url, body, answer;
    char *kept[BSC_LOAD_KEPT_MAX];
    bool login;       /* what is under way is the log-in */
    unsigned request; /* index of what is under way */
    int64_t due_us, begun_us;
    size_t heap; /* where it waits for its next request */
};

struct bsc_load_answer {
    enum bsc_load_failure failure;
    unsigned status; /* 0: none */
    uint64_t bytes;  /* of the body */
};

/* Told in bsc_load_wire_turn, when the user may send again. */
typedef void (*bsc_load_on_answer)(void *argument, struct bsc_load_user *user,
                                   const struct bsc_load_answer *answer);

enum bsc_status bsc_load_wire_create(const struct bsc_load_scenario *scenario, int stop_fd,
                                     bsc_load_on_answer on_answer, void *argument,
                                     struct bsc_load_wire **out,
                                     struct bsc_error *error) BSC_MUST_CHECK;
/* After the users' bsc_load_user_deinit. NULL is allowed. */
void bsc_load_wire_destroy(struct bsc_load_wire *wire);

void bsc_load_send(struct bsc_load_wire *wire, struct bsc_load_user *user,
                   const struct bsc_load_request *request, uint64_t *random);
/* Goes on until something happened or it is `until_us` (bsc_clock_boot_us). False: `stop_fd` can be
 * read. */
bool bsc_load_wire_turn(struct bsc_load_wire *wire, int64_t until_us);

void bsc_load_user_deinit(struct bsc_load_wire *wire, struct bsc_load_user *user);

/* Takes what the scenario keeps out of the answer to the log-in, while it is being told. */
enum bsc_status bsc_load_user_keep(const struct bsc_load_scenario *scenario,
                                   struct bsc_load_user *user,
                                   struct bsc_error *error) BSC_MUST_CHECK;

#endif
