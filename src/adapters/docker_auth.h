/* SPDX-License-Identifier: Apache-2.0
 * adapters/docker_auth.h - who one is at a registry, from Docker's own configuration file.
 */
#ifndef BASCULE_ADAPTERS_DOCKER_AUTH_H
#define BASCULE_ADAPTERS_DOCKER_AUTH_H

#include <stdbool.h>

#include "base/text.h"

/* The registry in an image's name: "registry.example:5000", or "docker.io". */
void bsc_docker_registry(const char *image, struct bsc_text *out);

/* The value of X-Registry-Auth for `registry`, from DOCKER_CONFIG/config.json or
 * HOME/.docker/config.json, read now. False: nothing is known of it there, and `note` says what
 * would be but can't be used (a credential helper), or is left empty. */
bool bsc_docker_auth(const char *registry, struct bsc_text *out, struct bsc_text *note);

#endif
