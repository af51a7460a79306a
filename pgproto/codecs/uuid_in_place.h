/* uuid.UUID made without a Python call: its two slots are filled where they lie.
 *
 * Where a slot lies is what its member descriptor says (descrobject.h); if the descriptor is of another kind, it is
 * called instead, as object.__setattr__ does in UUID's own __init__. A value refers to an int and an enum member, never
 * to itself, so it stays out of the garbage collector's sight.
 */
#ifndef PGPROTO_UUID_IN_PLACE_H
#define PGPROTO_UUID_IN_PLACE_H

#include <Python.h>
#include <stdint.h>
#include <string.h>
#include <structmember.h>

#ifndef Py_T_OBJECT_EX
#define Py_T_OBJECT_EX T_OBJECT_EX
#endif

/* Written out, because compilers know this form as one load. */
static inline uint64_t uuid_load(const char *from)
{
    const unsigned char *at = (const unsigned char *)from;
    return (uint64_t)at[0] << 56 | (uint64_t)at[1] << 48 | (uint64_t)at[2] << 40 | (uint64_t)at[3] << 32
           | (uint64_t)at[4] << 24 | (uint64_t)at[5] << 16 | (uint64_t)at[6] << 8 | (uint64_t)at[7];
}

#if PYLONG_BITS_IN_DIGIT == 30 && !defined(PYPY_VERSION) \
    && (PY_VERSION_HEX < 0x030C0000 || PY_VERSION_HEX >= 0x030E0000)
#define INT_BY_DIGITS 1
#else
#define INT_BY_DIGITS 0
#endif

/* The int of 16 bytes, the first the highest; digit by digit where there is a way to. */
static inline PyObject *int_of_16(const char *at)
{
#if INT_BY_DIGITS
    const uint64_t high = uuid_load(at), low = uuid_load(at + 8);
    const uint32_t digits[5] = {low & 0x3FFFFFFF, low >> 30 & 0x3FFFFFFF, (low >> 60 | high << 4) & 0x3FFFFFFF,
                                high >> 26 & 0x3FFFFFFF, (uint32_t)(high >> 56)};
    Py_ssize_t n = 5;
    while (n > 0 && digits[n - 1] == 0) {
        n--;
    }
    if (n < 3) {
        return PyLong_FromUnsignedLongLong(low);
    }
#endif
#if INT_BY_DIGITS && PY_VERSION_HEX < 0x030C0000
    PyLongObject *number = _PyLong_New(n);
    if (number != NULL) {
        memcpy(number->ob_digit, digits, (size_t)n * sizeof(uint32_t));
    }
    return (PyObject *)number;
#elif INT_BY_DIGITS
    void *to;
    const PyLongLayout *layout = PyLong_GetNativeLayout();
    if (layout->bits_per_digit == 30 && layout->digit_size == 4 && layout->digits_order == -1) {
        PyLongWriter *writer = PyLongWriter_Create(0, n, &to);
        if (writer == NULL) {
            return NULL;
        }
        memcpy(to, digits, (size_t)n * sizeof(uint32_t));
        return PyLongWriter_Finish(writer);
    }
    return PyLong_FromUnsignedNativeBytes(at, 16, Py_ASNATIVEBYTES_BIG_ENDIAN);
#elif PY_VERSION_HEX >= 0x030D0000
    return PyLong_FromUnsignedNativeBytes(at, 16, Py_ASNATIVEBYTES_BIG_ENDIAN);
#else
    return _PyLong_FromByteArray((const unsigned char *)at, 16, 0, 0);
#endif
}

/* The 16 bytes of an int; -1 with an exception if it is negative or larger. */
static inline int int_to_16(PyObject *number, char *to)
{
#if PY_VERSION_HEX >= 0x030D0000
    Py_ssize_t n = PyLong_AsNativeBytes(number, to, 16, Py_ASNATIVEBYTES_BIG_ENDIAN |
                                        Py_ASNATIVEBYTES_UNSIGNED_BUFFER | Py_ASNATIVEBYTES_REJECT_NEGATIVE);
    if (n > 16) {
        PyErr_SetString(PyExc_OverflowError, "an UUID has 128 bits");
    }
    return n < 0 || n > 16 ? -1 : 0;
#else
    return _PyLong_AsByteArray((PyLongObject *)number, (unsigned char *)to, 16, 0, 0);
#endif
}

/* Where a slot of an object of `type` lies; 0 if its descriptor does not say. */
static inline Py_ssize_t offset_of_slot(PyTypeObject *type, PyObject *slot)
{
    if (Py_TYPE(slot) != &PyMemberDescr_Type || !PyType_IS_GC(type) || type->tp_itemsize != 0) {
        return 0;
    }
    const PyMemberDef *member = ((PyMemberDescrObject *)slot)->d_member;
    if (member->type != Py_T_OBJECT_EX || member->offset < (Py_ssize_t)sizeof(PyObject)
        || member->offset > type->tp_basicsize - (Py_ssize_t)sizeof(PyObject *)) {
        return 0;
    }
    return member->offset;
}

/* A UUID whose int is `number` (stolen, may be NULL with an exception). The offsets are those of offset_of_slot. */
static inline PyObject *new_uuid(PyTypeObject *type, Py_ssize_t at_int, Py_ssize_t at_is_safe, PyObject *number,
                                 PyObject *is_safe)
{
    if (number == NULL) {
        return NULL;
    }
    PyObject *value = (PyObject *)PyObject_GC_New(PyObject, type);
    if (value == NULL) {
        Py_DECREF(number);
        return NULL;
    }
    memset((char *)value + sizeof(PyObject), 0, (size_t)type->tp_basicsize - sizeof(PyObject));
    Py_INCREF(is_safe);
    *(PyObject **)((char *)value + at_int) = number;
    *(PyObject **)((char *)value + at_is_safe) = is_safe;
    return value;
}

/* The same by way of the descriptors. */
static inline PyObject *new_uuid_by_slots(PyTypeObject *type, PyObject *int_slot, PyObject *is_safe_slot,
                                          PyObject *number, PyObject *is_safe)
{
    if (number == NULL) {
        return NULL;
    }
    PyObject *value = type->tp_alloc(type, 0);
    if (value != NULL && PyObject_IS_GC(value)) {
        PyObject_GC_UnTrack(value);
    }
    if (value != NULL && (Py_TYPE(int_slot)->tp_descr_set(int_slot, value, number) < 0
                          || Py_TYPE(is_safe_slot)->tp_descr_set(is_safe_slot, value, is_safe) < 0)) {
        Py_CLEAR(value);
    }
    Py_DECREF(number);
    return value;
}

#endif /* PGPROTO_UUID_IN_PLACE_H */
