/* datetime.datetime made without its constructor, which looks again at every field that the decoder has just computed
 * (235 of the 345 instructions of a timestamptz, by callgrind on 3.11).
 *
 * The fields are written through the structs of datetime.h. Up to 3.12 the object's head is copied from one that Python
 * has made, as in objects_in_place.h; from 3.13 on PyObject_Init writes it and tells tracers, at a few instructions more.
 */
#ifndef PGPROTO_DATETIME_IN_PLACE_H
#define PGPROTO_DATETIME_IN_PLACE_H

#include <Python.h>
#include <datetime.h>
#include <string.h>

#if PY_VERSION_HEX >= 0x030A0000 && !defined(PYPY_VERSION) && !defined(Py_REF_DEBUG) && !defined(Py_TRACE_REFS)
#define DATETIME_IN_PLACE 1
#else
#define DATETIME_IN_PLACE 0
#endif

typedef struct {
    int year, month, day, hour, minute, second, microsecond;
} Moment;

#if DATETIME_IN_PLACE
static char datetime_head[sizeof(PyObject)];
static int datetimes_are_known = 0;
#else
enum { datetimes_are_known = 0 };
#endif

/* A datetime of fields that are known to be right; `zone` is None for a naive one. */
static inline PyObject *datetime_of_moment(const Moment *moment, PyObject *zone)
{
#if DATETIME_IN_PLACE
    if (datetimes_are_known) {
        const int is_aware = zone != Py_None;
        PyDateTime_DateTime *value = (PyDateTime_DateTime *)PyObject_Malloc(
            is_aware ? sizeof(PyDateTime_DateTime) : sizeof(_PyDateTime_BaseDateTime));
        if (value == NULL) {
            return PyErr_NoMemory();
        }
#if PY_VERSION_HEX < 0x030D0000
        memcpy(value, datetime_head, sizeof(PyObject));
#else
        PyObject_Init((PyObject *)value, PyDateTimeAPI->DateTimeType);
#endif
        value->hashcode = -1;
        value->hastzinfo = (char)is_aware;
        value->fold = 0;
        value->data[0] = (unsigned char)(moment->year >> 8);
        value->data[1] = (unsigned char)moment->year;
        value->data[2] = (unsigned char)moment->month;
        value->data[3] = (unsigned char)moment->day;
        value->data[4] = (unsigned char)moment->hour;
        value->data[5] = (unsigned char)moment->minute;
        value->data[6] = (unsigned char)moment->second;
        value->data[7] = (unsigned char)(moment->microsecond >> 16);
        value->data[8] = (unsigned char)(moment->microsecond >> 8);
        value->data[9] = (unsigned char)moment->microsecond;
        if (is_aware) {
            Py_INCREF(zone);
            value->tzinfo = zone;
        }
        return (PyObject *)value;
    }
#endif
    return PyDateTimeAPI->DateTime_FromDateAndTime(
        moment->year, moment->month, moment->day, moment->hour, moment->minute, moment->second, moment->microsecond,
        zone, PyDateTimeAPI->DateTimeType);
}

/* Take the head from a datetime that Python makes; say whether that can be done here. `wanted` 0 turns it off. */
static inline int take_datetime_head(int wanted)
{
#if DATETIME_IN_PLACE
    PyTypeObject *type = PyDateTimeAPI->DateTimeType;
    PyObject *value = PyDateTime_FromDateAndTime(2000, 1, 2, 3, 4, 5, 6);
    datetimes_are_known = 0;
    if (value != NULL) {
        memcpy(datetime_head, value, sizeof(PyObject));
        datetimes_are_known = wanted && Py_REFCNT(value) == 1 && !PyType_IS_GC(type)
                              && type->tp_basicsize == (Py_ssize_t)sizeof(PyDateTime_DateTime)
                              && !(type->tp_flags & Py_TPFLAGS_HEAPTYPE);
        Py_DECREF(value);
    }
    PyErr_Clear();
    return datetimes_are_known;
#else
    (void)wanted;
    return 0;
#endif
}

#endif /* PGPROTO_DATETIME_IN_PLACE_H */
