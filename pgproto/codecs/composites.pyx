"""Composite values as records, in the binary format, and the pseudo-type `record` as tuples.

  | n i32 | (type oid u32, length i32 or -1, body) x n |

A composite is exchanged in a format only if all its attributes can be, and in binary if both will do. `record` is what
ROW(..) gives: its bytes name the types, so it needs no description, but it may be nested as deep as its sender likes.
The text format is in composite_text.
"""
from cpython.list cimport PyList_AsTuple
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.stdint cimport int32_t

from pgproto.codecs.codec cimport BINARY, TEXT, read_t
from pgproto.codecs.composite_text cimport composite_text_decode, composite_text_encode, record_text_decode
from pgproto.codecs.composite_values cimport field_error, field_refused, finished, outdated, values_of
from pgproto.codecs.nested cimport is_users, nested_error
from pgproto.limits cimport FIELDS_MAX, NESTING_MAX
from pgproto.record cimport Record_SET_ITEM, import_record, record_new, record_set_item
from pgproto.wire cimport Slice, take_end, take_int32, take_slice, take_uint32, take_value
from pgproto.write_buffer cimport WriteBuffer

from pgproto.errors import MalformedBody, UnsupportedClientFeatureError
from pgproto.record import Record, RowShape

import_record()


cdef Codec new_composite(uint32_t oid, str name, str schema, tuple names, tuple fields):
    """A codec for a composite type; `fields` are the codecs of its attributes, `names` their names, in order."""
    cdef Codec codec = Codec(oid, name, schema=schema, kind="composite")
    codec.fields = fields
    codec.shape = RowShape(names)
    set_composite_formats(codec)
    return codec


cdef int set_composite_formats(Codec codec) except -1:
    cdef Codec field
    cdef int format
    cdef bint can_encode[2]
    cdef bint can_decode[2]
    for format in range(2):
        can_encode[format] = can_decode[format] = True
        for field in codec.fields:
            can_encode[format] = can_encode[format] and field.encode[format] != NULL
            can_decode[format] = can_decode[format] and field.decode[format] != NULL
    codec.offer(TEXT, composite_text_encode, can_encode[TEXT], composite_text_decode, can_decode[TEXT])
    codec.offer(BINARY, composite_encode, can_encode[BINARY], composite_decode, can_decode[BINARY])
    codec.preferred = BINARY if can_decode[BINARY] else TEXT
    codec.runs_user_code = codec.decoder is not None
    codec.is_leaf = codec.decoder is None
    for field in codec.fields:
        codec.is_leaf = codec.is_leaf and field.is_leaf
        codec.runs_user_code = codec.runs_user_code or field.runs_user_code
    return 0


def composite_codec(uint32_t oid, str name not None, tuple names not None, tuple fields not None,
                    str schema not None="public", *, decoder=None):
    """Return a codec for a composite type; with `decoder` its values are what that makes of the attributes by name."""
    cdef Codec codec = new_composite(oid, name, schema, names, fields)
    if decoder is not None:
        codec.decoder = decoder
        codec.runs_user_code = True
        codec.is_leaf = False
    return codec


# Binary

cdef int composite_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef tuple values = values_of(codec, value)
    cdef Py_ssize_t i, at, n = PyTuple_GET_SIZE(values)
    cdef Codec field
    cdef object item
    out.put_int32(<int32_t>n)
    for i in range(n):
        field = <Codec>PyTuple_GET_ITEM(codec.fields, i)
        item = <object>PyTuple_GET_ITEM(values, i)
        out.put_int32(<int32_t>field.oid)
        if item is None:
            out.put_int32(-1)
            continue
        at = out.begin_value()
        try:
            field.encode[BINARY](field, out, item)
        except (TypeError, ValueError, OverflowError) as error:
            raise field_error(codec, i, error) from error
        out.end_value(at)
    return 0


cdef object composite_decode(Codec codec, Slice body):
    cdef Py_ssize_t i = 0, n = PyTuple_GET_SIZE(codec.fields)
    cdef int32_t n_sent = take_int32(&body)
    cdef uint32_t oid
    cdef Slice part
    cdef Codec field = None
    if n_sent != n:
        raise outdated(codec, f"unexpected number of attributes of composite type: {n_sent}, expected {n}", None)
    record = record_new(Record, codec.shape, n)
    try:
        while i < n:
            field = <Codec>PyTuple_GET_ITEM(codec.fields, i)
            oid = take_uint32(&body)
            if oid != field.oid:
                raise outdated(
                    codec, f"unexpected data type of composite type attribute {i + 1}: "
                           f"oid {oid}, expected {field.oid}", i)
            if take_value(&body, &part):
                Record_SET_ITEM(record, i, (<read_t>field.decode[BINARY])(<PyObject *>field, part))
            elif part.n == -1:
                record_set_item(record, i, None)
            else:
                refuse_length(part.n, body.n)
            i += 1
    except (ValueError, OverflowError) as error:
        if is_users(field, error):
            raise
        raise field_refused(codec, i, error) from error
    take_end(&body)
    return finished(codec, record)


cdef int refuse_length(Py_ssize_t length, Py_ssize_t left) except -1:
    if left < 4:
        raise MalformedBody(f"the 4 bytes of a length were expected, {left} are left")
    raise MalformedBody(f"{length} bytes were announced, {left - 4} are left")


# record

cdef Codec new_record(uint32_t oid, object find):
    """A codec for the pseudo-type `record`; `find(oid)` returns the codec of an element, or None."""
    cdef Codec codec = Codec(oid, "record")
    codec.find = find
    codec.encode[TEXT] = codec.encode[BINARY] = record_encode
    codec.decode[TEXT] = record_text_decode
    codec.decode[BINARY] = record_decode
    codec.preferred = BINARY
    return codec


def record_codec(uint32_t oid, find):
    """Return a codec for `record`; `find(oid)` returns the codec of an element, or None."""
    return new_record(oid, find)


cdef int record_encode(Codec codec, WriteBuffer out, object value) except -1:
    raise UnsupportedClientFeatureError(
        "input of anonymous composite types is not supported", hint="cast the parameter to a composite type")


cdef object record_decode(Codec codec, Slice body):
    """The elements as a tuple. A level of nesting takes one frame of this function, so what needs room is in others:
    512 levels fit into half a megabyte of stack even where the compiler does not optimize."""
    cdef int32_t i = 0, n = begin_record(codec, &body)
    cdef Slice part
    cdef Codec element = None
    cdef list values = []
    try:
        while i < n:
            element = take_head(codec, &body, i, &part)
            values.append(None if element is None else element.decode[BINARY](element, part))
            element = None
            i += 1
        take_end(&body)
    except BaseException as error:
        codec.depth -= 1
        refuse_element(element, i, error)
        raise
    codec.depth -= 1
    return PyList_AsTuple(values)


cdef int32_t begin_record(Codec codec, Slice *body) except -1:
    """Take the number of elements, and go one level deeper."""
    cdef int32_t n = take_int32(body)
    # An element takes at least the bytes of its type and length.
    if n < 0 or n > FIELDS_MAX or <Py_ssize_t>n * 8 > body.n:
        raise MalformedBody(f"record: {n} elements in {body.n} bytes")
    if codec.depth == NESTING_MAX:
        raise MalformedBody(f"record: nested deeper than {NESTING_MAX}")
    codec.depth += 1
    return n


cdef Codec take_head(Codec codec, Slice *body, int32_t i, Slice *part):
    """Take an element's bytes; return the codec that reads them, None if it is NULL."""
    cdef uint32_t oid = take_uint32(body)
    cdef int32_t length = take_int32(body)
    cdef Codec element
    if length == -1:
        return None
    part[0] = take_slice(body, length)
    element = codec.find(oid)
    if element is None or element.decode[BINARY] == NULL:
        raise MalformedBody(f"record: element {i + 1} is of type oid {oid}, which cannot be read inside a record")
    return element


cdef int refuse_element(Codec element, int32_t i, object error) except -1:
    """Say in which element a value was refused; return if that is not what has happened."""
    if element is None or not isinstance(error, (ValueError, OverflowError)) or is_users(element, error):
        return 0
    raise nested_error(error, f"[{i}]", f"element {i + 1} of a record") from error
