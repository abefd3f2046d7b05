/* SPDX-License-Identifier: Apache-2.0
 * proxy/upstream_tls.c - TLS to instances: handshakes, what was found wrong with them, and sessions
 * that are resumed.
 *
 * Of each instance one session is kept, that of a whole handshake: so a certificate is looked at
 * again after SESSION_S at the latest, and a session never outlives the authorities that it was
 * agreed on with. */
#include <openssl/err.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"

enum { SESSION_S = 3600, TOLD_MS = 10000 };

bool bsc_upstream_secure(struct bsc_worker *worker, struct bsc_upstream *upstream)
{
    struct bsc_local_instance *instance = upstream->instance;
    const struct bsc_instance *shared = instance->shared;
    const struct bsc_tls_upstream *how = bsc_tls_upstream_find(worker->tls, shared->tls);
    if (!how)
        return false;
    SSL_SESSION *session = instance->session;
    if (session && time(NULL) - (time_t)SSL_SESSION_get_time(session) > SESSION_S) {
        SSL_SESSION_free(session);
        session = instance->session = NULL;
    }
    struct bsc_tls_peer peer = { .context = how->context,
                                 .name = shared->server_name,
                                 .session = session,
                                 .http1 = !shared->h2 && !shared->tcp,
                                 .http2 = shared->h2 };
    if (!bsc_tls_connect(worker, &upstream->connection, worker->tls, &peer))
        return false;
    upstream->secure = upstream->shaking = true;
    upstream->era = instance->era;
    return true;
}

static const struct bsc_tls_session *session_of(const struct bsc_upstream *upstream)
{
    return upstream->connection.layer;
}

/* Once in a while: whoever asks is told in each answer. */
static void tell(const struct bsc_worker *worker, struct bsc_local_instance *instance,
                 const char *reason)
{
    if (worker->now_ms < instance->told_ms)
        return;
    instance->told_ms = worker->now_ms + TOLD_MS;
    bsc_log_warning("instance %s: no TLS with it: %s", instance->shared->id, reason);
}

static void fail(const struct bsc_worker *worker, struct bsc_upstream *upstream,
                 struct bsc_local_instance *instance)
{
    const struct bsc_tls_session *session = session_of(upstream);
    const char *reason = ERR_reason_error_string(session->fault);
    long verified = SSL_get_verify_result(session->ssl);
    upstream->connection.unsecured = true;
    if (ERR_GET_REASON(session->fault) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        upstream->connection.untrusted = true;
        reason = X509_verify_cert_error_string(verified);
    }
    tell(worker, instance, reason ? reason : "it ended the handshake");
}

enum bsc_tls_progress bsc_upstream_shake(struct bsc_worker *worker, struct bsc_upstream *upstream,
                                         struct bsc_local_instance *instance)
{
    struct bsc_connection *connection = &upstream->connection;
    enum bsc_tls_progress progress = bsc_tls_handshake(worker, connection);
    if (progress == BSC_TLS_FAILED)
        fail(worker, upstream, instance);
    if (progress != BSC_TLS_DONE)
        return progress;
    if (instance->shared->h2 && !bsc_tls_chose_http2(connection)) {
        connection->unsecured = true;
        tell(worker, instance, "it does not agree to HTTP/2 (ALPN h2)");
        return BSC_TLS_FAILED;
    }
    upstream->shaking = false;
    bsc_upstream_remember(upstream, instance); /* of TLS 1.3, the ticket comes later */
    return BSC_TLS_DONE;
}

void bsc_upstream_remember(struct bsc_upstream *upstream, struct bsc_local_instance *instance)
{
    const struct bsc_tls_session *session = session_of(upstream);
    if (!session || !session->established || upstream->era != instance->era ||
        SSL_session_reused(session->ssl))
        return;
    SSL_SESSION *newest = SSL_get0_session(session->ssl);
    if (newest == instance->session || !newest || !SSL_SESSION_is_resumable(newest) ||
        SSL_SESSION_up_ref(newest) != 1)
        return;
    SSL_SESSION_free(instance->session);
    instance->session = newest;
}

/* Alerts of a handshake only (RFC 8446 section 6.2). In TLS 1.3 a client is through with it before
 * the server has looked at its certificate; no request is read before that. */
static bool ends_handshake(unsigned long fault)
{
    switch (ERR_GET_REASON(fault)) {
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
    case SSL_R_TLSV1_ALERT_DECRYPT_ERROR:
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
        return ERR_GET_LIB(fault) == ERR_LIB_SSL;
    default:
        return false;
    }
}

void bsc_upstream_judge(struct bsc_worker *worker, struct bsc_upstream *upstream,
                        struct bsc_local_instance *instance)
{
    struct bsc_tls_session *session = upstream->connection.layer;
    if (!session->fault && !session->heard) { /* its last word may not be read yet */
        session->drained = false;
        upstream->connection.readable = true;
        (void)bsc_upstream_silent(worker, upstream);
    }
    if (session->heard || !ends_handshake(session->fault))
        return;
    upstream->connection.unsecured = upstream->connection.untouched = true;
    tell(worker, instance, ERR_reason_error_string(session->fault));
}

static bool same_upstream(const struct bsc_tls_side *a, const struct bsc_tls_side *b,
                          const char *name)
{
    const struct bsc_tls_upstream *one = bsc_tls_upstream_find(a, name);
    const struct bsc_tls_upstream *other = bsc_tls_upstream_find(b, name);
    return one && other && !memcmp(one->digest, other->digest, sizeof one->digest);
}

void bsc_upstream_renew_tls(struct bsc_worker *worker, const struct bsc_tls_side *next)
{
    for (size_t i = 0; i < worker->service_count; i++) {
        struct bsc_local_service *service = worker->services[i];
        for (unsigned at = 0; service && at < service->instance_count; at++) {
            struct bsc_local_instance *instance = service->instances[at];
            const char *name = instance->shared->tls;
            if (!name || same_upstream(worker->tls, next, name))
                continue;
            instance->era++;
            bsc_upstream_close_idle(worker, instance);
            SSL_SESSION_free(instance->session);
            instance->session = NULL;
        }
    }
}
