/* SPDX-License-Identifier: Apache-2.0
 * adapters/query.c - see query.h.
 *
 * Few questions are asked at a time and each takes milliseconds to seconds, so transfers are looked
 * after by a timer while there are any. A command is run by a prober of our own: its result says
 * how it ended and what it wrote last.
 */
#include "adapters/query.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/prober.h"
#include "adapters/query_read.h"
#include "base/arena.h"
#include "base/list.h"
#include "base/text.h"

enum { LOOK_MS = 20, ANSWER_BYTES_MAX = 256 * 1024 };

struct query_loop {
    CURLM *multi;
    uv_timer_t timer; /* runs while something is under way over HTTP */
    struct bsc_prober prober;
    void (*deliver)(void *argument, const struct bsc_event *event);
    void *argument;
    struct bsc_list asked;
};

struct asked {
    struct bsc_list link;
    struct query_loop *loop;
    bsc_token token;
    struct bsc_query_spec spec; /* with `field` and `accept.text` copied */
    CURL *easy;                 /* NULL: a command */
    struct bsc_text body;
    bool too_long;
    char fault[CURL_ERROR_SIZE];
    char field[256], accept[64];
};

/* It is on no list any more. */
static void release(struct asked *asked)
{
    if (asked->easy) {
        curl_multi_remove_handle(asked->loop->multi, asked->easy);
        curl_easy_cleanup(asked->easy);
    }
    bsc_text_deinit(&asked->body);
    free(asked);
}

static void end(struct asked *asked)
{
    bsc_list_remove(&asked->link);
    release(asked);
}

static void answer(struct asked *asked, const struct bsc_answer_read *read)
{
    struct query_loop *loop = asked->loop;
    bsc_token token = asked->token;
    end(asked); /* the engine may ask again from within */
    loop->deliver(loop->argument, &(struct bsc_event){
                                      .kind = BSC_EVENT_ANSWERED, .token = token, .answer = read });
}

static void on_probed(void *argument, const struct bsc_event *event)
{
    struct query_loop *loop = argument;
    for (struct bsc_list *node = loop->asked.next; node != &loop->asked; node = node->next) {
        struct asked *asked = BSC_CONTAINER(node, struct asked, link);
        char room[BSC_QUERY_ROOM_BYTES];
        struct bsc_answer_read read;
        if (asked->token != event->token)
            continue;
        bsc_query_read_command(&asked->spec, event->passed, event->text, &read, room);
        answer(asked, &read);
        return;
    }
}

static size_t on_body(char *bytes, size_t one, size_t size, void *argument)
{
    struct asked *asked = argument;
    (void)one;
    if (asked->body.size + size > ANSWER_BYTES_MAX) {
        asked->too_long = true;
        return 0;
    }
    bsc_text_add(&asked->body, bytes, size);
    return size;
}

static void finish(struct asked *asked, CURLcode code)
{
    char room[BSC_QUERY_ROOM_BYTES];
    struct bsc_answer_read read = { .kind = BSC_ANSWER_NONE, .text = room };
    long status = 0;
    curl_easy_getinfo(asked->easy, CURLINFO_RESPONSE_CODE, &status);
    if (asked->too_long)
        snprintf(room, sizeof room, "its answer has more than %d KiB", ANSWER_BYTES_MAX / 1024);
    else if (code != CURLE_OK)
        snprintf(room, sizeof room, "no answer: %.200s",
                 asked->fault[0] ? asked->fault : curl_easy_strerror(code));
    else if (asked->spec.kind == BSC_QUERY_PROMETHEUS)
        bsc_query_read_prometheus((unsigned)status, bsc_text_get(&asked->body), asked->body.size,
                                  &read, room);
    else
        bsc_query_read_http(&asked->spec, (unsigned)status, bsc_text_get(&asked->body),
                            asked->body.size, &read, room);
    answer(asked, &read);
}

static bool any_transfer(const struct query_loop *loop)
{
    for (struct bsc_list *node = loop->asked.next; node != &loop->asked; node = node->next)
        if (BSC_CONTAINER(node, struct asked, link)->easy)
            return true;
    return false;
}

static void on_timer(uv_timer_t *timer)
{
    struct query_loop *loop = timer->data;
    int running, left;
    CURLMsg *message;
    curl_multi_perform(loop->multi, &running);
    while ((message = curl_multi_info_read(loop->multi, &left))) {
        char *asked = NULL;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &asked);
        finish((struct asked *)(void *)asked, code);
    }
    if (!any_transfer(loop))
        uv_timer_stop(&loop->timer);
}

/* The address to ask; NULL: it can't be made. Owned by the caller. */
static char *address_of(CURL *easy, const struct bsc_query_spec *spec)
{
    struct bsc_text text = { 0 };
    size_t size = strlen(spec->url);
    if (spec->kind == BSC_QUERY_HTTP)
        return bsc_copy(spec->url);
    char *query = curl_easy_escape(easy, spec->query, 0);
    if (!query)
        return NULL;
    while (size && spec->url[size - 1] == '/')
        size--;
    bsc_text_printf(&text, "%.*s/api/v1/query?query=%s", (int)size, spec->url, query);
    curl_free(query);
    char *address = bsc_copy(bsc_text_get(&text));
    bsc_text_deinit(&text);
    return address;
}

static void begin_transfer(struct asked *asked, const struct bsc_query_spec *spec)
{
    struct query_loop *loop = asked->loop;
    asked->easy = curl_easy_init();
    if (!asked->easy)
        abort(); /* memory: as bsc_alloc does */
    CURL *easy = asked->easy;
    char *address = address_of(easy, spec);
    curl_easy_setopt(easy, CURLOPT_URL, address ? address : "");
    curl_easy_setopt(easy, CURLOPT_PRIVATE, asked);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)spec->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "bascule");
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, asked->fault);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, asked);
    free(address);
    if (curl_multi_add_handle(loop->multi, easy) != CURLM_OK)
        abort();
    if (!uv_is_active((uv_handle_t *)&loop->timer))
        uv_timer_start(&loop->timer, on_timer, 0, LOOK_MS);
}

static void begin_command(struct asked *asked, const struct bsc_question *question)
{
    struct bsc_health_spec health = { .kind = BSC_PROBE_COMMAND,
                                      .command = question->spec->command,
                                      .timeout_ms = question->spec->timeout_ms };
    struct bsc_probe probe = { .id = question->id,
                               .health = &health,
                               .environment = question->environment,
                               .directory = question->directory,
                               .user = question->user };
    struct bsc_prober *prober = &asked->loop->prober;
    prober->ops->probe(prober->self, &probe, asked->token);
}

static void ask(void *self, const struct bsc_question *question, bsc_token token)
{
    struct query_loop *loop = self;
    const struct bsc_query_spec *spec = question->spec;
    struct asked *asked = bsc_alloc(sizeof *asked);
    asked->loop = loop;
    asked->token = token;
    asked->spec = (struct bsc_query_spec){ .kind = spec->kind, .statuses = spec->statuses };
    if (spec->field) {
        snprintf(asked->field, sizeof asked->field, "%s", spec->field);
        asked->spec.field = asked->field;
    }
    if (spec->accept.text) {
        snprintf(asked->accept, sizeof asked->accept, "%s", spec->accept.text);
        asked->spec.accept.text = asked->accept;
    }
    bsc_list_add_tail(&loop->asked, &asked->link);
    if (spec->kind == BSC_QUERY_COMMAND)
        begin_command(asked, question);
    else
        begin_transfer(asked, spec);
}

static void cancel(void *self, bsc_token token)
{
    struct query_loop *loop = self;
    for (struct bsc_list *node = loop->asked.next; node != &loop->asked; node = node->next) {
        struct asked *asked = BSC_CONTAINER(node, struct asked, link);
        if (asked->token != token)
            continue;
        if (!asked->easy)
            loop->prober.ops->cancel(loop->prober.self, token);
        end(asked);
        return;
    }
}

enum bsc_status bsc_query_port_create(
    uv_loop_t *uv, void (*deliver)(void *argument, const struct bsc_event *event), void *argument,
    struct bsc_query_port *out, struct bsc_error *error)
{
    static const struct bsc_query_ops ops = { "loop", ask, cancel };
    struct query_loop *loop = bsc_alloc(sizeof *loop);
    enum bsc_status status = bsc_prober_create(uv, on_probed, loop, &loop->prober, error);
    if (status) {
        free(loop);
        return status;
    }
    loop->multi = curl_multi_init();
    if (!loop->multi)
        abort();
    loop->deliver = deliver;
    loop->argument = argument;
    bsc_list_init(&loop->asked);
    uv_timer_init(uv, &loop->timer);
    loop->timer.data = loop;
    *out = (struct bsc_query_port){ &ops, loop };
    return BSC_OK;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void bsc_query_port_destroy(struct bsc_query_port *port)
{
    struct query_loop *loop = port->self;
    *port = (struct bsc_query_port){ 0 };
    struct bsc_list *first;
    while ((first = bsc_list_pop(&loop->asked)))
        release(BSC_CONTAINER(first, struct asked, link));
    bsc_prober_destroy(&loop->prober);
    curl_multi_cleanup(loop->multi);
    uv_close((uv_handle_t *)&loop->timer, on_closed);
}
