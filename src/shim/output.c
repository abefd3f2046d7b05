/* SPDX-License-Identifier: Apache-2.0
 * shim/output.c - see output.h. */
#include "shim/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/shim.h"

enum { NAME_BYTES = 32 };

static const char *name_of(unsigned index, char out[static NAME_BYTES])
{
    if (index)
        snprintf(out, NAME_BYTES, "%s.%u", BSC_SHIM_LOG, index);
    else
        snprintf(out, NAME_BYTES, "%s", BSC_SHIM_LOG);
    return out;
}

static bool open_log(struct bsc_output *output)
{
    const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;
    struct stat found;
    if (output->file != -1)
        return true;
    output->file = openat(output->directory, BSC_SHIM_LOG, flags, 0600);
    if (output->file == -1)
        return false;
    output->size_bytes = fstat(output->file, &found) == 0 ? found.st_size : 0;
    return true;
}

static void rotate(struct bsc_output *output)
{
    char from[NAME_BYTES], to[NAME_BYTES];
    close(output->file);
    output->file = -1;
    if (output->files == 1)
        unlinkat(output->directory, BSC_SHIM_LOG, 0);
    for (unsigned i = output->files - 1; i > 0; i--)
        renameat(output->directory, name_of(i - 1, from), output->directory, name_of(i, to));
}

enum bsc_status bsc_output_init(struct bsc_output *output, int directory, int64_t file_bytes,
                                unsigned files, struct bsc_error *error)
{
    *output = (struct bsc_output){
        .directory = directory, .file = -1, .file_bytes = file_bytes, .files = files
    };
    if (!open_log(output) && errno != ENOSPC && errno != EDQUOT)
        return bsc_error_errno(error, "open %s", BSC_SHIM_LOG);
    return BSC_OK;
}

void bsc_output_deinit(struct bsc_output *output)
{
    if (output->file != -1)
        close(output->file);
    output->file = -1;
}

/* How many bytes were written; fewer than `size` with errno set. */
static size_t append(struct bsc_output *output, const char *bytes, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t written = write(output->file, bytes + done, size - done);
        if (written == -1 && errno == EINTR)
            continue;
        if (written <= 0)
            break;
        done += (size_t)written;
    }
    output->size_bytes += (int64_t)done;
    if (done)
        output->middle_of_line = bytes[done - 1] != '\n';
    return done;
}

/* False while it can't be written. */
static bool tell_dropped(struct bsc_output *output)
{
    char line[160];
    if (!output->dropped_bytes)
        return true;
    int size =
        snprintf(line, sizeof line, "%s[bascule: %llu bytes of output were lost: %s]\n",
                 output->middle_of_line ? "\n" : "", (unsigned long long)output->dropped_bytes,
                 strerror(output->dropped_number));
    if (append(output, line, (size_t)size) != (size_t)size)
        return false;
    output->dropped_bytes = 0;
    return true;
}

static void drop(struct bsc_output *output, size_t size)
{
    output->dropped_number = errno;
    output->dropped_bytes += size;
}

void bsc_output_write(struct bsc_output *output, const char *bytes, size_t size)
{
    while (size) {
        if (!open_log(output) || !tell_dropped(output)) {
            drop(output, size);
            return;
        }
        int64_t room = output->file_bytes - output->size_bytes;
        size_t part = room <= 0 ? 0 : (uint64_t)room < size ? (size_t)room : size;
        if (part < size) {
            const char *end = part ? memrchr(bytes, '\n', part) : NULL;
            if (end)
                part = (size_t)(end - bytes) + 1;
            else if (output->size_bytes && !output->middle_of_line)
                part = 0; /* the line that starts here goes to the next file as a whole */
        }
        size_t done = append(output, bytes, part);
        if (done < part) {
            drop(output, size - done);
            return;
        }
        bytes += part;
        size -= part;
        if (size)
            rotate(output);
    }
}
