/* SPDX-License-Identifier: Apache-2.0
 * Power losses, failing syncs and flipped bytes below the SQLite store.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "disk.h"
#include "store_place.h"

static int tear_down(void **unused)
{
    (void)unused;
    disk_follow(false);
    disk_reset();
    remove_directory(directory);
    return 0;
}

/* --- power loss --- */

enum { LOSSES_MAX = 2000, COMMITS = 24 };

static struct {
    uint64_t committed, begun;
} losses[LOSSES_MAX];
static unsigned loss_count;
static uint64_t committed, begun;

static void loss_path(char *out, size_t size, unsigned nth)
{
    snprintf(out, size, "%s/loss-%u", directory, nth);
}

static void lose_power(void *unused)
{
    char path[128];
    (void)unused;
    assert_true(loss_count < LOSSES_MAX);
    loss_path(path, sizeof path, loss_count);
    assert_int_equal(mkdir(path, 0700), 0);
    disk_lose_power(path, loss_count);
    losses[loss_count].committed = committed;
    losses[loss_count++].begun = begun;
}

static void a_power_loss_at_every_write_leaves_the_old_state_or_the_new(void **unused)
{
    (void)unused;
    unsigned new = 0;
    loss_count = 0;
    committed = begun = 0;
    char live[128];
    snprintf(live, sizeof live, "%s/live", directory);
    assert_int_equal(mkdir(live, 0700), 0);
    disk_follow(true);
    disk_on_step(lose_power, NULL);
    open_store(live);
    for (begun = 1; begun <= COMMITS; begun++) {
        assert_int_equal(numbered_commit(&client, begun), BSC_OK);
        committed = begun;
    }
    begun = committed;
    store_client_close(&client);
    disk_follow(false);
    for (unsigned i = 0; i < loss_count; i++) {
        char path[128];
        loss_path(path, sizeof path, i);
        open_store(path);
        uint64_t n = loaded();
        if (n < losses[i].committed || n > losses[i].begun)
            fail_msg("loss %u of %u: %llu, after %llu were committed", i, loss_count,
                     (unsigned long long)n, (unsigned long long)losses[i].committed);
        new += n > losses[i].committed;
        store_client_close(&client);
        remove_directory(path);
    }
    print_message("%u losses, %u with the new state\n", loss_count, new);
    assert_true(loss_count > COMMITS * 5 && new > 0);
}

/* --- syncs that fail --- */

/* Commits until `COMMITS` are done, whatever fails in between. */
static void insist(void)
{
    unsigned failures = 0;
    for (uint64_t n = 1; n <= COMMITS;) {
        if (!numbered_commit(&client, n)) {
            committed = n++;
            continue;
        }
        assert_true(++failures < 10);
        assert_int_equal(client.status, BSC_FAILED);
        uint64_t found = UINT64_MAX;
        while (numbered_load(&client, &found))
            assert_true(++failures < 10);
        assert_int_equal(found, committed); /* what failed is not there, also not later */
    }
}

static void insist_with_failing_sync(unsigned nth, unsigned more)
{
    char live[128], after[128];
    snprintf(live, sizeof live, "%s/live", directory);
    snprintf(after, sizeof after, "%s/after", directory);
    assert_int_equal(mkdir(live, 0700), 0);
    assert_int_equal(mkdir(after, 0700), 0);
    committed = 0;
    disk_reset();
    disk_fail_sync(nth, more);
    disk_follow(true);
    for (unsigned tries = 0; store_client_open(&client, &sqlite, live, &error); tries++)
        assert_true(tries < 5);
    insist();
    disk_lose_power(after, nth);
    store_client_close(&client);
    disk_follow(false);
    open_store(after);
    assert_int_equal(loaded(), COMMITS);
    store_client_close(&client);
    remove_directory(live);
    remove_directory(after);
}

static void whichever_sync_fails_nothing_committed_is_lost_and_nothing_failed_comes_back(
    void **unused)
{
    (void)unused;
    insist_with_failing_sync(0, 0);
    unsigned syncs = disk_syncs();
    assert_true(syncs > COMMITS);
    for (unsigned nth = 1; nth <= syncs; nth++)
        for (unsigned more = 0; more < 4; more += 3)
            insist_with_failing_sync(nth, more);
}

static void a_sync_that_fails_is_told_and_nothing_is_read_before_the_disk_works_again(void **unused)
{
    (void)unused;
    disk_follow(true);
    open_store(directory);
    assert_int_equal(numbered_commit(&client, 1), BSC_OK);
    disk_fail_sync(1, 4);
    assert_int_equal(numbered_commit(&client, 2), BSC_FAILED);
    uint64_t n;
    assert_int_equal(numbered_load(&client, &n), BSC_FAILED);
    assert_int_equal(numbered_commit(&client, 2), BSC_FAILED);
    disk_fail_sync(0, 0);
    assert_int_equal(loaded(), 1);
    assert_int_equal(numbered_commit(&client, 2), BSC_OK);
    assert_int_equal(loaded(), 2);
    store_client_close(&client);
}

/* --- damage --- */

static unsigned char *read_database(size_t *size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/bascule.db", directory);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *size = (size_t)ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(*size);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

static void write_database(const unsigned char *bytes, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/bascule.db", directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

/* What opening and loading says; its text is in `error`. */
static enum bsc_status inspect(void)
{
    enum bsc_status status = store_client_open(&client, &sqlite, directory, &error);
    if (status)
        return status;
    uint64_t n;
    status = numbered_load(&client, &n);
    if (status)
        bsc_error_set(&error, status, "%s", client.text);
    if (!status)
        numbered_commit(&client, 500); /* whatever it says */
    store_client_close(&client);
    return status;
}

static void make_database(void)
{
    open_store(directory);
    for (uint64_t n = 1; n <= 100; n++)
        assert_int_equal(numbered_commit(&client, n), BSC_OK);
    store_client_close(&client);
}

static void damage_is_told_with_what_to_do(void **unused)
{
    (void)unused;
    size_t size;
    make_database();
    unsigned char *good = read_database(&size), *bad = malloc(size);

    memcpy(bad, good, size);
    memset(bad, 'x', 100); /* the header */
    write_database(bad, size);
    assert_int_equal(inspect(), BSC_CORRUPT);
    assert_non_null(strstr(error.text, ".dump"));
    assert_non_null(strstr(error.text, "Traffic goes on"));

    write_database(good, size / 2); /* cut */
    assert_int_equal(inspect(), BSC_CORRUPT);

    memcpy(bad, good, size);
    memset(bad + 4096, 0xff, size - 4096); /* all but the first page */
    write_database(bad, size);
    assert_int_equal(inspect(), BSC_CORRUPT);

    write_database(good, size);
    assert_int_equal(inspect(), BSC_OK);
    free(good);
    free(bad);
}

/* As an operator does it while the owner runs. */
static void put_in_place(const unsigned char *bytes, size_t size)
{
    char path[128], log[128], shared[128], aside[128];
    snprintf(path, sizeof path, "%s/bascule.db", directory);
    snprintf(log, sizeof log, "%s/bascule.db-wal", directory);
    snprintf(shared, sizeof shared, "%s/bascule.db-shm", directory);
    snprintf(aside, sizeof aside, "%s/damaged.db", directory);
    assert_int_equal(rename(path, aside), 0);
    unlink(log);
    unlink(shared);
    write_database(bytes, size);
    assert_int_equal(chmod(path, 0600), 0);
}

static void count_record(void *argument, const struct bsc_record *record)
{
    (void)record;
    ++*(unsigned *)argument;
}

static unsigned records(void)
{
    unsigned count = 0;
    assert_int_equal(bsc_store_history(&client.store, "web", 0, 10, count_record, &count, &error),
                     BSC_OK);
    return count;
}

static void a_good_database_in_place_of_a_damaged_one_is_used_without_a_restart(void **unused)
{
    (void)unused;
    size_t size;
    uint64_t n;
    make_database();
    unsigned char *good = read_database(&size), *bad = malloc(size);
    memcpy(bad, good, size);
    memset(bad + 4096, 0xff, size - 4096);
    write_database(bad, size);
    open_store(directory);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(numbered_load(&client, &n), BSC_CORRUPT);
    assert_non_null(strstr(client.text, ".dump"));
    put_in_place(good, size);
    assert_int_equal(loaded(), 100);
    assert_int_equal(numbered_commit(&client, 101), BSC_OK);
    assert_int_equal(records(), 1);
    store_client_close(&client);
    free(good);
    free(bad);
}

/* What a transaction needs must be read from the file again. */
static void push_out_of_memory(void)
{
    enum { MANY = 4000 };
    struct bsc_change *changes = calloc(MANY, sizeof *changes);
    for (unsigned i = 0; i < MANY; i++) {
        changes[i] = (struct bsc_change){ BSC_ADD_AUDIT, .audit = { .sequence = 1000 + i } };
        snprintf(changes[i].audit.text, BSC_REASON_BYTES, "%0*u", 400, i);
    }
    assert_int_equal(store_client_commit(&client, changes, MANY), BSC_OK);
    free(changes);
}

static void damage_that_a_transaction_meets_is_told_and_mended_without_a_restart(void **unused)
{
    (void)unused;
    size_t size;
    make_database();
    unsigned char *good = read_database(&size), *bad = malloc(size);
    memcpy(bad, good, size);
    memset(bad + 4096, 0xff, size - 4096);
    open_store(directory);
    assert_int_equal(loaded(), 100);
    assert_int_equal(records(), 1);
    push_out_of_memory();
    write_database(bad, size);
    assert_int_equal(numbered_commit(&client, 101), BSC_CORRUPT);
    assert_non_null(strstr(client.text, ".dump"));
    put_in_place(good, size);
    assert_int_equal(loaded(), 100);
    assert_int_equal(records(), 1);
    assert_int_equal(numbered_commit(&client, 101), BSC_OK);
    store_client_close(&client);
    assert_int_equal(inspect(), BSC_OK);
    free(good);
    free(bad);
}

static bool run_shell(const char *command)
{
    int wait_status;
    pid_t child = fork();
    if (!child) {
        int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(nowhere, STDERR_FILENO);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &wait_status, 0), child);
    return wait_status == 0;
}

static void count_event(void *argument, const struct bsc_audit_row *row)
{
    (void)row;
    ++*(unsigned *)argument;
}

static void what_the_text_says_repairs_the_database(void **unused)
{
    (void)unused;
    size_t size;
    unsigned events = 0;
    if (!run_shell("command -v sqlite3 > /dev/null")) {
        print_message("skipped: there is no sqlite3 here\n");
        skip();
    }
    make_database();
    unsigned char *bytes = read_database(&size);
    for (size_t page = size - 4096; page; page -= 4096) /* tables first, their rows after */
        if (bytes[page] == 0x0d && bytes[page + 4] >= 7) {
            memset(bytes + page + 8, 0xee, 6); /* three rows of a leaf full of events */
            break;
        }
    write_database(bytes, size);
    free(bytes);
    assert_int_equal(inspect(), BSC_CORRUPT);
    char *command = strchr(error.text, '`') + 1;
    *strchr(command, '`') = '\0';
    assert_true(run_shell(command));

    open_store(directory);
    assert_int_equal(loaded(), 100);
    struct bsc_events_query query = { .limit = 1000 };
    assert_int_equal(bsc_store_events(&client.store, &query, count_event, &events, &error), BSC_OK);
    assert_in_range(events, 80, 100);
    assert_int_equal(numbered_commit(&client, 101), BSC_OK);
    store_client_close(&client);
}

static void flipped_bytes_are_found_or_harmless(void **unused)
{
    (void)unused;
    unsigned random = 4711, found = 0;
    size_t size;
    make_database();
    unsigned char *good = read_database(&size), *bad = malloc(size);
    for (unsigned i = 0; i < 300; i++) {
        memcpy(bad, good, size);
        for (unsigned flips = 0; flips < 4; flips++) {
            random = random * 1103515245 + 12345;
            size_t at = i < 100 ? random / 65536 % 200 : random / 8 % size;
            bad[at] ^= (unsigned char)(1 + random / 4096 % 255);
        }
        write_database(bad, size);
        switch (inspect()) {
        case BSC_CORRUPT:
            found++;
            break;
        case BSC_OK:
        case BSC_NEWER: /* the number of the layout was hit */
            break;
        default:
            fail_msg("%s", error.text);
        }
    }
    print_message("%u of 300 found\n", found);
    assert_true(found > 50);
    free(good);
    free(bad);
}

int main(void)
{
    disk_install();
#define fault_test(name) cmocka_unit_test_setup_teardown(name, make_directory, tear_down)
    const struct CMUnitTest tests[] = {
        fault_test(a_power_loss_at_every_write_leaves_the_old_state_or_the_new),
        fault_test(whichever_sync_fails_nothing_committed_is_lost_and_nothing_failed_comes_back),
        fault_test(a_sync_that_fails_is_told_and_nothing_is_read_before_the_disk_works_again),
        fault_test(damage_is_told_with_what_to_do),
        fault_test(a_good_database_in_place_of_a_damaged_one_is_used_without_a_restart),
        fault_test(damage_that_a_transaction_meets_is_told_and_mended_without_a_restart),
        fault_test(what_the_text_says_repairs_the_database),
        fault_test(flipped_bytes_are_found_or_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
