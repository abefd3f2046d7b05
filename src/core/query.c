/* SPDX-License-Identifier: Apache-2.0
 * core/query.c - see query.h. */
#include "core/query.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, " ");
}

/* A finite number at `text`; *end is behind it and behind blanks. */
static bool read_number(const char *text, double *out, const char **end)
{
    char *behind;
    if (!strspn(text, "0123456789.-+"))
        return false; /* "inf", "nan" and hexadecimal numbers are none */
    *out = strtod(text, &behind);
    *end = skip_blanks(behind);
    return behind != text && isfinite(*out);
}

static bool parse_comparison(const char *text, struct bsc_accept *out)
{
    static const struct {
        const char *sign;
        bool low, high, open;
    } signs[] = { { "<=", false, true, false },
                  { ">=", true, false, false },
                  { "==", true, true, false },
                  { "<", false, true, true },
                  { ">", true, false, true } };
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        size_t size = strlen(signs[i].sign);
        double number;
        const char *end;
        if (strncmp(text, signs[i].sign, size) != 0)
            continue;
        if (!read_number(skip_blanks(text + size), &number, &end) || *end)
            return false;
        out->low = signs[i].low ? number : -INFINITY;
        out->high = signs[i].high ? number : INFINITY;
        out->open = signs[i].open;
        return true;
    }
    return false;
}

/* strtod reads "0." of "0..1", which leaves ".1": so a range wants blanks around its dots. */
static bool parse_range(const char *text, struct bsc_accept *out)
{
    const char *end;
    if (!read_number(text, &out->low, &end) || strncmp(end, ".. ", 3) != 0 ||
        !read_number(skip_blanks(end + 2), &out->high, &end) || *end)
        return false;
    out->open = false;
    return out->low <= out->high;
}

bool bsc_accept_parse(const char *text, struct bsc_accept *out)
{
    struct bsc_accept read = { .text = text };
    text = skip_blanks(text);
    if (!parse_comparison(text, &read) && !parse_range(text, &read))
        return false;
    *out = read;
    return true;
}

bool bsc_accepts(const struct bsc_accept *accept, double number)
{
    if (accept->open)
        return number > accept->low && number < accept->high;
    return number >= accept->low && number <= accept->high;
}

void bsc_query_take(struct bsc_query_tally *tally, const struct bsc_query_spec *spec,
                    const struct bsc_answer_read *answer)
{
    bool readable = answer->kind == BSC_ANSWER_VERDICT ||
                    (answer->kind == BSC_ANSWER_NUMBER && isfinite(answer->number));
    bool passed = answer->kind == BSC_ANSWER_VERDICT ? answer->passed
                                                     : bsc_accepts(&spec->accept, answer->number);
    tally->known = readable && answer->kind == BSC_ANSWER_NUMBER;
    tally->number = tally->known ? answer->number : 0;
    if (tally->known)
        snprintf(tally->last, sizeof tally->last, "%.6g is %s%s", answer->number,
                 passed ? "" : "not ", spec->accept.text);
    else if (answer->kind == BSC_ANSWER_NUMBER)
        snprintf(tally->last, sizeof tally->last, "no data: the answer is not a finite number");
    else
        snprintf(tally->last, sizeof tally->last, "%s", answer->text);
    if (readable && passed)
        tally->passed++;
    else if (readable || spec->on_error == BSC_QUERY_ABORTS)
        tally->failed++;
    else
        tally->silent++;
}

enum bsc_query_state bsc_query_finding(const struct bsc_query_tally *tally,
                                       const struct bsc_query_spec *spec)
{
    if (tally->failed >= spec->failure_limit)
        return BSC_QUERY_FAILED;
    if (tally->passed >= spec->count)
        return BSC_QUERY_PASSED;
    return BSC_QUERY_OPEN;
}

enum bsc_query_state bsc_query_state(const struct bsc_query_tally *tally,
                                     const struct bsc_query_spec *spec)
{
    enum bsc_query_state found = bsc_query_finding(tally, spec);
    bool heard = tally->passed || tally->failed;
    if (spec->dry_run)
        return BSC_QUERY_PASSED;
    if (found == BSC_QUERY_OPEN && spec->on_error == BSC_QUERY_IGNORES && tally->silent && !heard)
        return BSC_QUERY_PASSED;
    return found;
}

enum bsc_query_state bsc_query_heard(const struct bsc_query_tally *tally,
                                     const struct bsc_query_spec *spec)
{
    enum bsc_query_state state = bsc_query_state(tally, spec);
    bool enough = tally->passed + tally->failed + tally->silent >= spec->count;
    return state == BSC_QUERY_PASSED && !enough ? BSC_QUERY_OPEN : state;
}

void bsc_query_standing(const struct bsc_query_tally *tally, const struct bsc_query_spec *spec,
                        char *out, size_t size)
{
    const char *last = tally->last[0] ? tally->last : "not answered yet";
    if (tally->failed)
        snprintf(out, size, "%s, %u of %u failures", last, tally->failed, spec->failure_limit);
    else
        snprintf(out, size, "%s, %u of %u passed", last,
                 tally->passed < spec->count ? tally->passed : spec->count, spec->count);
}

void bsc_query_text(const struct bsc_query_tally *tally, const struct bsc_query_spec *spec,
                    char *out, size_t size)
{
    char standing[BSC_QUERY_TEXT_BYTES + 40];
    bsc_query_standing(tally, spec, standing, sizeof standing);
    snprintf(out, size, "%s%s: %s", spec->name, spec->dry_run ? " (dry run)" : "", standing);
}

const char *bsc_query_state_name(enum bsc_query_state state)
{
    static const char *const names[] = { "open", "passed", "failed" };
    return names[state];
}
