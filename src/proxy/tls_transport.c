/* SPDX-License-Identifier: Apache-2.0
 * proxy/tls_transport.c - see tls_transport.h.
 *
 * All connections of a side share one BIO, because only one of them moves at a time: `enter` says
 * which. */
#include "proxy/tls_transport.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "proxy/bytes.h"
#include "proxy/worker.h"

/* -- the socket below ------------------------------------------------------------------------ */

static int bio_read(BIO *bio, char *bytes, int size)
{
    struct bsc_tls_side *side = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (side->session->drained) {
        BIO_set_retry_read(bio);
        return -1;
    }
    ssize_t got;
    do
        got = recv(side->connection->handle.fd, bytes, (size_t)size, 0);
    while (got == -1 && errno == EINTR);
    side->session->drained = got < size && got != 0 && !side->connection->ending;
    side->session->cut = got == 0;
    if (got == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
        BIO_set_retry_read(bio);
    return (int)got;
}

/* Keeps what the socket did not take; false: no room for it. */
static bool keep(struct bsc_tls_side *side, const char *bytes, size_t size)
{
    struct bsc_tls_session *session = side->session;
    if (!session->out)
        session->out = bsc_buffer_lend(&side->worker->buffers, BSC_BUFFER_LARGE);
    struct bsc_buffer *out = session->out;
    if (size > out->capacity - out->end)
        return false;
    memcpy(out->bytes + out->end, bytes, size);
    out->end += (uint32_t)size;
    return true;
}

static int bio_write(BIO *bio, const char *bytes, int size)
{
    struct bsc_tls_side *side = BIO_get_data(bio);
    ssize_t sent = 0;
    BIO_clear_retry_flags(bio);
    if (!side->session->corked && !side->session->out) {
        do
            sent = send(side->connection->handle.fd, bytes, (size_t)size, MSG_NOSIGNAL);
        while (sent == -1 && errno == EINTR);
        if (sent == size)
            return size;
        if (sent == -1 && errno != EAGAIN && errno != EWOULDBLOCK)
            return -1;
        side->connection->writable = false;
        if (sent == -1)
            sent = 0;
    }
    if (keep(side, bytes + sent, (size_t)(size - sent)))
        return size;
    if (!sent) {
        BIO_set_retry_write(bio);
        return -1;
    }
    return (int)sent;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

BIO *bsc_tls_bio_create(struct bsc_tls_side *side)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "connection");
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_ctrl(method, bio_control);
    BIO *bio = BIO_new(method);
    BIO_set_data(bio, side);
    BIO_set_init(bio, 1);
    side->method = method;
    return bio;
}

/* Sends what waits; false: the connection is broken. */
static bool flush(struct bsc_worker *worker, struct bsc_connection *connection,
                  struct bsc_tls_session *session)
{
    struct bsc_buffer *out = session->out;
    while (out && out->begin < out->end) {
        ssize_t sent = send(connection->handle.fd, out->bytes + out->begin,
                            (size_t)(out->end - out->begin), MSG_NOSIGNAL);
        if (sent == -1 && errno == EINTR)
            continue;
        if (sent == -1) {
            connection->writable = false;
            return errno == EAGAIN || errno == EWOULDBLOCK;
        }
        out->begin += (uint32_t)sent;
    }
    bsc_buffer_return(&worker->buffers, &session->out);
    if (session->finishing)
        shutdown(connection->handle.fd, SHUT_WR);
    session->finishing = false;
    return true;
}

static struct bsc_tls_session *enter(struct bsc_worker *worker, struct bsc_connection *connection)
{
    struct bsc_tls_session *session = connection->layer;
    session->side->worker = worker;
    session->side->connection = connection;
    session->side->session = session;
    return session;
}

/* -- the transport --------------------------------------------------------------------------- */

/* What a call's result below 1 means: 0 is the end; else -1 with errno. */
static ssize_t judge(struct bsc_tls_session *session, int result)
{
    int reason = errno;
    switch (SSL_get_error(session->ssl, result)) {
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_SYSCALL:
        errno = reason ? reason : ECONNRESET;
        break;
    default:
        if (!session->fault)
            session->fault = ERR_peek_error();
        errno = EPROTO;
        break;
    }
    session->failed = true;
    reason = errno;
    ERR_clear_error();
    errno = reason;
    return -1;
}

static ssize_t receive(struct bsc_worker *worker, struct bsc_connection *connection, char *bytes,
                       size_t size)
{
    struct bsc_tls_session *session = enter(worker, connection);
    size_t got = 0, more;
    bool over = false;
    errno = 0;
    int result = SSL_read_ex(session->ssl, bytes, size, &got);
    if (result <= 0)
        return judge(session, result);
    session->heard = true;
    /* A record more costs no system call when it was read ahead. */
    while (got < size && !over && SSL_has_pending(session->ssl)) {
        result = SSL_read_ex(session->ssl, bytes + got, size - got, &more);
        if (result > 0)
            got += more;
        else
            over = SSL_get_error(session->ssl, result) != SSL_ERROR_WANT_READ;
    }
    if (over)
        ERR_clear_error();
    /* The next bytes are a new edge; an end that was announced, or read behind the last record, is
     * none, so it must be read, once more. */
    if (session->drained && !connection->ending && !over && !SSL_has_pending(session->ssl))
        connection->readable = false;
    return (ssize_t)got;
}

/* The next piece to encrypt, up to a record of it; the two are joined, in a buffer that is lent,
 * when they fit into one. */
static const char *next_piece(struct bsc_worker *worker, const struct iovec pieces[static 2],
                              size_t taken, size_t *size, struct bsc_buffer **joined)
{
    const size_t first = pieces[0].iov_len, all = first + pieces[1].iov_len;
    *size = all - taken < BSC_TLS_RECORD_BYTES ? all - taken : BSC_TLS_RECORD_BYTES;
    if (taken >= first)
        return (const char *)pieces[1].iov_base + (taken - first);
    const char *from = (const char *)pieces[0].iov_base + taken;
    const size_t left = first - taken;
    if (left >= *size)
        return from;
    *joined = bsc_buffer_lend(&worker->buffers, BSC_TLS_RECORD_BYTES);
    memcpy((*joined)->bytes, from, left);
    memcpy((*joined)->bytes + left, pieces[1].iov_base, *size - left);
    return (*joined)->bytes;
}

static bool has_room(const struct bsc_tls_session *session)
{
    enum { RECORD_MAX_BYTES = BSC_TLS_RECORD_BYTES + 512 };
    return !session->out || session->out->capacity - session->out->end >= RECORD_MAX_BYTES;
}

static ssize_t transport_send(struct bsc_worker *worker, struct bsc_connection *connection,
                              const char *first, size_t first_size, const char *second,
                              size_t second_size)
{
    struct bsc_tls_session *session = enter(worker, connection);
    const struct iovec pieces[2] = { { (void *)(uintptr_t)first, first_size },
                                     { (void *)(uintptr_t)second, second_size } };
    size_t taken = 0, all = first_size + second_size;
    if (session->failed) {
        errno = EPIPE;
        return -1;
    }
    if (session->out && !flush(worker, connection, session))
        return -1;
    if (session->out || !session->established) {
        errno = EAGAIN;
        return -1;
    }
    while (taken < all && !session->out) {
        do { /* so many records as fit go out together */
            size_t size, done = 0;
            struct bsc_buffer *joined = NULL;
            const char *piece = next_piece(worker, pieces, taken, &size, &joined);
            session->corked = session->out || size < all - taken;
            errno = 0;
            int result = SSL_write_ex(session->ssl, piece, size, &done);
            bsc_buffer_return(&worker->buffers, &joined);
            if (result <= 0 && judge(session, result) <= 0) {
                session->failed = true;
                return -1;
            }
            taken += done;
        } while (taken < all && has_room(session));
        session->corked = false;
        if (session->out && connection->writable && !flush(worker, connection, session))
            return -1;
    }
    return (ssize_t)taken;
}

static void finish(struct bsc_worker *worker, struct bsc_connection *connection)
{
    struct bsc_tls_session *session = enter(worker, connection);
    if (session->established && !session->failed &&
        !(SSL_get_shutdown(session->ssl) & SSL_SENT_SHUTDOWN))
        SSL_shutdown(session->ssl);
    ERR_clear_error();
    session->finishing = true;
    if (!session->out)
        flush(worker, connection, session);
}

static void forget(struct bsc_worker *worker, struct bsc_connection *connection)
{
    struct bsc_tls_session *session = connection->layer;
    bsc_buffer_return(&worker->buffers, &session->out);
    SSL_free(session->ssl);
    bsc_tls_side_release(session->side);
    free(session->subject);
    bsc_slab_give(&worker->tls_sessions, session);
    connection->layer = NULL;
    connection->transport = NULL;
}

static void transport_close(struct bsc_worker *worker, struct bsc_connection *connection,
                            bool reset)
{
    struct bsc_tls_session *session = enter(worker, connection);
    if (!reset && !session->out && session->established && !session->failed &&
        !(SSL_get_shutdown(session->ssl) & SSL_SENT_SHUTDOWN))
        SSL_shutdown(session->ssl);
    ERR_clear_error();
    forget(worker, connection);
    bsc_connection_close_socket(connection->handle.fd, reset);
}

static void on_edge(struct bsc_worker *worker, struct bsc_connection *connection, uint32_t events)
{
    struct bsc_tls_session *session = connection->layer;
    if (events & ~(uint32_t)EPOLLOUT)
        session->drained = false;
    if (events & EPOLLOUT && session->out && !flush(worker, connection, session))
        connection->broken = connection->readable = true;
}

static bool has_unsent(const struct bsc_connection *connection)
{
    const struct bsc_tls_session *session = connection->layer;
    return session->out != NULL;
}

const struct bsc_transport bsc_tls_transport = {
    .receive = receive,
    .send = transport_send,
    .finish = finish,
    .close = transport_close,
    .edge = on_edge,
    .unsent = has_unsent,
};

/* -- handshakes ------------------------------------------------------------------------------ */

static void begin(struct bsc_worker *worker, struct bsc_connection *connection,
                  struct bsc_tls_side *side, SSL *take_ssl)
{
    struct bsc_tls_session *session = bsc_slab_take(&worker->tls_sessions);
    session->ssl = take_ssl;
    session->side = bsc_tls_side_acquire(side);
    BIO_up_ref(side->bio);
    SSL_set_bio(take_ssl, side->bio, side->bio);
    connection->layer = session;
    connection->transport = &bsc_tls_transport;
}

bool bsc_tls_accept(struct bsc_worker *worker, struct bsc_connection *connection,
                    struct bsc_tls_side *side)
{
    SSL *ssl = SSL_new(side->server);
    if (!ssl)
        return false;
    SSL_set_accept_state(ssl);
    begin(worker, connection, side, ssl);
    return true;
}

/* An address is looked for among the certificate's addresses, and is no name for SNI (RFC 6066
 * section 3). */
static bool set_name(SSL *ssl, const char *name)
{
    if (!name)
        return true;
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1)
        return true;
    return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, (uintptr_t)name) == 1;
}

bool bsc_tls_connect(struct bsc_worker *worker, struct bsc_connection *connection,
                     struct bsc_tls_side *side, const struct bsc_tls_peer *peer)
{
    static const unsigned char h2[] = "\x02h2", http1[] = "\x08http/1.1";
    SSL *ssl = SSL_new(peer->context);
    bool good = ssl && set_name(ssl, peer->name);
    if (good && peer->http2)
        good = SSL_set_alpn_protos(ssl, h2, sizeof h2 - 1) == 0;
    else if (good && peer->http1)
        good = SSL_set_alpn_protos(ssl, http1, sizeof http1 - 1) == 0;
    if (good && peer->session)
        good = SSL_set_session(ssl, peer->session) == 1;
    ERR_clear_error();
    if (!good) {
        SSL_free(ssl);
        return false;
    }
    SSL_set_connect_state(ssl);
    begin(worker, connection, side, ssl);
    return true;
}

/* A method's first letter, where a handshake has its type (RFC 8446 section 5.1). */
static bool speaks_plainly(const struct bsc_connection *connection)
{
    char byte;
    return recv(connection->handle.fd, &byte, 1, MSG_PEEK) == 1 && byte >= 'A' && byte <= 'Z';
}

static char *verified_subject(const SSL *ssl)
{
    X509 *peer = SSL_get1_peer_certificate(ssl);
    char *subject = NULL, *bytes;
    if (!peer)
        return NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    if (SSL_get_verify_result(ssl) == X509_V_OK &&
        X509_NAME_print_ex(bio, X509_get_subject_name(peer), 0,
                           XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_UTF8_CONVERT) >= 0) {
        long size = BIO_get_mem_data(bio, &bytes);
        enum { SUBJECT_BYTES_MAX = 512 };
        if (size > 0 && size <= SUBJECT_BYTES_MAX) {
            subject = bsc_alloc((size_t)size + 1);
            memcpy(subject, bytes, (size_t)size);
        }
    }
    BIO_free(bio);
    X509_free(peer);
    return subject;
}

enum bsc_tls_progress bsc_tls_handshake(struct bsc_worker *worker,
                                        struct bsc_connection *connection)
{
    struct bsc_tls_session *session = enter(worker, connection);
    bool server = SSL_is_server(session->ssl);
    if (server && SSL_get_state(session->ssl) == TLS_ST_BEFORE) {
        if (!connection->readable)
            return BSC_TLS_WAIT;
        if (speaks_plainly(connection)) {
            forget(worker, connection);
            return BSC_TLS_PLAIN;
        }
    }
    if (session->out && !flush(worker, connection, session))
        return BSC_TLS_FAILED;
    errno = 0;
    int result = SSL_do_handshake(session->ssl);
    if (result == 1) {
        session->established = true;
        if (server && session->side->verify != BSC_TLS_VERIFY_NONE)
            session->subject = verified_subject(session->ssl);
        return BSC_TLS_DONE;
    }
    if (judge(session, result) == -1 && errno == EAGAIN) {
        connection->readable = false;
        return connection->broken || connection->ending ? BSC_TLS_FAILED : BSC_TLS_WAIT;
    }
    return BSC_TLS_FAILED;
}

static const struct bsc_tls_session *session_of(const struct bsc_connection *connection)
{
    return connection->transport == &bsc_tls_transport ? connection->layer : NULL;
}

void bsc_tls_agree_on_nothing(struct bsc_connection *connection)
{
    struct bsc_tls_session *session = connection->layer;
    session->opaque = true;
}

bool bsc_tls_begun(const struct bsc_connection *connection)
{
    const struct bsc_tls_session *session = session_of(connection);
    return session && SSL_get_state(session->ssl) != TLS_ST_BEFORE;
}

bool bsc_tls_cut(const struct bsc_connection *connection)
{
    const struct bsc_tls_session *session = session_of(connection);
    return session && session->cut;
}

const char *bsc_tls_subject(const struct bsc_connection *connection)
{
    const struct bsc_tls_session *session = session_of(connection);
    return session ? session->subject : NULL;
}

bool bsc_tls_chose_http2(const struct bsc_connection *connection)
{
    const struct bsc_tls_session *session = session_of(connection);
    const unsigned char *name = NULL;
    unsigned size = 0;
    if (session)
        SSL_get0_alpn_selected(session->ssl, &name, &size);
    return size == 2 && !memcmp(name, "h2", 2);
}

bool bsc_tls_host_fits(const struct bsc_connection *connection, const char *host, size_t size)
{
    const struct bsc_tls_session *session = session_of(connection);
    if (!session || session->side->verify != BSC_TLS_VERIFY_REQUIRE)
        return true;
    const char *asked = SSL_get_servername(session->ssl, TLSEXT_NAMETYPE_host_name);
    return !asked || bsc_bytes_equal(host, size, asked, strlen(asked));
}
