"""The messages that the backend sends, one function each: from a body to plain Python values.

A body that is short, long or lies about its counts is refused with MalformedBody; the frontend makes a ProtocolError
of it. Text that is not valid in the session's encoding is read with replacement: an error message in the server's own
encoding must never fail the query it belongs to.

https://www.postgresql.org/docs/current/protocol-message-formats.html
"""
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int32_t

from pgproto.encodings cimport any_other, reading
from pgproto.wire cimport (
    need, take_byte, take_cstring, take_end, take_int16, take_int32, take_uint16, take_uint32)
from pgproto.errors import MalformedBody


cdef inline str text_of(Slice part):
    if any_other and reading() is not None:
        return reading().str_of(part, "replace")
    return PyUnicode_DecodeUTF8(part.at, part.n, "replace")


class Column:
    """One column of a RowDescription: `typmod` is -1 where the type has none, `format` 0 (text) until it is bound."""

    __slots__ = ("name", "table_oid", "attribute_number", "type_oid", "type_size", "typmod", "format")

    def __init__(self, name, table_oid, attribute_number, type_oid, type_size, typmod, format):
        self.name = name
        self.table_oid = table_oid
        self.attribute_number = attribute_number
        self.type_oid = type_oid
        self.type_size = type_size
        self.typmod = typmod
        self.format = format

    def in_format(self, format):
        """Return the same column as it would come in another format."""
        return Column(self.name, self.table_oid, self.attribute_number, self.type_oid, self.type_size, self.typmod,
                      format)

    def __repr__(self):
        return f"<Column {self.name!r} oid={self.type_oid} format={self.format}>"


cdef dict read_error_fields(Slice body):
    """Return the fields of an ErrorResponse or NoticeResponse by their one-letter codes; the first of a code counts."""
    cdef dict fields = {}
    cdef unsigned char code
    while True:
        code = take_byte(&body)
        if code == 0:
            break
        fields.setdefault(chr(code), text_of(take_cstring(&body)))
    take_end(&body)
    return fields


cdef tuple read_row_description(Slice body):
    """Return the columns of a RowDescription, in result order.

    https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-ROWDESCRIPTION
    """
    cdef Py_ssize_t n = take_uint16(&body)
    cdef list columns = []
    # A column is a zero byte and 18 more at the least.
    need(&body, n * 19)
    for _ in range(n):
        name = text_of(take_cstring(&body))
        need(&body, 18)
        table_oid = take_uint32(&body)
        attribute_number = take_int16(&body)
        type_oid = take_uint32(&body)
        type_size = take_int16(&body)
        typmod = take_int32(&body)
        format = take_int16(&body)
        if not 0 <= format <= 1:
            raise MalformedBody(f"column {name!r} has the format {format}")
        columns.append(Column(name, table_oid, attribute_number, type_oid, type_size, typmod, format))
    take_end(&body)
    return tuple(columns)


cdef tuple read_parameter_description(Slice body):
    """Return the OIDs of a ParameterDescription."""
    cdef Py_ssize_t n = take_uint16(&body)
    cdef list oids = []
    need(&body, n * 4)
    for _ in range(n):
        oids.append(take_uint32(&body))
    take_end(&body)
    return tuple(oids)


cdef tuple read_parameter_status(Slice body):
    name = text_of(take_cstring(&body))
    value = text_of(take_cstring(&body))
    take_end(&body)
    return name, value


cdef tuple read_notification(Slice body):
    """Return (pid, channel, payload)."""
    cdef int32_t pid = take_int32(&body)
    channel = text_of(take_cstring(&body))
    payload = text_of(take_cstring(&body))
    take_end(&body)
    return pid, channel, payload


cdef tuple read_backend_key_data(Slice body):
    """Return (pid, key); the key has 4 bytes in protocol 3.0 and up to 256 from 3.2 on."""
    cdef int32_t pid = take_int32(&body)
    if not 4 <= body.n <= 256:
        raise MalformedBody(f"a cancel key of {body.n} bytes, 4 to 256 are legal")
    return pid, body.at[:body.n]


cdef str read_command_tag(Slice body):
    cdef Slice tag = take_cstring(&body)
    take_end(&body)
    return text_of(tag)


cdef tuple read_copy_response(Slice body):
    """Return (overall format, formats by column)."""
    cdef int overall = take_byte(&body)
    cdef Py_ssize_t n = take_uint16(&body)
    cdef list formats = []
    need(&body, n * 2)
    for _ in range(n):
        formats.append(take_int16(&body))
    take_end(&body)
    return overall, tuple(formats)


cdef tuple read_negotiate_protocol_version(Slice body):
    """Return (newest minor version that the server speaks, names of the options it did not know)."""
    cdef int32_t version = take_int32(&body)
    cdef int32_t n = take_int32(&body)
    cdef list unknown = []
    need(&body, <Py_ssize_t>n)
    for _ in range(n):
        unknown.append(text_of(take_cstring(&body)))
    take_end(&body)
    return version, tuple(unknown)


cdef int read_ready_for_query(Slice body) except -1:
    """Return the transaction status: 'I' idle, 'T' in a transaction, 'E' in a failed one."""
    cdef int status = take_byte(&body)
    take_end(&body)
    if status != c'I' and status != c'T' and status != c'E':
        raise MalformedBody(f"{bytes([status])!r} is no transaction status")
    return status
