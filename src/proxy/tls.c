/* SPDX-License-Identifier: Apache-2.0
 * proxy/tls.c - see tls.h. */
#include "proxy/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "proxy/tls_transport.h"

void bsc_tls_init(void)
{
    /* Not the machine's openssl.cnf: what is offered is decided here. Workers may shake hands while
     * the process exits, so OpenSSL must not be taken apart then. */
    OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
    unsigned char byte;
    RAND_bytes(&byte, 1);
}

enum { CERTIFICATES_MAX = 10000, UPSTREAMS_MAX = 1000 };

/* -- certificates ---------------------------------------------------------------------------- */

void bsc_tls_certificate_deinit(struct bsc_tls_certificate *certificate)
{
    X509_free(certificate->leaf);
    sk_X509_pop_free(certificate->chain, X509_free);
    EVP_PKEY_free(certificate->key);
}

static int no_password(char *buffer, int size, int writing, void *argument)
{
    (void)buffer, (void)size, (void)writing, (void)argument;
    return -1;
}

static enum bsc_status read_chain(const char *pem, struct bsc_tls_certificate *out,
                                  struct bsc_error *error)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *next;
    out->leaf = PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL);
    out->chain = sk_X509_new_null();
    while (out->leaf && (next = PEM_read_bio_X509(bio, NULL, no_password, NULL)))
        sk_X509_push(out->chain, next);
    BIO_free(bio);
    ERR_clear_error(); /* that there is no further one is an error there */
    return out->leaf ? BSC_OK
                     : bsc_error_set(error, BSC_INVALID, "'chain' has no certificate in PEM form");
}

enum bsc_status bsc_tls_certificate_read(const json_t *object, struct bsc_tls_certificate *out,
                                         struct bsc_error *error)
{
    const char *chain = json_string_value(json_object_get(object, "chain"));
    const char *key = json_string_value(json_object_get(object, "key"));
    if (!chain || !key)
        return bsc_error_set(error, BSC_INVALID, "'chain' or 'key' is missing");
    if (read_chain(chain, out, error))
        return error->status;
    BIO *bio = BIO_new_mem_buf(key, -1);
    out->key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    BIO_free(bio);
    bool fits = out->key && X509_check_private_key(out->leaf, out->key) == 1;
    ERR_clear_error();
    return fits ? BSC_OK
                : bsc_error_set(error, BSC_INVALID,
                                "'key' is no key in PEM form, or not that of "
                                "the certificate");
}

/* The host names of a certificate; its common name counts when there is none (RFC 9525 would not
 * have it, but clients that check find out themselves). */
static void add_names(struct bsc_tls_side *side, unsigned index)
{
    X509 *leaf = side->certificates[index].leaf;
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    bool found = false;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS)
            continue;
        found = true;
        bsc_tls_names_add(&side->names, (const char *)ASN1_STRING_get0_data(name->d.dNSName),
                          (size_t)ASN1_STRING_length(name->d.dNSName), index);
    }
    GENERAL_NAMES_free(names);
    char common[256];
    int size = X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, common,
                                         sizeof common);
    if (!found && size > 0)
        bsc_tls_names_add(&side->names, common, (size_t)size, index);
}

static enum bsc_status read_certificates(const json_t *list, struct bsc_tls_side *side,
                                         struct bsc_error *error)
{
    size_t count = json_array_size(list);
    if ((list && !json_is_array(list)) || count > CERTIFICATES_MAX)
        return bsc_error_set(error, BSC_INVALID, "'certificates' is no list, or too long");
    side->certificates = bsc_alloc(count * sizeof *side->certificates);
    for (size_t i = 0; i < count; i++) {
        struct bsc_tls_certificate *certificate = &side->certificates[side->certificate_count++];
        if (bsc_tls_certificate_read(json_array_get(list, i), certificate, error))
            return bsc_error_wrap(error, "certificate %zu", i);
        add_names(side, (unsigned)i);
    }
    bsc_tls_names_sort(&side->names);
    return BSC_OK;
}

/* -- sides ----------------------------------------------------------------------------------- */

static int nibble(char digit)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = digit ? strchr(digits, digit) : NULL;
    return at ? (int)(at - digits) : -1;
}

static enum bsc_status read_ticket_keys(const json_t *list, struct bsc_tls_side *side,
                                        struct bsc_error *error)
{
    size_t count = json_array_size(list);
    if (count > BSC_TLS_TICKET_KEYS_MAX)
        count = BSC_TLS_TICKET_KEYS_MAX;
    for (size_t i = 0; i < count; i++) {
        const char *hex = json_string_value(json_array_get(list, i));
        if (!hex || strlen(hex) != 2 * BSC_TLS_TICKET_KEY_BYTES)
            return bsc_error_set(error, BSC_INVALID, "'ticket_keys' has an entry of another form");
        for (size_t at = 0; at < BSC_TLS_TICKET_KEY_BYTES; at++) {
            int high = nibble(hex[2 * at]), low = nibble(hex[2 * at + 1]);
            if (high < 0 || low < 0)
                return bsc_error_set(error, BSC_INVALID, "'ticket_keys' has no hexadecimal digits");
            side->ticket_keys[i][at] = (unsigned char)(high << 4 | low);
        }
        side->ticket_key_count++;
    }
    return BSC_OK;
}

/* Keys are among it, so it is as secret as they are, and stays in memory. */
static void digest_of(const json_t *object, unsigned char out[static 32])
{
    char *text = json_dumps(object, JSON_SORT_KEYS | JSON_COMPACT);
    size_t size = text ? strlen(text) : 0;
    if (!text || EVP_Digest(text, size, out, NULL, EVP_sha256(), NULL) != 1)
        RAND_bytes(out, 32); /* then it is like no other */
    OPENSSL_cleanse(text, size);
    free(text);
}

static enum bsc_status read_upstreams(const json_t *list, struct bsc_tls_side *side,
                                      struct bsc_error *error)
{
    size_t count = json_array_size(list);
    if (count > UPSTREAMS_MAX)
        return bsc_error_set(error, BSC_INVALID, "'upstreams' is too long");
    side->upstreams = bsc_alloc(count * sizeof *side->upstreams);
    for (size_t i = 0; i < count; i++) {
        const json_t *object = json_array_get(list, i);
        struct bsc_tls_upstream *upstream = &side->upstreams[side->upstream_count];
        const char *name = json_string_value(json_object_get(object, "name"));
        if (!name)
            return bsc_error_set(error, BSC_INVALID, "upstream %zu has no name", i);
        if (bsc_tls_client_context(object, &upstream->context, error))
            return bsc_error_wrap(error, "upstream %s", name);
        upstream->name = bsc_copy(name);
        digest_of(object, upstream->digest);
        side->upstream_count++;
    }
    return BSC_OK;
}

const struct bsc_tls_upstream *bsc_tls_upstream_find(const struct bsc_tls_side *side,
                                                     const char *name)
{
    for (unsigned i = 0; side && i < side->upstream_count; i++)
        if (!strcmp(side->upstreams[i].name, name))
            return &side->upstreams[i];
    return NULL;
}

static void side_destroy(struct bsc_tls_side *side)
{
    SSL_CTX_free(side->server);
    for (unsigned i = 0; i < side->certificate_count; i++)
        bsc_tls_certificate_deinit(&side->certificates[i]);
    for (unsigned i = 0; i < side->upstream_count; i++) {
        SSL_CTX_free(side->upstreams[i].context);
        free(side->upstreams[i].name);
    }
    free(side->certificates);
    free(side->upstreams);
    bsc_tls_names_deinit(&side->names);
    BIO_free(side->bio);
    BIO_meth_free(side->method);
    OPENSSL_cleanse(side->ticket_keys, sizeof side->ticket_keys);
    free(side);
}

static enum bsc_status side_create(const json_t *object, struct bsc_tls_side **out,
                                   struct bsc_error *error)
{
    struct bsc_tls_side *side = bsc_alloc(sizeof *side);
    side->references = 1;
    side->bio = bsc_tls_bio_create(side);
    if (read_certificates(json_object_get(object, "certificates"), side, error) ||
        read_ticket_keys(json_object_get(object, "ticket_keys"), side, error) ||
        read_upstreams(json_object_get(object, "upstreams"), side, error) ||
        (side->certificate_count && bsc_tls_server_context(side, object, error))) {
        side_destroy(side);
        return error->status;
    }
    *out = side;
    return BSC_OK;
}

struct bsc_tls_side *bsc_tls_side_acquire(struct bsc_tls_side *side)
{
    atomic_fetch_add_explicit(&side->references, 1, memory_order_relaxed);
    return side;
}

void bsc_tls_side_release(struct bsc_tls_side *side)
{
    if (side && atomic_fetch_sub_explicit(&side->references, 1, memory_order_acq_rel) == 1)
        side_destroy(side);
}

/* -- the whole ------------------------------------------------------------------------------- */

enum bsc_status bsc_tls_create(const json_t *object, unsigned workers, struct bsc_tls **out,
                               struct bsc_error *error)
{
    struct bsc_tls *tls = bsc_alloc(sizeof *tls + workers * sizeof tls->sides[0]);
    tls->references = 1;
    for (unsigned i = 0; i < workers; i++) {
        if (side_create(object, &tls->sides[i], error)) {
            bsc_tls_release(tls);
            return bsc_error_wrap(error, "tls");
        }
        tls->side_count++;
    }
    *out = tls;
    return BSC_OK;
}

struct bsc_tls *bsc_tls_acquire(struct bsc_tls *tls)
{
    if (tls)
        atomic_fetch_add_explicit(&tls->references, 1, memory_order_relaxed);
    return tls;
}

void bsc_tls_release(struct bsc_tls *tls)
{
    if (!tls || atomic_fetch_sub_explicit(&tls->references, 1, memory_order_acq_rel) != 1)
        return;
    for (unsigned i = 0; i < tls->side_count; i++)
        bsc_tls_side_release(tls->sides[i]);
    free(tls);
}
