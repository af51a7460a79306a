/* What columns need of C itself: text copied and looked at in one pass, numbers of 128 bits. Whoever calls these has
   checked lengths and has made room. */
#ifndef PGPROTO_COLUMNS_H
#define PGPROTO_COLUMNS_H
#include <stdint.h>
#include <string.h>
#include "atomic_count.h"

/* Text: copies n bytes; whether one of them is above 127. The last word may overlap the one before it. */
static inline int apc_copy_text(char *to, const char *from, int64_t n) {
    uint64_t word, seen = 0;
    uint32_t first, last;
    int64_t i;
    if (n >= 8) {
        for (i = 0; i < n - 8; i += 8) {
            memcpy(&word, from + i, 8);
            memcpy(to + i, &word, 8);
            seen |= word;
        }
        memcpy(&word, from + n - 8, 8);
        memcpy(to + n - 8, &word, 8);
        return ((seen | word) & 0x8080808080808080ULL) != 0;
    }
    if (n >= 4) {
        memcpy(&first, from, 4);
        memcpy(&last, from + n - 4, 4);
        memcpy(to, &first, 4);
        memcpy(to + n - 4, &last, 4);
        return ((first | last) & 0x80808080u) != 0;
    }
    for (i = 0; i < n; i++) {
        to[i] = from[i];
        seen |= (unsigned char)from[i] & 0x80u;
    }
    return seen != 0;
}

/* Whether n bytes are UTF-8 as RFC 3629 has it: nothing overlong, no surrogates, nothing above U+10FFFF. */
static inline int apc_is_utf8(const char *text, int64_t n) {
    const unsigned char *at = (const unsigned char *)text, *end = at + n;
    while (at < end) {
        unsigned char lead = *at++, low = 0x80, high = 0xBF;
        int more;
        if (lead < 0x80) continue;
        if (lead < 0xC2 || lead > 0xF4) return 0;
        more = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
        if (lead == 0xE0) low = 0xA0;
        else if (lead == 0xED) high = 0x9F;
        else if (lead == 0xF0) low = 0x90;
        else if (lead == 0xF4) high = 0x8F;
        if (end - at < more || *at < low || *at > high) return 0;
        for (at++; --more; at++) if (*at < 0x80 || *at > 0xBF) return 0;
    }
    return 1;
}

static inline uint64_t apc_hash(uint64_t seed, const char *at, int64_t n) {
    uint64_t hash = seed ^ 0xCBF29CE484222325ULL;
    int64_t i;
    for (i = 0; i < n; i++) {
        hash = (hash ^ (unsigned char)at[i]) * 0x9E3779B97F4A7C15ULL;
        hash ^= hash >> 29;
    }
    return hash;
}

/* Numbers of 128 bits: two words, because not every compiler has a type for them. */
typedef struct { uint64_t low, high; } apc_wide;

/* Which word of a pair in memory is the low one. */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
enum { APC_LOW = 1, APC_HIGH = 0 };
#else
enum { APC_LOW = 0, APC_HIGH = 1 };
#endif

enum { APC_FITS = 0, APC_TOO_LONG = 1, APC_TOO_FINE = 2, APC_NO_DIGIT = 3 };

static const uint64_t apc_powers[20] = {
    1ULL, 10ULL, 100ULL, 1000ULL, 10000ULL, 100000ULL, 1000000ULL, 10000000ULL, 100000000ULL, 1000000000ULL,
    10000000000ULL, 100000000000ULL, 1000000000000ULL, 10000000000000ULL, 100000000000000ULL, 1000000000000000ULL,
    10000000000000000ULL, 100000000000000000ULL, 1000000000000000000ULL, 10000000000000000000ULL};

/* number * factor + addend; whether that is too much for 128 bits. */
static inline int apc_times(apc_wide *number, uint32_t factor, uint32_t addend) {
    uint64_t a = (number->low & 0xFFFFFFFFu) * factor + addend;
    uint64_t b = (number->low >> 32) * factor + (a >> 32);
    uint64_t c = (number->high & 0xFFFFFFFFu) * factor + (b >> 32);
    uint64_t d = (number->high >> 32) * factor + (c >> 32);
    number->low = b << 32 | (a & 0xFFFFFFFFu);
    number->high = d << 32 | (c & 0xFFFFFFFFu);
    return (d >> 32) != 0;
}

static inline apc_wide apc_power(int exponent) {
    apc_wide power = {1, 0};
    while (exponent-- > 0) apc_times(&power, 10, 0);
    return power;
}

static inline int apc_is_less(apc_wide a, apc_wide b) {
    return a.high < b.high || (a.high == b.high && a.low < b.low);
}

static inline apc_wide apc_negative(apc_wide number) {
    number.low = ~number.low + 1;
    number.high = ~number.high + (number.low == 0);
    return number;
}

/* The i-th number of 16 bits. */
static inline unsigned apc_digit(const char *digits, int i) {
    return (unsigned)(unsigned char)digits[2 * i] << 8 | (unsigned char)digits[2 * i + 1];
}

/* The number that n digits of base 10000 make, times 10 ** scale: digit i stands for digit * 10000 ** (weight - i). */
static inline int apc_scale_long(const char *digits, int n, int weight, int scale, apc_wide *number) {
    int i, exponent, left = 0;
    for (i = 0; i < n; i++) {
        unsigned digit = apc_digit(digits, i);
        exponent = 4 * (weight - i) + scale;
        if (digit > 9999) return APC_NO_DIGIT;
        if (exponent >= 0) {
            if (apc_times(number, 10000, digit)) return APC_TOO_LONG;
            left = exponent;
        } else if (exponent > -4) {
            unsigned unit = (unsigned)apc_powers[-exponent];
            if (digit % unit) return APC_TOO_FINE;
            if (apc_times(number, (uint32_t)apc_powers[4 + exponent], digit / unit)) return APC_TOO_LONG;
            left = 0;
        } else if (digit) return APC_TOO_FINE;
    }
    if (number->low == 0 && number->high == 0) return APC_FITS;
    for (; left > 0; left -= left < 9 ? left : 9)
        if (apc_times(number, (uint32_t)apc_powers[left < 9 ? left : 9], 0)) return APC_TOO_LONG;
    return APC_FITS;
}

/* The same, mostly in one word. */
static inline int apc_scale(const char *digits, int n, int weight, int scale, apc_wide *number) {
    int i, exponent = 4 * (weight - n + 1) + scale;
    uint64_t small = 0;
    number->low = number->high = 0;
    if (n > 4 || exponent < -3 || exponent + 4 * n > 18)
        return apc_scale_long(digits, n, weight, scale, number);
    for (i = 0; i < n; i++) {
        unsigned digit = apc_digit(digits, i);
        if (digit > 9999) return APC_NO_DIGIT;
        small = small * 10000 + digit;
    }
    if (exponent >= 0) small *= apc_powers[exponent];
    else {
        if (small % apc_powers[-exponent]) return APC_TOO_FINE;
        small /= apc_powers[-exponent];
    }
    number->low = small;
    return APC_FITS;
}

/* The nearest double, where it is one multiplication or division of two exact ones; 0 where it may not be. */
static inline int apc_as_double(const char *digits, int n, int weight, double *number) {
    int i, exponent = 4 * (weight - n + 1);
    uint64_t small = 0;
    if (n > 4 || exponent < -16 || exponent > 16) return 0;
    for (i = 0; i < n; i++) {
        unsigned digit = apc_digit(digits, i);
        if (digit > 9999) return 0;
        small = small * 10000 + digit;
    }
    if (small > 1ULL << 53) return 0;
    *number = exponent < 0 ? (double)small / (double)apc_powers[-exponent] : (double)small * (double)apc_powers[exponent];
    return 1;
}

#endif
