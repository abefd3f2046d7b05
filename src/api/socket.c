/* SPDX-License-Identifier: Apache-2.0
 * api/socket.c - the Unix socket that the API listens on.
 *
 * It is made under another name with its final mode and group and then moved into place, so nobody
 * can ever connect to a socket that is more open than it should be.
 */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/context.h"

static enum bsc_status set_path(struct sockaddr_un *address, const char *path,
                                struct bsc_error *error)
{
    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    size_t size = strlen(path);
    if (size >= sizeof address->sun_path)
        return bsc_error_set(error, BSC_INVALID,
                             "API socket %s: the path is longer than %zu characters; choose a "
                             "shorter state directory",
                             path, sizeof address->sun_path - 1);
    memcpy(address->sun_path, path, size + 1);
    return BSC_OK;
}

/* Only a socket on which nobody answers may be replaced. */
static enum bsc_status check_replaceable(const char *path, const struct sockaddr_un *address,
                                         struct bsc_error *error)
{
    struct stat found;
    if (lstat(path, &found) != 0)
        return errno == ENOENT ? BSC_OK : bsc_error_errno(error, "API socket %s", path);
    if (!S_ISSOCK(found.st_mode))
        return bsc_error_set(error, BSC_EXISTS, "API socket %s: something else is there", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1)
        return bsc_error_errno(error, "socket");
    int result = connect(fd, (const struct sockaddr *)address, sizeof *address);
    int number = errno;
    close(fd);
    if (result != 0 && (number == ECONNREFUSED || number == ENOENT))
        return BSC_OK;
    return bsc_error_set(error, BSC_EXISTS, "API socket %s: another daemon answers there", path);
}

/* Only root can give the socket to a group that it is not a member of; anybody else's daemon is for
 * its own user. */
static gid_t find_group(const char *name)
{
    struct group group, *found = NULL;
    char memory[16384];
    if (!name || geteuid() != 0 || getgrnam_r(name, &group, memory, sizeof memory, &found) != 0 ||
        !found)
        return (gid_t)-1;
    return found->gr_gid;
}

/* The folder of root's socket, /run/bascule, is gone after each boot. Everybody may look for the
 * socket there; who may use it is said by the socket's own mode. */
static enum bsc_status make_folder(const char *path, struct bsc_error *error)
{
    char folder[sizeof((struct sockaddr_un *)NULL)->sun_path];
    const char *end = strrchr(path, '/');
    if (!end || end == path)
        return BSC_OK;
    snprintf(folder, sizeof folder, "%.*s", (int)(end - path), path);
    if (mkdir(folder, 0755) == 0 && chmod(folder, 0755) == 0) /* whatever the umask is */
        return BSC_OK;
    return errno == EEXIST ? BSC_OK : bsc_error_errno(error, "make %s for the API socket", folder);
}

enum bsc_status bsc_api_listen(const char *path, const char *group, int *out,
                               struct bsc_error *error)
{
    struct sockaddr_un address, fresh;
    char fresh_path[sizeof fresh.sun_path + 16];
    snprintf(fresh_path, sizeof fresh_path, "%s.new", path);
    enum bsc_status status = set_path(&address, path, error);
    if (status == BSC_OK)
        status = set_path(&fresh, fresh_path, error);
    if (status == BSC_OK)
        status = make_folder(path, error);
    if (status == BSC_OK)
        status = check_replaceable(path, &address, error);
    if (status != BSC_OK)
        return status;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1)
        return bsc_error_errno(error, "socket");
    unlink(fresh_path); /* left by a crash between bind and rename */
    gid_t gid = find_group(group);
    /* Linux makes the socket's file with the mode that the descriptor has. */
    if (fchmod(fd, 0600) != 0 || bind(fd, (const struct sockaddr *)&fresh, sizeof fresh) != 0) {
        status = bsc_error_errno(error, "API socket %s", path);
        goto close_fd;
    }
    if (gid != (gid_t)-1 &&
        (chown(fresh_path, (uid_t)-1, gid) != 0 || chmod(fresh_path, 0660) != 0)) {
        status = bsc_error_errno(error, "API socket %s: give it to group %s", path, group);
        goto unlink_fresh;
    }
    if (listen(fd, SOMAXCONN) != 0 || rename(fresh_path, path) != 0) {
        status = bsc_error_errno(error, "API socket %s", path);
        goto unlink_fresh;
    }
    *out = fd;
    return BSC_OK;
unlink_fresh:
    unlink(fresh_path);
close_fd:
    close(fd);
    return status;
}
