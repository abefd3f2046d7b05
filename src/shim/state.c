/* SPDX-License-Identifier: Apache-2.0
 * shim/state.c - see state.h. */
#include "shim/state.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "shim/shim.h"

#define STATE_NEW BSC_SHIM_STATE ".new"

static const char *const phase_names[BSC_SHIM_PHASE_COUNT] = {
    [BSC_SHIM_STARTING] = "starting",
    [BSC_SHIM_RUNNING] = "running",
    [BSC_SHIM_STOPPING] = "stopping",
    [BSC_SHIM_EXITED] = "exited",
};

static void read_boot_id(char out[static BSC_BOOT_ID_BYTES])
{
    out[0] = '\0';
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return;
    ssize_t size = read(fd, out, BSC_BOOT_ID_BYTES - 1);
    close(fd);
    out[size > 0 ? size : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
}

void bsc_shim_state_init(struct bsc_shim_state *state)
{
    *state = (struct bsc_shim_state){ .shim_pid = getpid(),
                                      .started_ms = bsc_clock_wall_ms(),
                                      .wait_status = -1 };
    read_boot_id(state->boot_id);
}

void bsc_shim_state_format(const struct bsc_shim_state *state, struct bsc_text *out)
{
    bsc_text_printf(out, "boot_id=%s\nshim_pid=%d\npid=%d\nphase=%s\nstarted_ms=%lld\n",
                    state->boot_id, (int)state->shim_pid, (int)state->pid,
                    phase_names[state->phase], (long long)state->started_ms);
    if (state->phase == BSC_SHIM_EXITED)
        bsc_text_printf(out, "exited_ms=%lld\nwait_status=%d\n", (long long)state->exited_ms,
                        state->wait_status);
    if (state->error[0]) {
        bsc_text_puts(out, "error=");
        bsc_text_add_escaped(out, state->error, strlen(state->error));
        bsc_text_puts(out, "\n");
    }
}

static enum bsc_status write_all(int fd, const struct bsc_text *text, struct bsc_error *error)
{
    if (pwrite(fd, text->data, text->size, 0) != (ssize_t)text->size ||
        ftruncate(fd, (off_t)text->size) == -1 || fsync(fd) == -1)
        return bsc_error_errno(error, "write %s", BSC_SHIM_STATE);
    return BSC_OK;
}

static enum bsc_status replace(int directory, const struct bsc_text *text, struct bsc_error *error)
{
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW;
    int fd = openat(directory, STATE_NEW, flags, 0600);
    if (fd == -1)
        return bsc_error_errno(error, "create %s", STATE_NEW);
    enum bsc_status status = write_all(fd, text, error);
    close(fd);
    if (status == BSC_OK && renameat(directory, STATE_NEW, directory, BSC_SHIM_STATE) == -1)
        status = bsc_error_errno(error, "rename %s", STATE_NEW);
    if (status == BSC_OK)
        (void)fsync(directory); /* without it a power loss gives back the old file: harmless */
    else
        unlinkat(directory, STATE_NEW, 0);
    return status;
}

enum bsc_status bsc_shim_state_write(const struct bsc_shim_state *state, int directory,
                                     struct bsc_error *error)
{
    struct bsc_text text = { 0 };
    bsc_shim_state_format(state, &text);
    enum bsc_status status = replace(directory, &text, error);
    if (status == BSC_NO_SPACE) {
        int fd = openat(directory, BSC_SHIM_STATE, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd != -1) {
            status = write_all(fd, &text, error);
            close(fd);
        }
    }
    bsc_text_deinit(&text);
    return status;
}
