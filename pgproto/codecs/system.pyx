"""What the server uses to describe itself: tid, pg_lsn, snapshots, int2vector, oidvector.

  tid:         | block u32 | offset u16 |
  pg_lsn:      | u64 |
  pg_snapshot: | n i32 | xmin i64 | xmax i64 | xid i64 x n |
"""
from cpython.list cimport PyList_Check
from cpython.tuple cimport PyTuple_Check
from libc.stdint cimport int16_t, int32_t, int64_t, uint16_t, uint32_t, uint64_t

from pgproto.codecs.array_shape cimport is_array, items_of
from pgproto.codecs.arrays cimport array_decode
from pgproto.codecs.codec cimport BINARY, TEXT, Codec
from pgproto.codecs.integers cimport uint64_of
from pgproto.codecs.registry cimport builtin, register, register_codec
from pgproto.codecs.scan cimport refused, skip, take_digits
from pgproto.oids cimport (
    OID_INT2, OID_INT2VECTOR, OID_INT2VECTOR_ARRAY, OID_OID, OID_OIDVECTOR, OID_OIDVECTOR_ARRAY,
    OID_PG_LSN, OID_PG_SNAPSHOT, OID_TID, OID_TXID_SNAPSHOT,
)
from pgproto.wire cimport (
    Slice, slice_of, take_byte, take_end, take_int32, take_int64, take_uint16, take_uint32,
)
from pgproto.write_buffer cimport WriteBuffer

from pgproto.errors import MalformedBody
from pgproto.oids import NAME_OF

cdef uint64_t BLOCK_MAX = 0xFFFFFFFFULL
cdef uint64_t OFFSET_MAX = 0xFFFFULL
cdef uint64_t LSN_MAX = 0xFFFFFFFFFFFFFFFFULL
cdef uint64_t XID_MAX = 0x7FFFFFFFFFFFFFFFULL


cdef tuple parts_of(object value, Py_ssize_t n, str type_name, str shape):
    if not PyTuple_Check(value) and not PyList_Check(value):
        raise TypeError(f"list or tuple expected: {shape}, got {type(value).__name__}")
    if len(value) != n:
        raise ValueError(f"invalid number of elements in {type_name} tuple: {shape} expected, got {len(value)}")
    return tuple(value)


cdef uint64_t take_number(Codec codec, Slice *text, uint64_t high, Slice whole) except? 0xFFFFFFFFFFFFFFFF:
    cdef int n = 0
    cdef uint64_t number = take_digits(text, 20, &n)
    if n == 0 or number > high:
        raise refused(codec.name, "a whole number in its range", whole)
    return number


# tid

cdef tuple tid_parts(object value):
    """Block and offset, each as an int in its range."""
    block, offset = parts_of(value, 2, "tid", "(block, offset)")
    part = "block"
    try:
        block = uint64_of(block, BLOCK_MAX, "uint32")
        part = "offset"
        return block, uint64_of(offset, OFFSET_MAX, "uint16")
    except OverflowError as error:
        raise OverflowError(f"tuple id {part} {error}") from None


cdef int tid_encode(Codec codec, WriteBuffer out, object value) except -1:
    block, offset = tid_parts(value)
    out.put_int32(<int32_t><uint32_t>block)
    return out.put_int16(<int16_t><uint16_t>offset)


cdef object tid_decode(Codec codec, Slice body):
    cdef uint32_t block = take_uint32(&body)
    cdef uint16_t offset = take_uint16(&body)
    take_end(&body)
    return (block, offset)


cdef int tid_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    block, offset = tid_parts(value)
    return out.put_text(f"({block},{offset})")


cdef object tid_text_decode(Codec codec, Slice body):
    cdef Slice rest = body
    cdef uint64_t block, offset
    if not skip(&rest, c"("):
        raise refused(codec.name, "(block,offset)", body)
    block = take_number(codec, &rest, BLOCK_MAX, body)
    if not skip(&rest, c","):
        raise refused(codec.name, "(block,offset)", body)
    offset = take_number(codec, &rest, OFFSET_MAX, body)
    if not skip(&rest, c")") or rest.n:
        raise refused(codec.name, "(block,offset)", body)
    return (block, offset)


# pg_lsn

cdef int lsn_encode(Codec codec, WriteBuffer out, object value) except -1:
    return out.put_int64(<int64_t>uint64_of(value, LSN_MAX, "uint64"))


cdef object lsn_decode(Codec codec, Slice body):
    cdef uint64_t lsn = <uint64_t>take_int64(&body)
    take_end(&body)
    return lsn


cdef int lsn_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef uint64_t lsn = uint64_of(value, LSN_MAX, "uint64")
    return out.put_text(f"{lsn >> 32:X}/{lsn & 0xFFFFFFFFULL:X}")


cdef uint64_t take_hex(Codec codec, Slice *text, Slice whole) except? 0xFFFFFFFFFFFFFFFF:
    cdef uint64_t number = 0
    cdef int digit, n = 0
    while text.n and text.at[0] != c"/":
        digit = take_byte(text)
        digit = digit - 48 if 48 <= digit <= 57 else (digit | 0x20) - 87 if 65 <= (digit & 0x5F) <= 70 else -1
        if digit < 0 or n == 8:
            raise refused(codec.name, "two hex numbers like 16/B374D848", whole)
        number = number << 4 | <uint64_t>digit
        n += 1
    if n == 0:
        raise refused(codec.name, "two hex numbers like 16/B374D848", whole)
    return number


cdef object lsn_text_decode(Codec codec, Slice body):
    cdef Slice rest = body
    cdef uint64_t high = take_hex(codec, &rest, body)
    if not skip(&rest, c"/"):
        raise refused(codec.name, "two hex numbers like 16/B374D848", body)
    cdef uint64_t low = take_hex(codec, &rest, body)
    if rest.n:
        raise refused(codec.name, "two hex numbers like 16/B374D848", body)
    return high << 32 | low


# pg_snapshot and txid_snapshot

cdef tuple snapshot_parts(object value):
    """xmin, xmax and the tuple of the transactions in progress, each as an int in its range."""
    first, last, running = parts_of(value, 3, "snapshot", "(xmin, xmax, (xid, ..))")
    if not is_array(running):
        raise TypeError(f"a tuple (xmin, xmax, (xid, ..)) was expected, got {type(running).__name__} for the xids")
    xids = tuple([uint64_of(xid, XID_MAX, "txid int64") for xid in items_of(running)])
    if len(xids) > 0x7FFFFFFF // 8:
        raise OverflowError(f"{0x7FFFFFFF // 8} transactions are the limit, got {len(xids)}")
    return uint64_of(first, XID_MAX, "txid int64"), uint64_of(last, XID_MAX, "txid int64"), xids


cdef int snapshot_encode(Codec codec, WriteBuffer out, object value) except -1:
    first, last, xids = snapshot_parts(value)
    out.put_int32(<int32_t>len(xids))
    out.put_int64(first)
    out.put_int64(last)
    for xid in xids:
        out.put_int64(xid)
    return 0


cdef object snapshot_decode(Codec codec, Slice body):
    cdef int32_t n = take_int32(&body)
    cdef int64_t first = take_int64(&body)
    cdef int64_t last = take_int64(&body)
    if n < 0 or <Py_ssize_t>n * 8 != body.n:
        raise MalformedBody(f"{codec.name}: {n} transactions in {body.n} bytes")
    cdef list xids = []
    while body.n:
        xids.append(take_int64(&body))
    return (first, last, tuple(xids))


cdef int snapshot_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    first, last, xids = snapshot_parts(value)
    return out.put_text(f"{first}:{last}:{','.join([str(xid) for xid in xids])}")


cdef object snapshot_text_decode(Codec codec, Slice body):
    cdef Slice rest = body
    cdef uint64_t first, last
    cdef list xids = []
    first = take_number(codec, &rest, XID_MAX, body)
    if not skip(&rest, c":"):
        raise refused(codec.name, "xmin:xmax:xids", body)
    last = take_number(codec, &rest, XID_MAX, body)
    if not skip(&rest, c":"):
        raise refused(codec.name, "xmin:xmax:xids", body)
    while rest.n:
        if xids and not skip(&rest, c","):
            raise refused(codec.name, "xmin:xmax:xids", body)
        xids.append(take_number(codec, &rest, XID_MAX, body))
    return (first, last, tuple(xids))


# int2vector and oidvector: in binary an array whose first element is number 0, in text numbers with spaces between.

cdef int vector_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef Py_ssize_t at
    if not is_array(value):
        raise TypeError(f"sized iterable container expected, got {type(value).__name__}")
    items = items_of(value)
    if len(items) > 0x7FFFFFFF // 8:
        raise OverflowError(f"{0x7FFFFFFF // 8} elements are the limit, got {len(items)}")
    # The server wants one dimension here, also of an empty one.
    for word in (1, 0, codec.element.oid, len(items), 0):
        out.put_int32(<int32_t>word)
    for item in items:
        at = out.begin_value()
        codec.element.encode[BINARY](codec.element, out, item)
        out.end_value(at)
    return 0


cdef int vector_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    if not is_array(value):
        raise TypeError(f"sized iterable container expected, got {type(value).__name__}")
    for i, item in enumerate(items_of(value)):
        if i:
            out.put_byte(c" ")
        codec.element.encode[TEXT](codec.element, out, item)
    return 0


cdef object vector_text_decode(Codec codec, Slice body):
    cdef list values = []
    cdef Slice rest = body
    cdef const char *at
    while rest.n:
        at = rest.at
        while rest.n and rest.at[0] != c" ":
            take_byte(&rest)
        values.append(codec.element.decode[TEXT](codec.element, slice_of(at, rest.at - at)))
        if skip(&rest, c" ") and rest.n == 0:
            raise refused(codec.name, "a number after each space", body)
    return values


cdef int register_vector(uint32_t oid, Codec element, uint32_t array_oid) except -1:
    cdef Codec vector = Codec(oid, f"{NAME_OF[oid]}[]", kind="array", element=element)
    vector.encode[TEXT] = vector_text_encode
    vector.decode[TEXT] = vector_text_decode
    vector.encode[BINARY] = vector_encode
    vector.decode[BINARY] = array_decode
    # In binary the server refuses an empty one, which it sends itself.
    vector.preferred = TEXT
    register_codec(vector)
    builtin(array_oid).name = vector.name
    return 0


cdef int register_all() except -1:
    register(OID_TID, TEXT, tid_text_encode, tid_text_decode, True)
    register(OID_TID, BINARY, tid_encode, tid_decode, True)
    register(OID_PG_LSN, TEXT, lsn_text_encode, lsn_text_decode, True)
    register(OID_PG_LSN, BINARY, lsn_encode, lsn_decode, True)
    for oid in (OID_PG_SNAPSHOT, OID_TXID_SNAPSHOT):
        register(oid, TEXT, snapshot_text_encode, snapshot_text_decode, True)
        register(oid, BINARY, snapshot_encode, snapshot_decode, True)
    register_vector(OID_INT2VECTOR, builtin(OID_INT2), OID_INT2VECTOR_ARRAY)
    register_vector(OID_OIDVECTOR, builtin(OID_OID), OID_OIDVECTOR_ARRAY)
    return 0


register_all()
