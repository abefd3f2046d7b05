/* SPDX-License-Identifier: Apache-2.0
 * api/upgrade.c - POST /v1/upgrade: a fresh proxy takes over, the old one retires. */
#include "api/context.h"
#include "api/request.h"

void bsc_api_post_upgrade(struct bsc_api_request *request)
{
    struct bsc_api *api = request->api;
    request->token = api->next_token++;
    api->options.upgrade(api->options.argument, request->token);
}
