/* SPDX-License-Identifier: Apache-2.0
 * adapters/docker_image.h - what an image's name stands for, fetched from its registry where it
 * must be.
 *
 * Who asks for the same image while it is being looked up shares one answer and one download.
 */
#ifndef BASCULE_ADAPTERS_DOCKER_IMAGE_H
#define BASCULE_ADAPTERS_DOCKER_IMAGE_H

#include "adapters/docker.h"
#include "core/spec.h"

struct bsc_docker_images;
struct bsc_docker_image_wish;

struct bsc_docker_image_call {
    const char *name; /* borrowed during the call: "shop/web:v2", "shop@sha256:...", "sha256:..." */
    enum bsc_pull pull;
    /* How far a download is. */
    void (*on_progress)(void *argument, const char *text);
    /* `resolved`: the same image for ever, NAME@sha256:... where a registry has it, else
     * "sha256:..." of this machine. NULL, and `text` says why; `away`: the Engine did not answer.
     */
    void (*on_done)(void *argument, const char *resolved, const char *text, bool away);
    void *argument;
};

struct bsc_docker_images *bsc_docker_images_create(struct bsc_docker *docker);
void bsc_docker_images_destroy(struct bsc_docker_images *images);

/* One on_done, not from within. */
struct bsc_docker_image_wish *bsc_docker_image_get(struct bsc_docker_images *images,
                                                   const struct bsc_docker_image_call *call);
void bsc_docker_image_cancel(struct bsc_docker_image_wish *wish);

#endif
