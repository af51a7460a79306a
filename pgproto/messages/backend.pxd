# One function per message that is received; each takes the whole body and refuses a short or a longer one.

from pgproto.wire cimport Slice

cdef dict read_error_fields(Slice body)
cdef tuple read_row_description(Slice body)
cdef tuple read_parameter_description(Slice body)
cdef tuple read_parameter_status(Slice body)
cdef tuple read_notification(Slice body)
cdef tuple read_backend_key_data(Slice body)
cdef str read_command_tag(Slice body)
cdef tuple read_copy_response(Slice body)
cdef tuple read_negotiate_protocol_version(Slice body)
cdef int read_ready_for_query(Slice body) except -1
