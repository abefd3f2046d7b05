/* SPDX-License-Identifier: Apache-2.0
 * crowd.c - see crowd.h. The callers' threads assert nothing: they report.
 */
#include "crowd.h"

#include <pthread.h>
#include <time.h>

enum { TURNS = 100, PATIENCE_S = 20, WINDOW = 32 };

struct crowd {
    struct world *world;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct crowd_results results;
    unsigned wrong;
};

static struct crowd crowd = { .lock = PTHREAD_MUTEX_INITIALIZER,
                              .changed = PTHREAD_COND_INITIALIZER };

static void run(struct world *world, void *(*caller)(void *))
{
    pthread_t threads[CROWD_CALLERS];
    crowd.world = world;
    crowd.results = (struct crowd_results){ 0 };
    crowd.wrong = 0;
    for (unsigned i = 0; i < CROWD_CALLERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, caller, NULL), 0);
    for (unsigned i = 0; i < CROWD_CALLERS; i++)
        pthread_join(threads[i], NULL);
}

static void wait_until_all_others_are_refused(struct world *world)
{
    (void)world;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    int waited = 0;
    pthread_mutex_lock(&crowd.lock);
    while (crowd.results.busy < CROWD_CALLERS - 1 && !waited)
        waited = pthread_cond_timedwait(&crowd.changed, &crowd.lock, &until);
    pthread_mutex_unlock(&crowd.lock);
}

static void *release_once(void *unused)
{
    (void)unused;
    struct bascule_error error = { 0 };
    enum bascule_result result =
        bascule_deploy_and_switch(crowd.world->deployer, "v1", NULL, 1, &error);
    pthread_mutex_lock(&crowd.lock);
    crowd.results.won += result == BASCULE_OK;
    crowd.results.busy += result == BASCULE_ENVIRONMENT_BUSY && error.environment == BASCULE_GREEN;
    pthread_cond_signal(&crowd.changed);
    pthread_mutex_unlock(&crowd.lock);
    return NULL;
}

struct crowd_results crowd_release_at_once(struct world *world)
{
    world->on_start = wait_until_all_others_are_refused;
    run(world, release_once);
    return crowd.results;
}

/* Are two of the newest records live? */
static bool two_live(struct bascule_deployer *deployer)
{
    struct bascule_record records[WINDOW];
    size_t count = bascule_history(deployer, 0, NULL, 0);
    size_t skip = count > WINDOW ? count - WINDOW : 0, live = 0;
    count = bascule_history(deployer, skip, records, WINDOW) - skip;
    for (size_t i = 0; i < count && i < WINDOW; i++)
        live += records[i].status == BASCULE_RECORD_LIVE;
    return live > 1;
}

static void *call_all_sorts(void *unused)
{
    (void)unused;
    struct bascule_deployer *deployer = crowd.world->deployer;
    unsigned wrong = 0;
    for (unsigned turn = 0; turn < TURNS; turn++) {
        const enum bascule_result results[] = {
            bascule_deploy_and_switch(deployer, "v2", NULL, 1, NULL),
            bascule_rollback(deployer, NULL),
            bascule_deploy(deployer, "v3", NULL, 1, NULL, NULL),
            bascule_health_check(deployer, NULL, NULL),
            bascule_switch(deployer, NULL),
        };
        for (size_t i = 0; i < sizeof results / sizeof *results; i++)
            wrong += results[i] != BASCULE_OK && results[i] != BASCULE_ENVIRONMENT_BUSY &&
                     results[i] != BASCULE_INVALID_STATE && results[i] != BASCULE_ROLLBACK_FAILED;
        wrong += two_live(deployer);
    }
    pthread_mutex_lock(&crowd.lock);
    crowd.wrong += wrong;
    pthread_mutex_unlock(&crowd.lock);
    return NULL;
}

unsigned crowd_call_all_sorts(struct world *world)
{
    run(world, call_all_sorts);
    return crowd.wrong;
}
