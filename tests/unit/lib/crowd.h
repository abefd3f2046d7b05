/* SPDX-License-Identifier: Apache-2.0
 * crowd.h - many threads that call one deployer at once.
 */
#ifndef BASCULE_TESTS_LIB_CROWD_H
#define BASCULE_TESTS_LIB_CROWD_H

#include "world.h"

enum { CROWD_CALLERS = 16 };

struct crowd_results {
    unsigned won, busy; /* busy: with green named */
};

/* All call deploy_and_switch; the winner's deployment takes until all others have their answer. */
struct crowd_results crowd_release_at_once(struct world *world);

/* All call everything in turn. How many things were seen that may never be: two records live, an
 * operation that fails although the world does not. */
unsigned crowd_call_all_sorts(struct world *world);

#endif
