/* SPDX-License-Identifier: Apache-2.0
 * contract/disk.c - see disk.h. */
#include "disk.h"

#include <assert.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"

enum {
    FILES_MAX = 4,
    SECTOR_BYTES = 512,
    FOLLOWED = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL,
};

struct image {
    unsigned char *bytes;
    size_t size, capacity;
};

struct operation {
    struct operation *next;
    bool truncation;
    size_t at, size;
    unsigned char bytes[];
};

struct tracked {
    char name[64]; /* without its directory; "": free */
    struct image durable;
    struct operation *pending, **tail;
};

struct disk_file {
    sqlite3_file base;
    struct tracked *tracked;
    sqlite3_file real[]; /* as large as the real VFS wants it */
};

static struct {
    sqlite3_vfs vfs, *real;
    sqlite3_io_methods methods;
    struct tracked files[FILES_MAX];
    bool follow;
    unsigned fail_in, fail_more, syncs;
    void (*on_step)(void *argument);
    void *argument;
} disk;

/* --- images --- */

static void image_resize(struct image *image, size_t size)
{
    size_t before = image->size;
    image->bytes = bsc_grow(image->bytes, &image->capacity, size + 1, 1);
    if (size > before)
        memset(image->bytes + before, 0, size - before);
    image->size = size;
}

/* The first `size` bytes of the operation. */
static void image_apply(struct image *image, const struct operation *operation, size_t size)
{
    if (operation->truncation) {
        image_resize(image, operation->at);
        return;
    }
    if (operation->at + size > image->size)
        image_resize(image, operation->at + size);
    memcpy(image->bytes + operation->at, operation->bytes, size);
}

static void drop_pending(struct tracked *tracked)
{
    while (tracked->pending) {
        struct operation *next = tracked->pending->next;
        free(tracked->pending);
        tracked->pending = next;
    }
    tracked->tail = &tracked->pending;
}

static void forget(struct tracked *tracked)
{
    drop_pending(tracked);
    free(tracked->durable.bytes);
    *tracked = (struct tracked){ 0 };
}

static void add_pending(struct tracked *tracked, bool truncation, size_t at, const void *bytes,
                        size_t size)
{
    struct operation *operation = bsc_alloc(sizeof *operation + size);
    operation->truncation = truncation;
    operation->at = at;
    operation->size = size;
    if (size)
        memcpy(operation->bytes, bytes, size);
    *tracked->tail = operation;
    tracked->tail = &operation->next;
}

static void step(void)
{
    if (disk.on_step)
        disk.on_step(disk.argument);
}

/* --- methods of an open file --- */

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct disk_file *)(void *)file)->real;
}

static struct tracked *tracked_of(sqlite3_file *file)
{
    return ((struct disk_file *)(void *)file)->tracked;
}

static int do_close(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int do_read(sqlite3_file *file, void *out, int size, sqlite3_int64 at)
{
    return real_of(file)->pMethods->xRead(real_of(file), out, size, at);
}

static int do_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 at)
{
    step();
    add_pending(tracked_of(file), false, (size_t)at, bytes, (size_t)size);
    return real_of(file)->pMethods->xWrite(real_of(file), bytes, size, at);
}

static int do_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    step();
    add_pending(tracked_of(file), true, (size_t)size, NULL, 0);
    return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int do_sync(sqlite3_file *file, int flags)
{
    struct tracked *tracked = tracked_of(file);
    (void)flags; /* memory stands in for the disk */
    step();
    disk.syncs++;
    if (disk.fail_in > 1) {
        disk.fail_in--;
    } else if (disk.fail_in == 1) {
        if (disk.fail_more)
            disk.fail_more--;
        else
            disk.fail_in = 0;
        drop_pending(tracked);
        return SQLITE_IOERR_FSYNC;
    }
    for (struct operation *at = tracked->pending; at; at = at->next)
        image_apply(&tracked->durable, at, at->size);
    drop_pending(tracked);
    return SQLITE_OK;
}

static int do_size(sqlite3_file *file, sqlite3_int64 *out)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), out);
}

static int do_lock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int do_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int do_check_lock(sqlite3_file *file, int *out)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}

static int do_control(sqlite3_file *file, int operation, void *argument)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), operation, argument);
}

static int do_sector(sqlite3_file *file)
{
    (void)file;
    return SECTOR_BYTES;
}

static int do_characteristics(sqlite3_file *file)
{
    (void)file;
    return 0; /* promises nothing */
}

static int do_shm_map(sqlite3_file *file, int region, int size, int extend, void volatile **out)
{
    return real_of(file)->pMethods->xShmMap(real_of(file), region, size, extend, out);
}

static int do_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}

static void do_shm_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int do_shm_unmap(sqlite3_file *file, int remove)
{
    return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

/* --- the VFS --- */

static struct tracked *find(const char *path, bool make)
{
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    struct tracked *unused = NULL;
    for (unsigned i = 0; i < FILES_MAX; i++) {
        if (!strcmp(disk.files[i].name, name))
            return &disk.files[i];
        if (!disk.files[i].name[0])
            unused = &disk.files[i];
    }
    if (!make)
        return NULL;
    assert(unused);
    snprintf(unused->name, sizeof unused->name, "%s", name);
    unused->tail = &unused->pending;
    return unused;
}

static int do_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out)
{
    struct disk_file *own = (struct disk_file *)(void *)file;
    (void)vfs;
    if (!disk.follow || !path || !(flags & FOLLOWED))
        return disk.real->xOpen(disk.real, path, file, flags, out);
    memset(own, 0, (size_t)disk.vfs.szOsFile);
    int code = disk.real->xOpen(disk.real, path, own->real, flags, out);
    if (code)
        return code;
    own->tracked = find(path, true);
    own->base.pMethods = &disk.methods;
    return SQLITE_OK;
}

static int do_delete(sqlite3_vfs *vfs, const char *path, int sync)
{
    struct tracked *tracked = find(path, false);
    (void)vfs;
    if (tracked) {
        step();
        forget(tracked);
    }
    return disk.real->xDelete(disk.real, path, sync);
}

void disk_install(void)
{
    disk.real = sqlite3_vfs_find(NULL);
    disk.vfs = *disk.real;
    disk.vfs.zName = "disk";
    disk.vfs.szOsFile = (int)sizeof(struct disk_file) + disk.real->szOsFile;
    disk.vfs.xOpen = do_open;
    disk.vfs.xDelete = do_delete;
    disk.methods = (sqlite3_io_methods){ .iVersion = 2,
                                         .xClose = do_close,
                                         .xRead = do_read,
                                         .xWrite = do_write,
                                         .xTruncate = do_truncate,
                                         .xSync = do_sync,
                                         .xFileSize = do_size,
                                         .xLock = do_lock,
                                         .xUnlock = do_unlock,
                                         .xCheckReservedLock = do_check_lock,
                                         .xFileControl = do_control,
                                         .xSectorSize = do_sector,
                                         .xDeviceCharacteristics = do_characteristics,
                                         .xShmMap = do_shm_map,
                                         .xShmLock = do_shm_lock,
                                         .xShmBarrier = do_shm_barrier,
                                         .xShmUnmap = do_shm_unmap };
    int code = sqlite3_vfs_register(&disk.vfs, 1);
    assert(!code);
}

void disk_follow(bool follow)
{
    disk.follow = follow;
}

void disk_reset(void)
{
    for (unsigned i = 0; i < FILES_MAX; i++)
        forget(&disk.files[i]);
    disk.on_step = NULL;
    disk.fail_in = disk.fail_more = disk.syncs = 0;
}

void disk_on_step(void (*on_step)(void *argument), void *argument)
{
    disk.on_step = on_step;
    disk.argument = argument;
}

void disk_fail_sync(unsigned nth, unsigned more)
{
    disk.fail_in = nth;
    disk.fail_more = more;
}

unsigned disk_syncs(void)
{
    return disk.syncs;
}

static unsigned draw(unsigned *seed)
{
    *seed = *seed * 1103515245 + 12345;
    return *seed / 65536 % 32768;
}

static void write_survivor(const struct tracked *tracked, const char *directory, unsigned *seed)
{
    struct image image = { 0 };
    char path[256];
    image_resize(&image, tracked->durable.size);
    if (image.size)
        memcpy(image.bytes, tracked->durable.bytes, image.size);
    for (const struct operation *at = tracked->pending; at; at = at->next) {
        size_t sectors = at->size / SECTOR_BYTES;
        switch (draw(seed) % 3) {
        case 0:
            image_apply(&image, at, at->size);
            break;
        case 1:
            if (!at->truncation)
                image_apply(&image, at, sectors ? draw(seed) % sectors * SECTOR_BYTES : 0);
            break;
        default:
            break;
        }
    }
    snprintf(path, sizeof path, "%s/%s", directory, tracked->name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert(fd != -1);
    for (size_t done = 0; done < image.size;) {
        ssize_t size = write(fd, image.bytes + done, image.size - done);
        assert(size > 0);
        done += (size_t)size;
    }
    close(fd);
    free(image.bytes);
}

void disk_lose_power(const char *directory, unsigned seed)
{
    for (unsigned i = 0; i < FILES_MAX; i++)
        if (disk.files[i].name[0])
            write_survivor(&disk.files[i], directory, &seed);
}
