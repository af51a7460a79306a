"""point, box, lseg, line, path, polygon and circle, as the tuples and sequences of pgproto.types.

All coordinates are float8. The ones that have a fixed number of them are just these; the others say how many points:

  path: | is closed u8 | n i32 | (x, y) x n |    polygon: | n i32 | (x, y) x n |

Written are the types themselves or lists and tuples of the same parts; a path is closed as a tuple, open as a list.
"""
from cpython.float cimport PyFloat_AsDouble
from cpython.list cimport PyList_Check
from cpython.object cimport PyObject_Repr
from cpython.tuple cimport PyTuple_Check
from libc.stdint cimport int32_t

from pgproto.codecs.codec cimport BINARY, TEXT, Codec
from pgproto.codecs.floats cimport number_of
from pgproto.codecs.registry cimport register
from pgproto.codecs.scan cimport peek, refused, skip
from pgproto.oids cimport OID_BOX, OID_CIRCLE, OID_LINE, OID_LSEG, OID_PATH, OID_POINT, OID_POLYGON
from pgproto.wire cimport Slice, slice_of, take_byte, take_end, take_float8, take_int32
from pgproto.write_buffer cimport WriteBuffer

from pgproto.errors import MalformedBody
from pgproto.types import Box, Circle, Line, LineSegment, Path, Point, Polygon

cdef enum:
    POINTS_MAX = 0x7FFFFFFF // 16

cdef object new_tuple = tuple.__new__
cdef object point_type = Point
cdef object box_type = Box
cdef object segment_type = LineSegment
cdef object line_type = Line
cdef object circle_type = Circle
cdef object path_type = Path
cdef object make_path = Path.of_points
cdef object make_polygon = Polygon.of_points


# What a value is made of

cdef tuple parts_of(object value, Py_ssize_t n, str expected):
    """The `n` parts of a tuple or list."""
    cdef tuple parts
    if not PyTuple_Check(value) and not PyList_Check(value):
        raise TypeError(f"{expected} was expected, got {type(value).__name__}")
    parts = tuple(value)
    if len(parts) != n:
        raise ValueError(f"{expected} was expected, got {len(parts)} items")
    return parts


cdef tuple points_of(object value):
    """The points of a path or polygon."""
    if isinstance(value, path_type):
        return value.points
    if not PyTuple_Check(value) and not PyList_Check(value):
        raise TypeError(f"a Path, or a tuple or list of points, was expected, got {type(value).__name__}")
    if len(value) > POINTS_MAX:
        raise OverflowError(f"{POINTS_MAX} points are the limit, got {len(value)}")
    return tuple(value)


cdef bint is_closed(object value) except -1:
    return value.is_closed if isinstance(value, path_type) else PyTuple_Check(value)


# Binary

cdef int put_point(WriteBuffer out, object value) except -1:
    x, y = parts_of(value, 2, "a point (x, y)")
    out.put_float8(PyFloat_AsDouble(x))
    return out.put_float8(PyFloat_AsDouble(y))


cdef int point_encode(Codec codec, WriteBuffer out, object value) except -1:
    return put_point(out, value)


cdef int pair_encode(Codec codec, WriteBuffer out, object value) except -1:
    first, second = parts_of(value, 2, "two points ((x1, y1), (x2, y2))")
    put_point(out, first)
    return put_point(out, second)


cdef int line_encode(Codec codec, WriteBuffer out, object value) except -1:
    for part in parts_of(value, 3, "a line (A, B, C)"):
        out.put_float8(PyFloat_AsDouble(part))
    return 0


cdef int circle_encode(Codec codec, WriteBuffer out, object value) except -1:
    center, radius = parts_of(value, 2, "a circle ((x, y), radius)")
    put_point(out, center)
    return out.put_float8(PyFloat_AsDouble(radius))


cdef int polygon_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef tuple points = points_of(value)
    out.put_int32(<int32_t>len(points))
    for point in points:
        put_point(out, point)
    return 0


cdef int path_encode(Codec codec, WriteBuffer out, object value) except -1:
    out.put_byte(is_closed(value))
    return polygon_encode(codec, out, value)


cdef object take_point(Slice *body):
    cdef double x = take_float8(body)
    cdef double y = take_float8(body)
    return new_tuple(point_type, (x, y))


cdef object point_decode(Codec codec, Slice body):
    point = take_point(&body)
    take_end(&body)
    return point


cdef object take_pair(object pair_type, Slice body):
    first = take_point(&body)
    second = take_point(&body)
    take_end(&body)
    return new_tuple(pair_type, (first, second))


cdef object box_decode(Codec codec, Slice body):
    return take_pair(box_type, body)


cdef object lseg_decode(Codec codec, Slice body):
    return take_pair(segment_type, body)


cdef object line_decode(Codec codec, Slice body):
    cdef double a = take_float8(&body)
    cdef double b = take_float8(&body)
    cdef double c = take_float8(&body)
    take_end(&body)
    return new_tuple(line_type, (a, b, c))


cdef object circle_decode(Codec codec, Slice body):
    center = take_point(&body)
    cdef double radius = take_float8(&body)
    take_end(&body)
    return new_tuple(circle_type, (center, radius))


cdef tuple take_points(Codec codec, Slice body):
    cdef int32_t n = take_int32(&body)
    cdef list points = []
    if n < 0 or <Py_ssize_t>n * 16 != body.n:
        raise MalformedBody(f"{codec.name}: {n} points in {body.n} bytes")
    while body.n:
        points.append(take_point(&body))
    return tuple(points)


cdef object polygon_decode(Codec codec, Slice body):
    return make_polygon(take_points(codec, body))


cdef object path_decode(Codec codec, Slice body):
    cdef int closed = take_byte(&body)
    if closed > 1:
        raise MalformedBody(f"{codec.name}: 0 (open) or 1 (closed) was expected, got {closed}")
    return make_path(take_points(codec, body), closed == 1)


# Text

cdef str number_text(object value):
    return PyObject_Repr(float(PyFloat_AsDouble(value)))


cdef str point_text(object value):
    x, y = parts_of(value, 2, "a point (x, y)")
    return f"({number_text(x)},{number_text(y)})"


cdef str points_text(tuple points):
    return ",".join([point_text(point) for point in points])


cdef int point_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    return out.put_text(point_text(value))


cdef int box_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    return out.put_text(points_text(parts_of(value, 2, "two points ((x1, y1), (x2, y2))")))


cdef int lseg_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    return out.put_text(f"[{points_text(parts_of(value, 2, 'two points ((x1, y1), (x2, y2))'))}]")


cdef int line_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    a, b, c = parts_of(value, 3, "a line (A, B, C)")
    return out.put_text(f"{{{number_text(a)},{number_text(b)},{number_text(c)}}}")


cdef int circle_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    center, radius = parts_of(value, 2, "a circle ((x, y), radius)")
    return out.put_text(f"<{point_text(center)},{number_text(radius)}>")


cdef int polygon_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    return out.put_text(f"({points_text(points_of(value))})")


cdef int path_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    points = points_text(points_of(value))
    return out.put_text(f"({points})" if is_closed(value) else f"[{points}]")


cdef double take_number(Codec codec, Slice *text) except? -1.0:
    """Take a float, up to what ends it."""
    cdef const char *at = text.at
    while text.n and text.at[0] not in b",()[]{}<>":
        take_byte(text)
    return number_of(codec, slice_of(at, text.at - at))


cdef object expect(Codec codec, Slice *text, char byte, Slice whole):
    if not skip(text, byte):
        raise refused(codec.name, f"{chr(byte)!r}", whole)


cdef object take_text_point(Codec codec, Slice *text, Slice whole):
    expect(codec, text, c"(", whole)
    cdef double x = take_number(codec, text)
    expect(codec, text, c",", whole)
    cdef double y = take_number(codec, text)
    expect(codec, text, c")", whole)
    return new_tuple(point_type, (x, y))


cdef tuple take_text_points(Codec codec, Slice *text, Slice whole):
    cdef list points = [take_text_point(codec, text, whole)]
    while skip(text, c","):
        points.append(take_text_point(codec, text, whole))
    return tuple(points)


cdef object ended(Codec codec, object value, Slice rest, Slice whole):
    if rest.n:
        raise refused(codec.name, "the end", whole)
    return value


cdef object point_text_decode(Codec codec, Slice body):
    cdef Slice rest = body
    point = take_text_point(codec, &rest, body)
    return ended(codec, point, rest, body)


cdef object box_text_decode(Codec codec, Slice body):
    cdef Slice rest = body
    points = take_text_points(codec, &rest, body)
    if len(points) != 2:
        raise refused(codec.name, "two points", body)
    return ended(codec, new_tuple(box_type, points), rest, body)


cdef object lseg_text_decode(Codec codec, Slice body):
    cdef Slice rest = body
    expect(codec, &rest, c"[", body)
    points = take_text_points(codec, &rest, body)
    expect(codec, &rest, c"]", body)
    if len(points) != 2:
        raise refused(codec.name, "two points", body)
    return ended(codec, new_tuple(segment_type, points), rest, body)


cdef object line_text_decode(Codec codec, Slice body):
    cdef Slice rest = body
    expect(codec, &rest, c"{", body)
    cdef double a = take_number(codec, &rest)
    expect(codec, &rest, c",", body)
    cdef double b = take_number(codec, &rest)
    expect(codec, &rest, c",", body)
    cdef double c = take_number(codec, &rest)
    expect(codec, &rest, c"}", body)
    return ended(codec, new_tuple(line_type, (a, b, c)), rest, body)


cdef object circle_text_decode(Codec codec, Slice body):
    cdef Slice rest = body
    expect(codec, &rest, c"<", body)
    center = take_text_point(codec, &rest, body)
    expect(codec, &rest, c",", body)
    cdef double radius = take_number(codec, &rest)
    expect(codec, &rest, c">", body)
    return ended(codec, new_tuple(circle_type, (center, radius)), rest, body)


cdef object polygon_text_decode(Codec codec, Slice body):
    cdef Slice rest = body
    expect(codec, &rest, c"(", body)
    points = take_text_points(codec, &rest, body)
    expect(codec, &rest, c")", body)
    return ended(codec, make_polygon(points), rest, body)


cdef object path_text_decode(Codec codec, Slice body):
    cdef Slice rest = body
    cdef bint is_open = peek(&rest) == c"["
    expect(codec, &rest, c"[" if is_open else c"(", body)
    points = take_text_points(codec, &rest, body)
    expect(codec, &rest, c"]" if is_open else c")", body)
    return ended(codec, make_path(points, not is_open), rest, body)


# Tuples of floats and of each other cannot be part of a cycle; paths have slots, which can be set.
register(OID_POINT, TEXT, point_text_encode, point_text_decode, True)
register(OID_POINT, BINARY, point_encode, point_decode, True)
register(OID_BOX, TEXT, box_text_encode, box_text_decode, True).delimiter = c";"
register(OID_BOX, BINARY, pair_encode, box_decode, True)
register(OID_LSEG, TEXT, lseg_text_encode, lseg_text_decode, True)
register(OID_LSEG, BINARY, pair_encode, lseg_decode, True)
register(OID_LINE, TEXT, line_text_encode, line_text_decode, True)
register(OID_LINE, BINARY, line_encode, line_decode, True)
register(OID_CIRCLE, TEXT, circle_text_encode, circle_text_decode, True)
register(OID_CIRCLE, BINARY, circle_encode, circle_decode, True)
register(OID_PATH, TEXT, path_text_encode, path_text_decode)
register(OID_PATH, BINARY, path_encode, path_decode)
register(OID_POLYGON, TEXT, polygon_text_encode, polygon_text_decode)
register(OID_POLYGON, BINARY, polygon_encode, polygon_decode)
