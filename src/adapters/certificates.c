/* SPDX-License-Identifier: Apache-2.0
 * adapters/certificates.c - see certificates.h. */
#include "adapters/certificates.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 1 << 20, DATE_BYTES = 24 };

/* -- files ----------------------------------------------------------------------------------- */

static const char *add_file(struct bsc_certificates *certificates, const char *path)
{
    struct bsc_file_stamp *stamp = &certificates->stamps[certificates->stamp_count++];
    bsc_file_stamp_init(stamp, bsc_arena_copy(&certificates->arena, path));
    return stamp->path;
}

struct bsc_certificates *bsc_certificates_create(const struct bsc_config *config)
{
    struct bsc_certificates *certificates = bsc_alloc(sizeof *certificates);
    const struct bsc_tls_spec *tls = &config->tls;
    bsc_arena_init(&certificates->arena);
    size_t count = 2 * (size_t)tls->certificate_count + 1;
    certificates->stamps =
        bsc_arena_alloc(&certificates->arena, count * sizeof *certificates->stamps);
    struct bsc_certificate_files *files =
        bsc_arena_alloc(&certificates->arena, tls->certificate_count * sizeof *files);
    for (unsigned i = 0; i < tls->certificate_count; i++) {
        files[i].chain = add_file(certificates, tls->certificates[i].chain);
        files[i].key = add_file(certificates, tls->certificates[i].key);
    }
    certificates->tls = *tls;
    certificates->tls.certificates = files;
    if (tls->client_ca)
        certificates->tls.client_ca = add_file(certificates, tls->client_ca);
    return certificates;
}

void bsc_certificates_destroy(struct bsc_certificates *certificates)
{
    if (!certificates)
        return;
    bsc_arena_deinit(&certificates->arena);
    free(certificates);
}

bool bsc_certificates_changed(struct bsc_certificates *certificates)
{
    bool changed = false;
    for (unsigned i = 0; i < certificates->stamp_count; i++)
        changed = bsc_file_stamp_changed(&certificates->stamps[i]) || changed;
    return changed;
}

static enum bsc_status read_text(const char *path, struct bsc_text *out, struct bsc_error *error)
{
    char chunk[16384];
    ssize_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd == -1)
        return bsc_error_errno(error, "%s", path);
    while (out->size <= FILE_BYTES_MAX && (got = read(fd, chunk, sizeof chunk)) > 0)
        bsc_text_add(out, chunk, (size_t)got);
    enum bsc_status status = BSC_OK;
    if (got < 0)
        status = bsc_error_errno(error, "%s", path);
    else if (out->size > FILE_BYTES_MAX)
        status =
            bsc_error_set(error, BSC_INVALID, "%s is larger than %d bytes", path, FILE_BYTES_MAX);
    OPENSSL_cleanse(chunk, sizeof chunk);
    close(fd);
    return status;
}

/* -- what they hold -------------------------------------------------------------------------- */

static int no_password(char *buffer, int size, int writing, void *argument)
{
    (void)buffer, (void)size, (void)writing, (void)argument;
    return -1;
}

static X509 *first_certificate(const struct bsc_text *pem)
{
    BIO *bio = BIO_new_mem_buf(bsc_text_get(pem), (int)pem->size);
    X509 *first = PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL);
    BIO_free(bio);
    ERR_clear_error();
    return first;
}

static EVP_PKEY *private_key(const struct bsc_text *pem)
{
    BIO *bio = BIO_new_mem_buf(bsc_text_get(pem), (int)pem->size);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    BIO_free(bio);
    ERR_clear_error();
    return key;
}

static void add_name(struct bsc_text *out, const char *name, size_t size)
{
    if (out->size)
        bsc_text_puts(out, ", ");
    char shown[256];
    size = size < sizeof shown ? size : sizeof shown - 1;
    memcpy(shown, name, size);
    shown[size] = '\0';
    bsc_text_add_escaped(out, shown, size);
}

static void list_names(X509 *leaf, struct bsc_text *out)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    char common[256];
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS)
            add_name(out, (const char *)ASN1_STRING_get0_data(name->d.dNSName),
                     (size_t)ASN1_STRING_length(name->d.dNSName));
    }
    GENERAL_NAMES_free(names);
    int size = X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, common,
                                         sizeof common);
    if (!out->size && size > 0)
        add_name(out, common, (size_t)size);
}

static void write_date(const ASN1_TIME *time, char out[static DATE_BYTES])
{
    struct tm parts = { 0 };
    if (ASN1_TIME_to_tm(time, &parts) != 1 ||
        !strftime(out, DATE_BYTES, "%Y-%m-%d %H:%M UTC", &parts))
        memcpy(out, "?", 2);
}

/* "certificate PATH: NAMES, valid until DATE" */
static void describe(X509 *leaf, const char *path, struct bsc_text *notes, bool *warns)
{
    struct bsc_text names = { 0 };
    char date[DATE_BYTES];
    bool early = X509_cmp_current_time(X509_get0_notBefore(leaf)) > 0;
    bool late = X509_cmp_current_time(X509_get0_notAfter(leaf)) < 0;
    write_date(early ? X509_get0_notBefore(leaf) : X509_get0_notAfter(leaf), date);
    list_names(leaf, &names);
    bsc_text_printf(notes, "certificate %s for %s %s %s\n", path,
                    names.size ? bsc_text_get(&names) : "no name",
                    early  ? "is not valid before"
                    : late ? "expired on"
                           : "is valid until",
                    date);
    *warns = *warns || early || late;
    bsc_text_deinit(&names);
}

static enum bsc_status check_pair(const struct bsc_certificate_files *files,
                                  const struct bsc_text *chain, const struct bsc_text *key,
                                  struct bsc_text *notes, bool *warns, struct bsc_error *error)
{
    X509 *leaf = first_certificate(chain);
    EVP_PKEY *secret = private_key(key);
    enum bsc_status status = BSC_OK;
    if (!leaf)
        status =
            bsc_error_set(error, BSC_INVALID, "%s has no certificate in PEM form", files->chain);
    else if (!secret)
        status = bsc_error_set(error, BSC_INVALID,
                               "%s has no private key in PEM form without a password", files->key);
    else if (X509_check_private_key(leaf, secret) != 1)
        status =
            bsc_error_set(error, BSC_INVALID, "the key of %s is not that of the certificate of %s",
                          files->key, files->chain);
    else
        describe(leaf, files->chain, notes, warns);
    ERR_clear_error();
    X509_free(leaf);
    EVP_PKEY_free(secret);
    return status;
}

/* The members "chain" and "key". */
static enum bsc_status read_pair(const struct bsc_certificate_files *files, json_t **out,
                                 struct bsc_text *notes, bool *warns, struct bsc_error *error)
{
    struct bsc_text chain = { 0 }, key = { 0 };
    enum bsc_status status = read_text(files->chain, &chain, error);
    if (status == BSC_OK)
        status = read_text(files->key, &key, error);
    if (status == BSC_OK)
        status = check_pair(files, &chain, &key, notes, warns, error);
    if (status == BSC_OK &&
        !(*out = json_pack("{s:s,s:s}", "chain", bsc_text_get(&chain), "key", bsc_text_get(&key))))
        status = bsc_error_set(error, BSC_INVALID, "%s or %s is no text", files->chain, files->key);
    if (key.size)
        OPENSSL_cleanse(key.data, key.size);
    bsc_text_deinit(&chain);
    bsc_text_deinit(&key);
    return status;
}

static enum bsc_status read_authorities(const char *path, json_t **out, struct bsc_error *error)
{
    struct bsc_text pem = { 0 };
    enum bsc_status status = read_text(path, &pem, error);
    X509 *first = status == BSC_OK ? first_certificate(&pem) : NULL;
    if (status == BSC_OK && !first)
        status = bsc_error_set(error, BSC_INVALID, "%s has no certificate in PEM form", path);
    else if (status == BSC_OK && !(*out = json_string(bsc_text_get(&pem))))
        status = bsc_error_set(error, BSC_INVALID, "%s is no text", path);
    X509_free(first);
    bsc_text_deinit(&pem);
    return status;
}

enum bsc_status bsc_certificates_read(const struct bsc_certificates *certificates, json_t **out,
                                      struct bsc_text *notes, bool *warns, struct bsc_error *error)
{
    static const char *const verifies[] = { [BSC_CLIENT_VERIFY_NONE] = "none",
                                            [BSC_CLIENT_VERIFY_OPTIONAL] = "optional",
                                            [BSC_CLIENT_VERIFY_REQUIRE] = "require" };
    const struct bsc_tls_spec *tls = &certificates->tls;
    json_t *list = json_array(), *client_ca = NULL, *pair;
    *warns = false;
    for (unsigned i = 0; i < tls->certificate_count; i++) {
        if (read_pair(&tls->certificates[i], &pair, notes, warns, error) != BSC_OK) {
            json_decref(list);
            return bsc_error_wrap(error, "tls.certificates[%u]", i);
        }
        json_array_append_new(list, pair);
    }
    if (tls->client_ca && read_authorities(tls->client_ca, &client_ca, error) != BSC_OK) {
        json_decref(list);
        return bsc_error_wrap(error, "tls.client_ca");
    }
    *out = json_pack("{s:s, s:b, s:o, s:s, s:o?}", "minimum",
                     tls->minimum == BSC_TLS_1_3 ? "1.3" : "1.2", "http2", 1, "certificates", list,
                     "client_verify", verifies[tls->client_verify], "client_ca", client_ca);
    return BSC_OK;
}

/* -- of instances ---------------------------------------------------------------------------- */

const char *bsc_certificates_system(void)
{
    static const char *const places[] = {
        "/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine, Arch */
        "/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora */
        "/etc/ssl/ca-bundle.pem",             /* SUSE */
        "/etc/ssl/cert.pem",
    };
    const char *chosen = getenv("SSL_CERT_FILE");
    if (chosen && *chosen)
        return chosen;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (access(places[i], R_OK) == 0)
            return places[i];
    return NULL;
}

static enum bsc_status read_trusted(const struct bsc_upstream_tls_spec *tls, json_t **out,
                                    struct bsc_error *error)
{
    const char *path = tls->ca ? tls->ca : bsc_certificates_system();
    if (!tls->verify)
        return BSC_OK;
    if (!path)
        return bsc_error_set(error, BSC_INVALID,
                             "there is no file with this system's authorities (Debian: package "
                             "ca-certificates); name one in upstream_tls.ca");
    return read_authorities(path, out, error);
}

enum bsc_status bsc_certificates_upstream(const struct bsc_upstream_tls_spec *tls, json_t **out,
                                          struct bsc_text *notes, bool *warns,
                                          struct bsc_error *error)
{
    const struct bsc_certificate_files own = { .chain = tls->certificate, .key = tls->key };
    json_t *object = NULL, *ca = NULL;
    enum bsc_status status = read_trusted(tls, &ca, error);
    if (status == BSC_OK && own.chain && own.key)
        status = read_pair(&own, &object, notes, warns, error);
    if (status != BSC_OK) {
        json_decref(ca);
        return bsc_error_wrap(error, "upstream_tls");
    }
    if (!object)
        object = json_object();
    json_object_set_new(object, "verify", json_boolean(tls->verify));
    if (ca)
        json_object_set_new(object, "ca", ca);
    *out = object;
    return BSC_OK;
}
