/* int, float and ASCII str made without PyLong_FromLong, PyFloat_FromDouble and PyUnicode_New: for values this small they
 * cost more than all the rest of reading them (by callgrind on 3.11: 50 of 167 instructions per int, 67 of 250 per str).
 *
 * What an object's head holds is not spelled out here: it is copied from an object that Python has just made, one for
 * ints of each sign and of one and two digits, one for float, one for str. Only where the digits, the number and the
 * length lie is taken from the public structs. 3.13 tells tracers of each new object, 3.14 keeps freed ints in a list of its own, and the
 * free-threaded build's heads say which thread owns them: there, and where a check of the results fails, the ordinary
 * functions are called.
 */
#ifndef PGPROTO_OBJECTS_IN_PLACE_H
#define PGPROTO_OBJECTS_IN_PLACE_H

#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if PY_VERSION_HEX >= 0x030A0000 && PY_VERSION_HEX < 0x030D0000 && !defined(PYPY_VERSION) && !defined(Py_REF_DEBUG) \
    && !defined(Py_TRACE_REFS) && PYLONG_BITS_IN_DIGIT == 30 && UINTPTR_MAX == 0xFFFFFFFFFFFFFFFFu
#define OBJECTS_IN_PLACE 1
#else
#define OBJECTS_IN_PLACE 0
#endif

/* Smaller ints exist once; larger ones than 32 bits may have two digits. */
enum { INT_CACHED_MAX = 256, INT_DIGIT_MAX = 0x3FFFFFFF, INT_DIGIT_BITS = 30, INT_HEAD = 24 };
#define INT_TWO_DIGITS_MAX 0x0FFFFFFFFFFFFFFFu

typedef struct {
    char head[INT_HEAD]; /* references, type, number of digits and sign */
    uint32_t digit;
    uint32_t second_digit; /* unused in an int of one */
} SmallInt;

#if OBJECTS_IN_PLACE
static char int_heads[2][INT_HEAD];  /* of positive and of negative ints */
static char long_heads[2][INT_HEAD]; /* the same of two digits */
static char float_head[sizeof(PyObject)];
static char ascii_head[sizeof(PyASCIIObject)];
static int ints_are_known = 0, floats_are_known = 0, strs_are_known = 0;
#else
enum { ints_are_known = 0, floats_are_known = 0, strs_are_known = 0 };
#endif

static inline PyObject *int_of_32(int32_t value)
{
#if OBJECTS_IN_PLACE
    const uint32_t size = value < 0 ? 0u - (uint32_t)value : (uint32_t)value;
    if (ints_are_known && size > INT_CACHED_MAX && size <= INT_DIGIT_MAX) {
        SmallInt *number = (SmallInt *)PyObject_Malloc(sizeof(SmallInt));
        if (number == NULL) {
            return PyErr_NoMemory();
        }
        memcpy(number->head, int_heads[value < 0], INT_HEAD);
        number->digit = size;
        return (PyObject *)number;
    }
#endif
    return PyLong_FromLong(value);
}

static inline PyObject *int_of_64(int64_t value)
{
#if OBJECTS_IN_PLACE
    const uint64_t size = value < 0 ? 0u - (uint64_t)value : (uint64_t)value;
    if (ints_are_known && size > INT_CACHED_MAX && size <= INT_TWO_DIGITS_MAX) {
        SmallInt *number = (SmallInt *)PyObject_Malloc(sizeof(SmallInt));
        if (number == NULL) {
            return PyErr_NoMemory();
        }
        memcpy(number->head, size > INT_DIGIT_MAX ? long_heads[value < 0] : int_heads[value < 0], INT_HEAD);
        number->digit = (uint32_t)(size & INT_DIGIT_MAX);
        number->second_digit = (uint32_t)(size >> INT_DIGIT_BITS);
        return (PyObject *)number;
    }
#endif
    return PyLong_FromLongLong(value);
}

/* Python keeps a hundred freed floats for the next ones; where rows are kept that list is empty. */
static inline PyObject *float_of(double value)
{
#if OBJECTS_IN_PLACE
    if (floats_are_known) {
        PyFloatObject *number = (PyFloatObject *)PyObject_Malloc(sizeof(PyFloatObject));
        if (number == NULL) {
            return PyErr_NoMemory();
        }
        memcpy(number, float_head, sizeof(PyObject));
        number->ob_fval = value;
        return (PyObject *)number;
    }
#endif
    return PyFloat_FromDouble(value);
}

static inline uint32_t big_endian_32(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | (uint32_t)at[3];
}

/* Make ints of at most `n` elements | length i32 = 4 | i32 | in `n_bytes` bytes and put them into `items`; return how
 * many there were before one of another length, or -1 without memory. */
static inline Py_ssize_t ints_of_elements(const char *from, Py_ssize_t n_bytes, PyObject **items, Py_ssize_t n)
{
    const unsigned char *at = (const unsigned char *)from;
    Py_ssize_t i;
    if (n > n_bytes / 8) {
        n = n_bytes / 8;
    }
    for (i = 0; i < n && big_endian_32(at) == 4; i++, at += 8) {
        const uint32_t value = big_endian_32(at + 4);
#if OBJECTS_IN_PLACE
        /* The most frequent ones with as little as there can be. */
        if (value - (INT_CACHED_MAX + 1) <= INT_DIGIT_MAX - (INT_CACHED_MAX + 1) && ints_are_known) {
            SmallInt *number = (SmallInt *)PyObject_Malloc(sizeof(SmallInt));
            if (number == NULL) {
                PyErr_NoMemory();
                return -1;
            }
            memcpy(number->head, int_heads[0], INT_HEAD);
            number->digit = value;
            items[i] = (PyObject *)number;
            continue;
        }
#endif
        items[i] = int_of_32((int32_t)value);
        if (items[i] == NULL) {
            return -1;
        }
    }
    return i;
}

/* A str of n ASCII characters that are still to be written, n > 1. */
static inline PyObject *new_ascii(Py_ssize_t n)
{
#if OBJECTS_IN_PLACE
    if (strs_are_known) {
        char *text = (char *)PyObject_Malloc(sizeof(PyASCIIObject) + (size_t)n + 1);
        if (text == NULL) {
            return PyErr_NoMemory();
        }
        memcpy(text, ascii_head, sizeof(PyASCIIObject));
        ((PyASCIIObject *)text)->length = n;
        text[sizeof(PyASCIIObject) + (size_t)n] = 0;
        return (PyObject *)text;
    }
#endif
    return PyUnicode_New(n, 127);
}

/* Take the heads from objects that Python makes; say whether that can be done here. `wanted` 0 turns it off. */
static inline int take_object_heads(int wanted)
{
#if OBJECTS_IN_PLACE
    PyObject *plus = PyLong_FromLong(INT_CACHED_MAX + 1), *minus = PyLong_FromLong(-INT_CACHED_MAX - 1);
    PyObject *long_plus = PyLong_FromLongLong(0x700000005), *long_minus = PyLong_FromLongLong(-0x700000005);
    PyObject *number = PyFloat_FromDouble(1.5), *text = PyUnicode_New(2, 127);
    ints_are_known = floats_are_known = strs_are_known = 0;
    if (plus != NULL && minus != NULL && long_plus != NULL && long_minus != NULL && number != NULL && text != NULL) {
        memcpy(int_heads[0], plus, INT_HEAD);
        memcpy(int_heads[1], minus, INT_HEAD);
        memcpy(long_heads[0], long_plus, INT_HEAD);
        memcpy(long_heads[1], long_minus, INT_HEAD);
        memcpy(float_head, number, sizeof(PyObject));
        memcpy(ascii_head, text, sizeof(PyASCIIObject));
        ints_are_known = wanted && sizeof(SmallInt) == 32 && Py_REFCNT(plus) == 1 && Py_REFCNT(minus) == 1
                         && Py_REFCNT(long_plus) == 1 && Py_REFCNT(long_minus) == 1
                         && ((SmallInt *)plus)->digit == INT_CACHED_MAX + 1
                         && ((SmallInt *)minus)->digit == INT_CACHED_MAX + 1
                         && ((SmallInt *)long_plus)->digit == 5 && ((SmallInt *)long_plus)->second_digit == 28
                         && ((SmallInt *)long_minus)->digit == 5 && ((SmallInt *)long_minus)->second_digit == 28;
        floats_are_known = wanted && Py_REFCNT(number) == 1;
        strs_are_known = wanted && Py_REFCNT(text) == 1 && PyUnicode_IS_COMPACT_ASCII(text)
                         && ((PyASCIIObject *)text)->length == 2;
    }
    Py_XDECREF(plus);
    Py_XDECREF(minus);
    Py_XDECREF(long_plus);
    Py_XDECREF(long_minus);
    Py_XDECREF(number);
    Py_XDECREF(text);
    PyErr_Clear();
    return ints_are_known && floats_are_known && strs_are_known;
#else
    (void)wanted;
    return 0;
#endif
}

#endif /* PGPROTO_OBJECTS_IN_PLACE_H */
