/* The C face of pgproto.record: what a row and its shape look like in memory, and how a decoder makes a row.
 *
 * Call import_record() once in every module (translation unit) before anything else here. A row is made in three steps:
 *
 *     PyObject *row = record_new(type, shape, n);            new reference, not tracked, every slot NULL
                    record_new_leaf(shape, n)              if it is to be a Record that is never tracked
 *     Record_SET_ITEM(row, i, value);                        for each i, once; the row takes the reference
 *     record_track(row);                                     if a value can refer back to the row
 *
 * A row may be dropped at any point between the steps. It must not be shown to Python code before its last slot is
 * filled. Only a row whose type is Record itself, and whose values are all leaves (numbers, str, bytes, dates...), may
 * stay untracked: see record_track.
 */
#ifndef PGPROTO_RECORD_H
#define PGPROTO_RECORD_H

#include <Python.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RECORD_CAPSULE "pgproto.record._C_API"
#define RECORD_API_VERSION 2

/* The names of a row's columns, shared by all rows of a result. Holds only str and int: never part of a cycle. */
typedef struct {
    PyObject_HEAD
    PyObject *names;      /* tuple of exact str, in result order */
    PyObject *positions;  /* dict: name -> int, the last of equal names. Never changed after it is made */
    PyObject *duplicates; /* tuple of the names that occur more than once */
} RowShapeObject;

/* A row: | gc head | refcount | type | n values | shape | value 0 | value 1 | ... */
typedef struct {
    PyObject_VAR_HEAD
    PyObject *shape;      /* RowShapeObject; len(shape) == Py_SIZE(row) */
    PyObject *values[1];
} RecordObject;

typedef struct {
    int version;
    PyTypeObject *record_type;
    PyTypeObject *row_shape_type;
    PyObject *(*new_record)(PyTypeObject *type, PyObject *shape, Py_ssize_t n);
    PyObject *(*new_leaf_record)(PyObject *shape, Py_ssize_t n);
    void (*track)(PyObject *row);
} RecordAPI;

/* Steals `value`. For a slot that is still NULL: what was there before is not released. */
static inline void Record_SET_ITEM(PyObject *row, Py_ssize_t i, PyObject *value)
{
    ((RecordObject *)row)->values[i] = value;
}

/* Borrowed; NULL if the slot has not been filled. */
static inline PyObject *Record_GET_ITEM(PyObject *row, Py_ssize_t i)
{
    return ((RecordObject *)row)->values[i];
}

#ifndef PGPROTO_RECORD_MODULE

static RecordAPI *record_api = NULL;

static inline int import_record(void)
{
    RecordAPI *api = (RecordAPI *)PyCapsule_Import(RECORD_CAPSULE, 0);
    if (api == NULL) {
        return -1;
    }
    if (api->version != RECORD_API_VERSION) {
        PyErr_Format(PyExc_ImportError, "pgproto.record has C API version %d, this module was built for %d: rebuild it",
                     api->version, RECORD_API_VERSION);
        return -1;
    }
    record_api = api;
    return 0;
}

/* A new, untracked row with `n` empty slots. ValueError if the shape has not `n` columns, TypeError if `type` is not
 * Record or a subclass. Whether a subclass is fit for rows is for check_record_class to say, once per statement. */
static inline PyObject *record_new(PyTypeObject *type, PyObject *shape, Py_ssize_t n)
{
    return record_api->new_record(type, shape, n);
}

/* The same for a Record that will hold only leaves and so is never tracked. */
static inline PyObject *record_new_leaf(PyObject *shape, Py_ssize_t n)
{
    return record_api->new_leaf_record(shape, n);
}

/* Let the garbage collector see the row. Needed if a value can hold other objects, and for every subclass of Record
 * (its instances can have a __dict__). Does nothing to a row that is tracked already. */
static inline void record_track(PyObject *row)
{
    record_api->track(row);
}

/* As Record_SET_ITEM, for a caller that keeps its own reference. */
static inline void record_set_item(PyObject *row, Py_ssize_t i, PyObject *value)
{
    Py_INCREF(value);
    Record_SET_ITEM(row, i, value);
}

static inline int record_is_exact(PyObject *type)
{
    return type == (PyObject *)record_api->record_type;
}

#endif /* PGPROTO_RECORD_MODULE */

#ifdef __cplusplus
}
#endif
#endif /* PGPROTO_RECORD_H */
