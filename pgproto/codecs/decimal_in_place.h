/* decimal.Decimal built where it lies, without a text in between: a third of the cost, and numeric is the dearest of the
 * common types.
 *
 * _decimal has no C API for this, so its object is declared here as it has been since Python 3.3: a hash, libmpdec's
 * public mpd_t, and room for four of its words. What could differ is looked at before the first use: the version of
 * Python, the size of the object, and values made both ways (decimal_is_known). Where any of it differs numeric.pyx
 * goes through a text, as it always does for numbers of more than 36 digits.
 *
 * Decimal has been an object of the garbage collector since 3.13. Its values refer to nothing, so they stay out of its
 * sight; its dealloc untracks without a look.
 */
#ifndef PGPROTO_DECIMAL_IN_PLACE_H
#define PGPROTO_DECIMAL_IN_PLACE_H

#include <Python.h>
#include <stdint.h>

#if PY_VERSION_HEX >= 0x030A0000 && PY_VERSION_HEX < 0x030F0000 && !defined(Py_GIL_DISABLED) \
    && !defined(PYPY_VERSION) && UINTPTR_MAX == 0xFFFFFFFFFFFFFFFFu
#define DECIMAL_IN_PLACE 1
#else
#define DECIMAL_IN_PLACE 0
#endif

/* Decimal's type is static up to 3.12 and nobody is told of new objects: their heads are a count and a type. */
#if DECIMAL_IN_PLACE && PY_VERSION_HEX < 0x030D0000 && !defined(Py_REF_DEBUG) && !defined(Py_TRACE_REFS)
#define DECIMAL_HEAD_IS_PLAIN 1
#else
#define DECIMAL_HEAD_IS_PLAIN 0
#endif

#define WORD_RADIX 10000000000000000000u /* 10 ** 19, the base of mpd_t's words of 64 bits */

/* mpd_t of mpdecimal.h */
typedef struct {
    uint8_t flags;
    Py_ssize_t exp;
    Py_ssize_t digits;
    Py_ssize_t len;
    Py_ssize_t alloc;
    uint64_t *data;
} InnerDecimal;

typedef struct {
    PyObject_HEAD
    Py_hash_t hash;
    InnerDecimal dec;
    uint64_t words[4];
} DecimalObject;

enum { DECIMAL_NEGATIVE = 1, DECIMAL_OWN_STRUCT = 0x10, DECIMAL_OWN_WORDS = 0x20 };

/* How many decimal digits a number has; one for 0. */
static inline Py_ssize_t digits_of_word(uint64_t word)
{
    static const uint64_t powers[19] = {
        10u, 100u, 1000u, 10000u, 100000u, 1000000u, 10000000u, 100000000u, 1000000000u, 10000000000u, 100000000000u,
        1000000000000u, 10000000000000u, 100000000000000u, 1000000000000000u, 10000000000000000u,
        100000000000000000u, 1000000000000000000u, WORD_RADIX};
    Py_ssize_t n = word < 1000000000u ? 0 : 9;
    while (n < 19 && word >= powers[n]) {
        n++;
    }
    return n + 1;
}

/* Whether `type`, decimal.Decimal, may be laid out as above. */
static inline int decimal_may_be_known(PyTypeObject *type)
{
    return DECIMAL_IN_PLACE && type->tp_basicsize == (Py_ssize_t)sizeof(DecimalObject) && type->tp_itemsize == 0
           && type->tp_dictoffset == 0 && type->tp_weaklistoffset == 0
           && (!DECIMAL_HEAD_IS_PLAIN || !(PyType_IS_GC(type) || (type->tp_flags & Py_TPFLAGS_HEAPTYPE)));
}

/* (high * 10 ** 19 + low) * 10 ** -scale; NULL without memory. */
static inline PyObject *new_decimal(PyTypeObject *type, int is_negative, uint64_t high, uint64_t low, Py_ssize_t scale)
{
    DecimalObject *self;
#if DECIMAL_HEAD_IS_PLAIN
    self = (DecimalObject *)PyObject_Malloc(sizeof(DecimalObject));
    if (self == NULL) {
        return PyErr_NoMemory();
    }
    self->ob_base.ob_refcnt = 1;
    self->ob_base.ob_type = type;
#else
    self = PyType_IS_GC(type) ? PyObject_GC_New(DecimalObject, type) : PyObject_New(DecimalObject, type);
    if (self == NULL) {
        return NULL;
    }
#endif
    self->hash = -1;
    self->dec.flags = (uint8_t)(DECIMAL_OWN_STRUCT | DECIMAL_OWN_WORDS | (is_negative ? DECIMAL_NEGATIVE : 0));
    self->dec.exp = -scale;
    self->dec.alloc = 4;
    self->dec.data = self->words;
    self->words[0] = low;
    self->words[1] = high;
    self->words[2] = self->words[3] = 0;
    self->dec.len = high ? 2 : 1;
    self->dec.digits = high ? 19 + digits_of_word(high) : digits_of_word(low);
    return (PyObject *)self;
}

static inline unsigned base_10000_digit(const unsigned char *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static const uint16_t powers_of_ten[5] = {1, 10, 100, 1000, 10000};

/* The Decimal of `n` digits of base 10000, the first of weight `weight`, shown with `scale` digits after the point.
 * NULL without an exception where that is for the long way: too many digits, a digit that is none, or digits other than
 * 0 beyond the scale. */
static inline PyObject *decimal_of_digits(PyTypeObject *type, const char *digits, int n, int weight, int scale,
                                          int is_negative)
{
    const unsigned char *at = (const unsigned char *)digits;
    unsigned digit;
    int i, missing;
    uint64_t low = 0, high = 0;

    if (n == 0) {
        return new_decimal(type, is_negative, 0, 0, scale);
    }
    if (n > 9) {
        return NULL;
    }
    missing = scale - 4 * (n - 1 - weight); /* digits that the scale asks for beyond those that have come */
    if (missing < -3 || missing > 36 || 4 * n + missing > 36) {
        return NULL;
    }
    if (4 * n + missing <= 16) {
        for (i = 0; i < n; i++) {
            digit = base_10000_digit(at + 2 * i);
            if (digit > 9999) {
                return NULL;
            }
            if (i == n - 1 && missing < 0) {
                if (digit % powers_of_ten[-missing]) {
                    return NULL;
                }
                low = low * powers_of_ten[4 + missing] + digit / powers_of_ten[-missing];
            }
            else {
                low = low * 10000 + digit;
            }
        }
        for (; missing > 0; missing -= 4) {
            low *= powers_of_ten[missing > 4 ? 4 : missing];
        }
        return new_decimal(type, is_negative, 0, low, scale);
    }
#ifdef __SIZEOF_INT128__
    {
        unsigned __int128 number = 0;
        for (i = 0; i < n; i++) {
            digit = base_10000_digit(at + 2 * i);
            if (digit > 9999) {
                return NULL;
            }
            number = number * 10000 + digit;
        }
        if (missing < 0) {
            if (number % powers_of_ten[-missing]) {
                return NULL;
            }
            number /= powers_of_ten[-missing];
        }
        for (; missing > 0; missing -= 4) {
            number *= powers_of_ten[missing > 4 ? 4 : missing];
        }
        high = (uint64_t)(number / WORD_RADIX);
        low = (uint64_t)(number % WORD_RADIX);
    }
    return new_decimal(type, is_negative, high, low, scale);
#else
    return NULL;
#endif
}

#endif /* PGPROTO_DECIMAL_IN_PLACE_H */
