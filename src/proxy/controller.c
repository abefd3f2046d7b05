/* SPDX-License-Identifier: Apache-2.0
 * proxy/controller.c - see controller.h. */
#include "proxy/controller.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"

enum { PROTOCOL = 1, READ_BYTES = 64 * 1024, READS_AT_ONCE = 64 };

void bsc_controller_init(struct bsc_controller *controller)
{
    *controller = (struct bsc_controller){ .fd = -1 };
}

void bsc_controller_open(struct bsc_controller *controller, int take_fd, unsigned generation,
                         unsigned workers)
{
    bsc_controller_close(controller);
    controller->fd = take_fd;
    bsc_text_printf(&controller->out,
                    "{\"hello\":{\"protocol\":%d,\"generation\":%u,\"pid\":%ld,\"workers\":%u}}\n",
                    PROTOCOL, generation, (long)getpid(), workers);
}

void bsc_controller_close(struct bsc_controller *controller)
{
    if (controller->fd != -1)
        close(controller->fd);
    bsc_text_deinit(&controller->in);
    bsc_text_deinit(&controller->out);
    free(controller->seqs);
    bsc_controller_init(controller);
}

static void refuse(struct bsc_controller *controller, long long seq, const struct bsc_error *error)
{
    json_t *line = json_pack("{s:{s:I,s:s%}}", "error", "seq", (json_int_t)seq, "text", error->text,
                             strlen(error->text));
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    bsc_log_warning("controller's line %lld: %s", seq, error->text);
    bsc_text_printf(&controller->out, "%s\n",
                    text ? text : "{\"error\":{\"seq\":0,\"text\":\"not UTF-8\"}}");
    free(text);
    json_decref(line);
}

static void remember(struct bsc_controller *controller, long long seq)
{
    controller->seqs = bsc_grow(controller->seqs, &controller->seq_capacity,
                                controller->seq_count + 1, sizeof *controller->seqs);
    controller->seqs[controller->seq_count++] = seq;
}

static void take_line(struct bsc_controller *controller, struct bsc_lines *lines, const char *text,
                      size_t size, void (*on_line)(void *context, const struct bsc_line *line),
                      void *context)
{
    struct bsc_line line;
    struct bsc_error error;
    if (bsc_lines_take(lines, text, size, &line, &error)) {
        refuse(controller, line.seq, &error);
        return;
    }
    if (line.hello) {
        controller->epoch = line.epoch;
        controller->seq_count = 0;
        return;
    }
    remember(controller, line.seq);
    if (lines->collecting)
        return;
    if (!line.update) /* nothing changes; the acknowledgement comes in its turn */
        line.update = bsc_update_create();
    line.update->number = controller->epoch;
    line.update->seqs = controller->seqs;
    line.update->seq_count = (unsigned)controller->seq_count;
    controller->seqs = NULL;
    controller->seq_count = controller->seq_capacity = 0;
    on_line(context, &line);
}

static void take_lines(struct bsc_controller *controller, struct bsc_lines *lines,
                       void (*on_line)(void *context, const struct bsc_line *line), void *context)
{
    struct bsc_text *in = &controller->in;
    size_t taken = 0;
    for (;;) {
        size_t from = taken > controller->searched ? taken : controller->searched;
        const char *end = in->size > from ? memchr(in->data + from, '\n', in->size - from) : NULL;
        if (!end)
            break;
        size_t size = (size_t)(end - (in->data + taken));
        if (!controller->skipping)
            take_line(controller, lines, in->data + taken, size, on_line, context);
        controller->skipping = false;
        taken += size + 1;
    }
    bsc_text_drop_front(in, taken);
    controller->searched = in->size;
    if (in->size <= BSC_LINE_MAX_BYTES && !controller->skipping)
        return;
    struct bsc_error error;
    if (!controller->skipping) {
        bsc_error_set(&error, BSC_INVALID, "a line of more than %d bytes", BSC_LINE_MAX_BYTES);
        refuse(controller, 0, &error);
    }
    controller->skipping = true;
    bsc_text_clear(in);
    controller->searched = 0;
}

bool bsc_controller_read(struct bsc_controller *controller, struct bsc_lines *lines,
                         void (*on_line)(void *context, const struct bsc_line *line), void *context)
{
    static const struct bsc_text nothing;
    for (unsigned i = 0; i < READS_AT_ONCE; i++) {
        char bytes[READ_BYTES];
        ssize_t got = recv(controller->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got == -1 && errno == EINTR)
            continue;
        if (got == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (got <= 0)
            return false;
        bsc_text_add(&controller->in, bytes, (size_t)got);
        take_lines(controller, lines, on_line, context);
        if (controller->in.size == 0 && controller->in.capacity > READ_BYTES) {
            bsc_text_deinit(&controller->in); /* a large line is rare; its memory is not kept */
            controller->in = nothing;
        }
    }
    return true;
}

bool bsc_controller_write(struct bsc_controller *controller)
{
    size_t done = 0;
    while (done < controller->out.size) {
        ssize_t sent = send(controller->fd, controller->out.data + done,
                            controller->out.size - done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent == -1 && errno == EINTR)
            continue;
        if (sent == -1 && errno != EAGAIN && errno != EWOULDBLOCK)
            return false;
        if (sent == -1)
            break;
        done += (size_t)sent;
    }
    bsc_text_drop_front(&controller->out, done);
    return controller->out.size <= BSC_LINE_MAX_BYTES;
}

void bsc_controller_acknowledge(struct bsc_controller *controller, const struct bsc_update *update)
{
    if (controller->fd == -1 || update->number != controller->epoch)
        return;
    for (unsigned i = 0; i < update->seq_count; i++)
        bsc_text_printf(&controller->out, "{\"ack\":%lld,\"epoch\":%lld}\n", update->seqs[i],
                        update->number);
}

static void write_line(struct bsc_controller *controller, json_t *take_line)
{
    char *text = json_dumps(take_line, JSON_COMPACT);
    if (text)
        bsc_text_printf(&controller->out, "%s\n", text);
    free(text);
    json_decref(take_line);
}

void bsc_controller_eject(struct bsc_controller *controller, const char *service,
                          const struct bsc_instance *instance, bool ejected, int64_t now_ms)
{
    const struct bsc_outlier *outlier = &instance->outlier;
    if (controller->fd == -1)
        return;
    json_t *line = ejected ? json_pack("{s:{s:s,s:s,s:s,s:I}}", "ejected", "service", service,
                                       "instance", instance->id, "reason", outlier->reason,
                                       "for_ms", (json_int_t)(outlier->until_ms - now_ms))
                           : json_pack("{s:{s:s,s:s}}", "returned", "service", service, "instance",
                                       instance->id);
    write_line(controller, line);
}

void bsc_controller_trip(struct bsc_controller *controller, const char *service,
                         const struct bsc_split *split)
{
    if (controller->fd == -1)
        return;
    json_t *line = json_pack("{s:{s:s,s:I,s:s},s:I}", "tripped", "service", service, "generation",
                             (json_int_t)split->generation, "slot",
                             bsc_slot_name(bsc_slot_other(split->stable)), "epoch",
                             (json_int_t)controller->epoch);
    write_line(controller, line);
}

void bsc_controller_tell(struct bsc_controller *controller, json_t *take_line)
{
    if (controller->fd == -1)
        json_decref(take_line);
    else
        write_line(controller, take_line);
}

void bsc_controller_bye(struct bsc_controller *controller)
{
    if (controller->fd == -1)
        return;
    bsc_text_puts(&controller->out, "{\"bye\":true}\n");
    (void)!bsc_controller_write(controller);
}
