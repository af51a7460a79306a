"""The messages that the frontend sends, one function each.

https://www.postgresql.org/docs/current/protocol-message-formats.html
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from pgproto.limits cimport (
    ARGUMENTS_MAX, MESSAGE_SENT_AUTH_MAX, MESSAGE_SENT_LONG_MAX, MESSAGE_SENT_MAX, NAME_MAX, STARTUP_PACKET_MAX)
from pgproto.errors import InterfaceError

cdef int32_t SSL_REQUEST_CODE = 80877103
cdef int32_t CANCEL_REQUEST_CODE = 80877102


cdef int put_name(WriteBuffer out, bytes name) except -1:
    """Put a statement's or portal's name that `wire_name` has checked."""
    return out.put_bytes(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name) + 1)


cdef bytes wire_name(str name):
    """Return a statement's or portal's name as it is sent, or refuse it.

    The server compares no more than 63 bytes, so a longer name could hit another statement.
    """
    cdef bytes encoded = name.encode()
    if PyBytes_GET_SIZE(encoded) > NAME_MAX:
        raise InterfaceError(
            f"the name of a statement or portal can have {NAME_MAX} bytes, {name!r} has {len(encoded)}")
    if b"\0" in encoded:
        raise InterfaceError(f"a zero byte cannot be part of the name of a statement or portal: {name!r}")
    return encoded


cdef int put_startup(WriteBuffer out, int32_t version, dict parameters) except -1:
    """Put StartupMessage; `parameters` holds user first, then what else the server is told."""
    cdef Py_ssize_t at = out.begin_value()
    out.put_int32(version)
    for name, value in parameters.items():
        if not name or "\0" in name or "\0" in value:
            raise InterfaceError(f"a zero byte cannot be part of the startup parameter {name!r}")
        out.put_cstring(name)
        out.put_cstring(value)
    out.put_byte(0)
    return out.end_message(at, STARTUP_PACKET_MAX)


cdef int put_ssl_request(WriteBuffer out) except -1:
    out.put_int32(8)
    return out.put_int32(SSL_REQUEST_CODE)


cdef int put_cancel_request(WriteBuffer out, int32_t pid, bytes key) except -1:
    out.put_int32(<int32_t>(12 + len(key)))
    out.put_int32(CANCEL_REQUEST_CODE)
    out.put_int32(pid)
    return out.put_bytes(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))


cdef int put_password(WriteBuffer out, bytes payload) except -1:
    """Put a PasswordMessage, SASLInitialResponse or SASLResponse, which differ in their payload alone."""
    cdef Py_ssize_t at = out.begin_message(c'p')
    out.put_bytes(PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload))
    return out.end_message(at, MESSAGE_SENT_AUTH_MAX)


cdef int put_query(WriteBuffer out, str sql) except -1:
    cdef Py_ssize_t at = out.begin_message(c'Q')
    out.put_cstring(sql)
    return out.end_message(at, MESSAGE_SENT_LONG_MAX)


cdef int put_parse(WriteBuffer out, bytes name, str sql, tuple oids) except -1:
    cdef Py_ssize_t at = out.begin_message(c'P')
    cdef Py_ssize_t n = len(oids)
    if n > ARGUMENTS_MAX:
        raise InterfaceError(f"the number of query arguments cannot exceed {ARGUMENTS_MAX}")
    put_name(out, name)
    out.put_cstring(sql)
    out.put_int16(<short>n)
    for oid in oids:
        out.put_int32(<int32_t><uint32_t>oid)
    return out.end_message(at, MESSAGE_SENT_LONG_MAX)


cdef int put_target(WriteBuffer out, char kind, char what, bytes name) except -1:
    """Put a Describe or Close of a statement ('S') or portal ('P')."""
    cdef Py_ssize_t at = out.begin_message(kind)
    out.put_byte(what)
    put_name(out, name)
    return out.end_message(at, MESSAGE_SENT_MAX)


cdef int put_describe_statement(WriteBuffer out, bytes name) except -1:
    return put_target(out, c'D', c'S', name)


cdef int put_describe_portal(WriteBuffer out, bytes name) except -1:
    return put_target(out, c'D', c'P', name)


cdef int put_close_statement(WriteBuffer out, bytes name) except -1:
    return put_target(out, c'C', c'S', name)


cdef int put_close_portal(WriteBuffer out, bytes name) except -1:
    return put_target(out, c'C', c'P', name)


cdef int put_execute(WriteBuffer out, bytes portal, int32_t row_limit) except -1:
    cdef Py_ssize_t at = out.begin_message(c'E')
    put_name(out, portal)
    out.put_int32(row_limit)
    return out.end_message(at, MESSAGE_SENT_MAX)


cdef int put_bind_plain(WriteBuffer out, bytes portal, bytes name) except -1:
    """Put a Bind of a statement without parameters whose columns, if any, come as text."""
    cdef Py_ssize_t at = out.begin_message(c'B')
    put_name(out, portal)
    put_name(out, name)
    out.put_int16(0)
    out.put_int16(0)
    out.put_int16(0)
    return out.end_message(at, MESSAGE_SENT_MAX)


cdef int put_copy_data(WriteBuffer out, const char *at, Py_ssize_t n) except -1:
    cdef Py_ssize_t start = out.begin_message(c'd')
    out.put_bytes(at, n)
    return out.end_message(start, MESSAGE_SENT_LONG_MAX)


cdef int put_copy_done(WriteBuffer out) except -1:
    return out.end_message(out.begin_message(c'c'), MESSAGE_SENT_MAX)


cdef int put_copy_fail(WriteBuffer out, str reason) except -1:
    cdef Py_ssize_t at = out.begin_message(c'f')
    out.put_cstring(reason)
    return out.end_message(at, MESSAGE_SENT_MAX)


cdef int put_terminate(WriteBuffer out) except -1:
    return out.end_message(out.begin_message(c'X'), MESSAGE_SENT_MAX)


def ssl_request():
    """Return the bytes of an SSLRequest."""
    cdef WriteBuffer out = WriteBuffer()
    put_ssl_request(out)
    return out.take_all()


def cancel_request(int pid, bytes key not None):
    """Return the bytes of a CancelRequest; `key` is 4 to 256 bytes as BackendKeyData gave them."""
    cdef WriteBuffer out = WriteBuffer()
    if not 4 <= len(key) <= 256:
        raise InterfaceError(f"a cancel key has 4 to 256 bytes, this one {len(key)}")
    put_cancel_request(out, pid, key)
    return out.take_all()
