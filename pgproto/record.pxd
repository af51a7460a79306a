# Rows for Cython code. record.h says who owns what; the short form:
#
#     import_record()                              # once, at module level
#     row = record_new(record_class, shape, n)     # empty slots, not tracked
#     row = record_new_leaf(shape, n)              # or this, if the class is Record and every value will be a leaf
#     record_set_item(row, i, value)               # each slot once; or Record_SET_ITEM, which steals a PyObject*
#     record_track(row)                            # unless the class is Record itself and every value is a leaf
from cpython.object cimport PyObject


cdef extern from "record.h":
    ctypedef class pgproto.record.RowShape [object RowShapeObject, check_size error]:
        cdef readonly tuple names
        cdef readonly dict positions
        cdef readonly tuple duplicates

    ctypedef class pgproto.record.Record [object RecordObject]:
        pass

    int import_record() except -1
    Record record_new(type record_class, object shape, Py_ssize_t n)
    Record record_new_leaf(object shape, Py_ssize_t n)
    void record_set_item(object row, Py_ssize_t i, object value) noexcept
    void record_track(object row) noexcept
    bint record_is_exact(object record_class) noexcept

    void Record_SET_ITEM(object row, Py_ssize_t i, PyObject *value) noexcept
    PyObject *Record_GET_ITEM(object row, Py_ssize_t i) noexcept
