/* SPDX-License-Identifier: Apache-2.0
 * A full disk below the SQLite store: told as such, with room left to record an abort.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_place.h"

static int tear_down(void **unused)
{
    (void)unused;
    umount2(directory, MNT_DETACH);
    remove_directory(directory);
    return 0;
}

static bool mount_small_disk(void)
{
    /* Before any thread is made: each has a name space of its own. */
    if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("tmpfs", directory, "tmpfs", 0, "size=8m,mode=0700")) {
        print_message("skipped: a small disk can't be mounted here: %s\n", strerror(errno));
        return false;
    }
    return true;
}

static void fill_disk(void)
{
    static const char bytes[65536];
    char path[128];
    snprintf(path, sizeof path, "%s/filler", directory);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_int_not_equal(fd, -1);
    for (size_t size = sizeof bytes; size; size /= 2)
        while (write(fd, bytes, size) == (ssize_t)size)
            ;
    close(fd);
}

static off_t size_of(const char *name)
{
    char path[128];
    struct stat info;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return stat(path, &info) ? -1 : info.st_size;
}

/* Commits on from `n` until the disk is full; returns the last number that was committed. */
static uint64_t commit_until_full(uint64_t n)
{
    while (!numbered_commit(&client, n + 1))
        assert_true(++n < 20000);
    assert_int_equal(client.status, BSC_NO_SPACE);
    assert_non_null(strstr(client.text, "no room left on the disk"));
    assert_int_equal(loaded(), n);
    return n;
}

static void a_full_disk_is_told_and_leaves_room_to_record_that(void **unused)
{
    (void)unused;
    if (!mount_small_disk())
        skip();
    open_store(directory);
    assert_int_equal(numbered_commit(&client, 1), BSC_OK);
    assert_int_equal(size_of("ballast"), 1024 * 1024);
    assert_false(client.full);
    fill_disk();
    uint64_t n = commit_until_full(1);
    assert_int_equal(size_of("ballast"), 0);
    assert_int_equal(numbered_commit(&client, ++n), BSC_OK);
    assert_true(client.full); /* it went into the reserve: nothing new should begin */
    uint64_t reserve = commit_until_full(n) - n;
    print_message("%llu transactions from the ballast\n", (unsigned long long)reserve);
    assert_true(reserve >= 20);
    n = commit_until_full(n + reserve);
    store_client_close(&client);

    fill_disk(); /* also what closing gave back */
    open_store(directory);
    assert_int_equal(loaded(), n);
    store_client_close(&client);

    char path[128];
    snprintf(path, sizeof path, "%s/filler", directory);
    assert_int_equal(unlink(path), 0);
    open_store(directory);
    assert_int_equal(numbered_commit(&client, n + 1), BSC_OK);
    assert_int_equal(size_of("ballast"), 1024 * 1024);
    assert_false(client.full);
    assert_int_equal(loaded(), n + 1);
    fill_disk();
    commit_until_full(n + 1);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(loaded(), numbered_commit(&client, 30000) ? 0 : 30000);
    assert_int_equal(size_of("ballast"), 1024 * 1024); /* made again by the transaction */
    store_client_close(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_full_disk_is_told_and_leaves_room_to_record_that,
                                        make_directory, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
