/* The memory of rows that the collector never sees.
 *
 * A row of leaves is not tracked, yet PyObject_GC_New counts it as one more young object and PyObject_GC_Del as one less
 * (together a sixth of what making and dropping a row of seven numbers costs, by callgrind on 3.11). Here such a row is
 * neither counted when it is made nor when it is dropped: both or none, or else rows that come and go would keep the
 * collector from what is really young. Its header is zero, which says "not tracked", so it can be tracked later as any
 * other.
 *
 * Where the header lies is private to Python: two words before the object from 3.10 to 3.14. Elsewhere, and where the
 * size that sys.getsizeof() tells is another, the public functions are called.
 *
 * Part of record.c.
 */
#ifndef PGPROTO_LEAF_RECORD_H
#define PGPROTO_LEAF_RECORD_H

#if PY_VERSION_HEX >= 0x030A0000 && PY_VERSION_HEX < 0x030F0000 && !defined(PYPY_VERSION) && !defined(Py_REF_DEBUG) \
    && !defined(Py_TRACE_REFS) && !defined(Py_GIL_DISABLED)
#define LEAVES_IN_PLACE 1
#else
#define LEAVES_IN_PLACE 0
#endif

#if LEAVES_IN_PLACE

typedef struct {
    uintptr_t next; /* 0: not tracked */
    uintptr_t previous;
} CollectorHead;

static int leaves_are_in_place = 0;

/* Room for a row of `n` values, all but the values set; NULL without memory. */
static inline RecordObject *allocate_leaf_record(Py_ssize_t n)
{
    const size_t size = offsetof(RecordObject, values) + (size_t)n * sizeof(PyObject *);
    CollectorHead *head = (CollectorHead *)PyObject_Malloc(sizeof(CollectorHead) + size);
    if (head == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    head->next = head->previous = 0;
    RecordObject *row = (RecordObject *)(head + 1);
#if PY_VERSION_HEX < 0x030D0000
    row->ob_base.ob_base.ob_refcnt = 1;
    row->ob_base.ob_base.ob_type = &Record_Type;
    row->ob_base.ob_size = n;
#else
    PyObject_InitVar((PyVarObject *)row, &Record_Type, n); /* tells tracers */
#endif
    return row;
}

/* Whether a row's memory may go back without the collector's knowing. A row in a row is for the trashcan, because rows
 * can be nested deeply; all else that can be nested protects the stack itself. */
static inline int is_leaf_record(RecordObject *row)
{
    if (!leaves_are_in_place || Py_TYPE(row) != &Record_Type || ((CollectorHead *)row - 1)->next != 0) {
        return 0;
    }
    for (Py_ssize_t i = Py_SIZE(row); --i >= 0;) {
        if (row->values[i] != NULL && Py_TYPE(row->values[i]) == &Record_Type) {
            return 0;
        }
    }
    return 1;
}

static inline void free_leaf_record(RecordObject *row)
{
    PyObject_Free((CollectorHead *)row - 1);
}

#else /* Nothing here is called, and the parts of an object's head have other names without the GIL. */

enum { leaves_are_in_place = 0 };

static inline RecordObject *allocate_leaf_record(Py_ssize_t n)
{
    (void)n;
    return NULL;
}

static inline int is_leaf_record(RecordObject *row)
{
    (void)row;
    return 0;
}

static inline void free_leaf_record(RecordObject *row)
{
    (void)row;
}

#endif

/* Allocate rows of leaves in place if `wanted` and if `row` has the header that is expected; say whether that is so.
 * -1 with an exception if looking failed. */
static inline int settle_leaf_records(PyObject *row, int wanted)
{
#if LEAVES_IN_PLACE
    PyObject *getsizeof = PySys_GetObject("getsizeof"); /* borrowed */
    PyObject *whole = getsizeof == NULL ? NULL : PyObject_CallOneArg(getsizeof, row);
    PyObject *size = whole == NULL ? NULL : PyObject_CallMethod(row, "__sizeof__", NULL);
    if (size == NULL) {
        Py_XDECREF(whole);
        return -1;
    }
    leaves_are_in_place = wanted && PyLong_AsSsize_t(whole) - PyLong_AsSsize_t(size) == (Py_ssize_t)sizeof(CollectorHead);
    Py_DECREF(whole);
    Py_DECREF(size);
    return PyErr_Occurred() ? -1 : leaves_are_in_place;
#else
    (void)row;
    (void)wanted;
    return 0;
#endif
}

#endif /* PGPROTO_LEAF_RECORD_H */
