# A statement's description bound to codecs: what encodes its arguments and decodes its rows.

cimport cython
from cpython.object cimport PyObject

from pgproto.codecs.codec cimport Codec, ValueWriter, read_t
from pgproto.codecs.registry cimport CodecRegistry
from pgproto.wire cimport Slice
from pgproto.write_buffer cimport WriteBuffer


cdef struct ColumnReader:
    read_t read
    PyObject *codec             # borrowed from column_codecs


@cython.final
cdef class Statement:
    cdef readonly str sql
    cdef readonly str name              # '' for the unnamed one
    cdef bytes wire_name
    cdef readonly tuple parameter_oids
    cdef readonly tuple columns         # of Column; () for a statement without rows
    cdef readonly tuple parameter_codecs
    cdef readonly tuple column_codecs
    cdef readonly object shape          # RowShape
    cdef readonly bint mentions_copy
    cdef readonly bint has_rows
    cdef readonly CodecRegistry registry
    cdef public Statement columnar      # the same with each column in the format that columns are read in, or None
    cdef public bint is_closed          # the server does not know its name any more
    cdef public Py_ssize_t n_deallocations  # what the session had dropped of names when this one was given
    cdef public Statement stand_in      # what is executed in its place since its name was lost, or None
    cdef Statement unnamed              # the same without its name, or None until it is wanted
    cdef bint is_bound                  # the columns' formats are those of a portal
    cdef ColumnReader *readers
    cdef ValueWriter *writers           # of the parameters, each in the format that Bind announces
    cdef Py_ssize_t n_columns
    cdef Py_ssize_t n_parameters
    cdef bint is_leaf                   # rows need not be known to the garbage collector
    cdef bytes bind_head                # name, parameter formats, number of parameters
    cdef bytes bind_tail                # result formats
    cdef bytes described                # RowDescription that came with an execution, to compare the next one with
    cdef Py_ssize_t at_column           # the column that is being decoded

    cdef int put_bind(self, WriteBuffer out, bytes portal, object arguments, Py_ssize_t element) except -1
    cdef int put_arguments(self, WriteBuffer out, object arguments, Py_ssize_t element) except -1
    cdef object explain_argument(self, object error, Py_ssize_t i, object value, Py_ssize_t element)
    cdef object decode_row(self, Slice *body, type record_class)
    cdef int refuse_value(self, Py_ssize_t length, Py_ssize_t left) except -1
    cdef object explain_column(self, object error)
    cdef Statement bound_anew(self)
    cdef list unknown_types(self)
    cdef Statement redescribe(self, Slice *body)
    cpdef Statement renamed(self, str name)
    cpdef Statement without_name(self)
