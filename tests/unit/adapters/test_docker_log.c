/* SPDX-License-Identifier: Apache-2.0
 * The output of containers: frames of the Engine, in pieces of any size, as lines in a file. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "adapters/docker_log.h"

struct place {
    char path[64];
    struct bsc_docker_log log;
};

static int open_place(const struct place *place)
{
    return open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int set_up(void **state)
{
    static struct place place;
    place = (struct place){ .path = "/tmp/bascule-log-XXXXXX" };
    assert_non_null(mkdtemp(place.path));
    bsc_docker_log_init(&place.log, open_place(&place));
    *state = &place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    char path[96];
    bsc_docker_log_deinit(&place->log);
    snprintf(path, sizeof path, "%s/log", place->path);
    unlink(path);
    snprintf(path, sizeof path, "%s/log.1", place->path);
    unlink(path);
    return rmdir(place->path);
}

static size_t frame(char *out, const char *text)
{
    size_t size = strlen(text);
    memcpy(out, "\1\0\0\0", 4);
    out[4] = out[5] = 0;
    out[6] = (char)(size >> 8);
    out[7] = (char)size;
    memcpy(out + 8, text, size);
    return 8 + size;
}

static void log_is(const struct place *place, const char *wanted)
{
    char path[96], text[512];
    snprintf(path, sizeof path, "%s/log", place->path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd != -1);
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    assert_true(size >= 0);
    text[size] = '\0';
    assert_string_equal(text, wanted);
}

static void frames_become_lines_however_they_are_cut(void **state)
{
    struct place *place = *state;
    char bytes[256];
    size_t size = frame(bytes, "2026-11-21T13:56:45.885133320Z one\n");
    size += frame(bytes + size, "2026-11-21T13:56:46Z two\n");
    for (size_t i = 0; i < size; i++)
        bsc_docker_log_add(&place->log, bytes + i, 1);
    log_is(place, "one\ntwo\n");
}

static void what_comes_next_is_asked_for_also_after_a_restart(void **state)
{
    struct place *place = *state;
    char bytes[128], since[40];
    bsc_docker_log_since(&place->log, since, sizeof since);
    assert_string_equal(since, "0");
    size_t size = frame(bytes, "2026-11-21T13:56:45.999999999Z one\n");
    bsc_docker_log_add(&place->log, bytes, size);
    bsc_docker_log_since(&place->log, since, sizeof since);
    assert_string_equal(since, "1795269406.000000000");
    bsc_docker_log_deinit(&place->log);
    bsc_docker_log_init(&place->log, open_place(place));
    bsc_docker_log_since(&place->log, since, sizeof since);
    assert_string_equal(since, "1795269406.000000000");
}

static void what_is_no_stream_of_frames_is_dropped(void **state)
{
    struct place *place = *state;
    char bytes[128];
    bsc_docker_log_add(&place->log, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    size_t size = frame(bytes, "no time before it\n");
    bsc_docker_log_add(&place->log, bytes, size);
    log_is(place, "no time before it\n");
}

static void files_stay_small(void **state)
{
    struct place *place = *state;
    char line[1100], bytes[1200], path[96];
    memset(line, 'x', sizeof line);
    memcpy(line, "2026-11-21T13:56:45Z ", 21);
    line[1020] = '\n';
    line[1021] = '\0';
    size_t size = frame(bytes, line);
    for (unsigned i = 0; i < 3000; i++)
        bsc_docker_log_add(&place->log, bytes, size);
    snprintf(path, sizeof path, "%s/log.1", place->path);
    assert_int_equal(access(path, R_OK), 0);
    assert_true(place->log.size_bytes <= 1024 * 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(frames_become_lines_however_they_are_cut, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_comes_next_is_asked_for_also_after_a_restart, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_stream_of_frames_is_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_stay_small, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
