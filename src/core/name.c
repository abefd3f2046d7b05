/* SPDX-License-Identifier: Apache-2.0
 * core/name.c - which service names and versions are accepted (see spec.h).
 *
 * Both end up in paths, host names, process titles, log lines and terminals, so they are checked
 * where they enter and trusted from there on.
 */
#include <string.h>

#include "core/spec.h"

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_lower(c) || (c >= 'A' && c <= 'Z') || is_digit(c);
}

enum { SHOWN_BYTES = 80 };

/* What was given, fit to be shown: bytes outside visible ASCII become '?', the rest is cut. */
static const char *show(const char *text, char out[static SHOWN_BYTES])
{
    size_t size = 0;
    for (; text[size] && size < SHOWN_BYTES - 4; size++)
        out[size] = text[size] >= ' ' && text[size] <= '~' ? text[size] : '?';
    memcpy(out + size, text[size] ? "..." : "", text[size] ? 4 : 1);
    return out;
}

static enum bsc_status check_label(const char *name, const char *what, struct bsc_error *error)
{
    char shown[SHOWN_BYTES];
    size_t size = strlen(name);
    bool good = size > 0 && size <= BSC_NAME_MAX && is_lower(name[0]) && name[size - 1] != '-';
    for (size_t i = 0; good && i < size; i++)
        good = is_lower(name[i]) || is_digit(name[i]) || name[i] == '-';
    if (good)
        return BSC_OK;
    return bsc_error_set(error, BSC_INVALID,
                         "'%s' is not a %s name: a letter a-z, then up to %d of a-z, 0-9 "
                         "and '-', not ending with '-'",
                         show(name, shown), what, BSC_NAME_MAX - 1);
}

enum bsc_status bsc_service_name_check(const char *name, struct bsc_error *error)
{
    return check_label(name, "service", error);
}

enum bsc_status bsc_group_name_check(const char *name, struct bsc_error *error)
{
    return check_label(name, "release", error);
}

enum bsc_status bsc_version_check(const char *version, struct bsc_error *error)
{
    char shown[SHOWN_BYTES];
    size_t size = strlen(version);
    bool good = size > 0 && size <= BSC_VERSION_MAX && is_alnum(version[0]);
    for (size_t i = 0; good && i < size; i++)
        good = is_alnum(version[i]) || strchr("._-+:@", version[i]);
    if (good)
        return BSC_OK;
    return bsc_error_set(error, BSC_INVALID,
                         "'%s' is not a version: a letter or digit, then up to %d letters, digits "
                         "and . _ - + : @",
                         show(version, shown), BSC_VERSION_MAX - 1);
}
