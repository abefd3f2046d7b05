/* SPDX-License-Identifier: Apache-2.0
 * contract/prober_client.h - an engine's view of the prober, for tests: results are kept and waited
 * for.
 */
#ifndef BASCULE_TESTS_CONTRACT_PROBER_CLIENT_H
#define BASCULE_TESTS_CONTRACT_PROBER_CLIENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <string.h>

#include "adapters/prober.h"

enum { GUARD_MS = 20000, RESULTS_MAX = 2048 };

struct prober_client {
    uv_loop_t loop;
    struct bsc_prober prober;
    unsigned count;
    struct {
        bsc_token token;
        bool passed;
        char detail[512];
        char id[64];
        int64_t duration_us;
    } results[RESULTS_MAX];
};
extern struct prober_client the;

#define assert_begins(text, prefix) assert_memory_equal(text, prefix, strlen(prefix))
#define probe_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int set_up(void **unused);
int tear_down(void **unused);

/* A probe of GET /health, 200 to 299 within 5 s. */
struct bsc_health_spec health_of(enum bsc_probe_kind kind);
struct bsc_health_spec health_of_shell(const char *text);

/* Begins a probe of instance web-blue-1-0. */
void begin(const struct bsc_health_spec *health, const char *address, bsc_token token);
/* Turns the loop until there are so many results. */
void turn_until(unsigned count);
/* One probe from beginning to end: its detail. */
const char *result_of(const struct bsc_health_spec *health, const char *address, bool passes);

#endif
