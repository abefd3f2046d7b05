/* SPDX-License-Identifier: Apache-2.0
 * supervisor/main.c - bascule-supervisor: owns the listening sockets and the newest routes, starts
 * proxy and controller and starts them again. What it links is libc, what it reads are words.
 */
#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "supervisor/options.h"
#include "supervisor/statedir.h"
#include "supervisor/supervisor.h"

enum { EXIT_REFUSED = 1, EXIT_USAGE = 2 };

/* Descriptors 0 to 2 must not become sockets. */
static void open_standard(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd != -1 && fd <= STDERR_FILENO);
    if (fd != -1)
        close(fd);
}

int main(int argc, char **argv)
{
    struct bsc_supervisor_options options;
    struct bsc_error error;
    int directory = -1, lock = -1;
    open_standard();
    bsc_log_init("supervisor", BSC_LOG_INFO);
    if (bsc_supervisor_options_parse(argc, argv, &options, &error) != BSC_OK) {
        bsc_log_error("%s", error.text);
        return EXIT_USAGE;
    }
    if (bsc_statedir_open(options.state, &directory, &error) != BSC_OK ||
        bsc_statedir_lock(directory, options.state, &lock, &error) != BSC_OK) {
        bsc_log_error("%s", error.text);
        return EXIT_REFUSED;
    }
    struct bsc_supervisor supervisor;
    return bsc_supervisor_run(&supervisor, &options, directory);
}
