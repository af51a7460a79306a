# What every writer of rows for COPY FROM STDIN shares.

from pgproto.operations.copy cimport CopyIn
from pgproto.write_buffer cimport WriteBuffer

cdef enum:
    # A chunk is handed over when it is this long; the server takes any size.
    CHUNK = 524288

cdef int move_chunk(WriteBuffer rows, CopyIn op, WriteBuffer out) except -1
cdef bytes binary_header()
