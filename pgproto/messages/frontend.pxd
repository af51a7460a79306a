# One function per message that is sent; each puts the whole message, length included.

from libc.stdint cimport int32_t, uint32_t

from pgproto.write_buffer cimport WriteBuffer

cdef int put_startup(WriteBuffer out, int32_t version, dict parameters) except -1
cdef int put_ssl_request(WriteBuffer out) except -1
cdef int put_cancel_request(WriteBuffer out, int32_t pid, bytes key) except -1
cdef int put_password(WriteBuffer out, bytes payload) except -1
cdef int put_query(WriteBuffer out, str sql) except -1
cdef int put_parse(WriteBuffer out, bytes name, str sql, tuple oids) except -1
cdef int put_describe_statement(WriteBuffer out, bytes name) except -1
cdef int put_describe_portal(WriteBuffer out, bytes name) except -1
cdef int put_execute(WriteBuffer out, bytes portal, int32_t row_limit) except -1
cdef int put_bind_plain(WriteBuffer out, bytes portal, bytes name) except -1
cdef int put_close_statement(WriteBuffer out, bytes name) except -1
cdef int put_close_portal(WriteBuffer out, bytes name) except -1
cdef int put_copy_data(WriteBuffer out, const char *at, Py_ssize_t n) except -1
cdef int put_copy_done(WriteBuffer out) except -1
cdef int put_copy_fail(WriteBuffer out, str reason) except -1
cdef int put_terminate(WriteBuffer out) except -1
cdef bytes wire_name(str name)

cdef inline int put_execute_all(WriteBuffer out) except -1:
    """Put the Execute of all rows of the unnamed portal, which is always the same."""
    return out.put_bytes(b"E\0\0\0\x09\0\0\0\0\0", 10)

# Sync and Flush are 5 fixed bytes.
cdef inline int put_sync(WriteBuffer out) except -1:
    out.put_byte(c'S')
    return out.put_int32(4)

cdef inline int put_flush(WriteBuffer out) except -1:
    out.put_byte(c'H')
    return out.put_int32(4)
