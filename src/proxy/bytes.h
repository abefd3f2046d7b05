/* SPDX-License-Identifier: Apache-2.0
 * proxy/bytes.h - classes of bytes in HTTP and the few loops over them that must be fast.
 */
#ifndef BASCULE_PROXY_BYTES_H
#define BASCULE_PROXY_BYTES_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    BSC_BYTE_TOKEN = 1,  /* tchar, RFC 9110 section 5.6.2 */
    BSC_BYTE_TARGET = 2, /* visible ASCII but '#': browsers send more than RFC 3986 allows */
    BSC_BYTE_HOST = 4,   /* letters, digits, "-._~": what a registered name needs */
    BSC_BYTE_DIGIT = 8,
    BSC_BYTE_HEX = 16,
    BSC_BYTE_VALUE = 32, /* field value: HTAB, space, visible, obs-text */
};

extern const uint8_t bsc_byte_classes[256];

static inline bool bsc_byte_is(char byte, unsigned classes)
{
    return bsc_byte_classes[(uint8_t)byte] & classes;
}

static inline char bsc_byte_lower(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
}

/* The value of a byte of class BSC_BYTE_HEX. */
static inline unsigned bsc_byte_hex(char byte)
{
    return byte <= '9' ? (unsigned)(byte - '0') : (unsigned)((byte | 0x20) - 'a') + 10;
}

/* The end of the longest run of bytes in `classes` that begins at `at`. Four at a time. */
static inline const char *bsc_bytes_run(const char *at, const char *end, unsigned classes)
{
    while (end - at >= 4 && bsc_byte_classes[(uint8_t)at[0]] & bsc_byte_classes[(uint8_t)at[1]] &
                                bsc_byte_classes[(uint8_t)at[2]] &
                                bsc_byte_classes[(uint8_t)at[3]] & classes)
        at += 4;
    while (at < end && bsc_byte_is(*at, classes))
        at++;
    return at;
}

/* Equal without regard to the case of ASCII letters. */
static inline bool bsc_bytes_equal(const char *a, size_t a_size, const char *b, size_t b_size)
{
    if (a_size != b_size)
        return false;
    for (size_t i = 0; i < a_size; i++)
        if (bsc_byte_lower(a[i]) != bsc_byte_lower(b[i]))
            return false;
    return true;
}

/* Sixteen hexadecimal digits, all of a word at once: each nibble becomes a byte, and one above nine
 * moves on to the letters. */
static inline char *bsc_bytes_put_hex(char at[static 16], uint64_t value)
{
    for (unsigned shift = 32, i = 0; i < 2; i++, shift -= 32) {
        uint64_t half = value >> shift & 0xffffffff;
        half = (half | half << 16) & 0x0000ffff0000ffff;
        half = (half | half << 8) & 0x00ff00ff00ff00ff;
        half = (half | half << 4) & 0x0f0f0f0f0f0f0f0f;
        uint64_t letters = (half + 0x0606060606060606) >> 4 & 0x0101010101010101;
        half = htobe64(half + 0x3030303030303030 + letters * ('a' - '0' - 10));
        memcpy(at + 8 * i, &half, 8);
    }
    return at + 16;
}

/* The first byte at or after `at` that may not stand in a field value: a control character but
 * HTAB, or DEL; `end` when there is none. Looks at eight bytes at once. */
const char *bsc_bytes_value_end(const char *at, const char *end);

/* The next element of a comma list (RFC 9110 section 5.6.1) in [*at, end), white space around it
 * removed; advances *at. False when the list is at its end. Elements may be empty. */
bool bsc_bytes_list_next(const char **at, const char *end, const char **element, size_t *size);

#endif
