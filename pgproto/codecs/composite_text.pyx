r"""Composite values in the text format, which is used when an attribute has no binary one.

  (1,,"a \\ ""quoted"" one","")

Nothing between two commas is NULL. We quote every value that we write.
"""
from pgproto.codecs.array_text cimport put_quoted
from pgproto.codecs.codec cimport TEXT
from pgproto.codecs.composite_values cimport field_refused, field_error, outdated, value_of, values_of
from pgproto.codecs.nested cimport is_users
from pgproto.codecs.scan cimport peek, refused, skip, take_quoted
from pgproto.codecs.utf8 cimport decode_in_utf8, encode_in_utf8, reads_other, str_of
from pgproto.limits cimport FIELDS_MAX
from pgproto.wire cimport slice_of, take_end

from pgproto.errors import MalformedBody


cdef int composite_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef Codec field
    cdef WriteBuffer text = WriteBuffer()
    cdef Py_ssize_t i
    if out.encoding is not None:
        return encode_in_utf8(composite_text_encode, codec, out, value)
    out.put_byte(c"(")
    for i, item in enumerate(values_of(codec, value)):
        if i:
            out.put_byte(c",")
        if item is None:
            continue
        field = codec.fields[i]
        text.cut(0)
        try:
            field.encode[TEXT](field, text, item)
        except (TypeError, ValueError, OverflowError) as error:
            raise field_error(codec, i, error) from error
        put_quoted(out, slice_of(text.start, text.length))
    return out.put_byte(c")")


cdef object composite_text_decode(Codec codec, Slice body):
    cdef Slice text = body
    cdef Codec field
    cdef Py_ssize_t n = len(codec.fields)
    cdef WriteBuffer value = WriteBuffer()
    cdef list values = []
    if reads_other():
        return decode_in_utf8(composite_text_decode, codec, body)
    open_parenthesis(codec, &text)
    while not (n == 0 and peek(&text) == c")"):
        if len(values) == n:
            raise outdated(codec, f"unexpected number of attributes of composite type: more than {n}", None)
        if is_null(&text):
            values.append(None)
        else:
            take_quoted(&text, b",)", value)
            field = codec.fields[len(values)]
            try:
                values.append(field.decode[TEXT](field, slice_of(value.start, value.length)))
            except (ValueError, OverflowError) as error:
                if is_users(field, error):
                    raise
                raise field_refused(codec, len(values), error) from error
        if not skip(&text, c","):
            break
    close_parenthesis(codec, &text)
    if len(values) != n:
        raise outdated(codec, f"unexpected number of attributes of composite type: {len(values)}, expected {n}", None)
    return value_of(codec, values)


cdef object record_text_decode(Codec codec, Slice body):
    """The text of a `record` does not name its types: a tuple of str."""
    cdef Slice text = body
    cdef WriteBuffer value = WriteBuffer()
    cdef list values = []
    if reads_other():
        return decode_in_utf8(record_text_decode, codec, body)
    open_parenthesis(codec, &text)
    if text.n == 1 and text.at[0] == c")":
        return ()
    while True:
        if len(values) == FIELDS_MAX:
            raise MalformedBody(f"{codec.name}: more than {FIELDS_MAX} elements")
        if is_null(&text):
            values.append(None)
        else:
            take_quoted(&text, b",)", value)
            values.append(str_of(slice_of(value.start, value.length)))
        if not skip(&text, c","):
            break
    close_parenthesis(codec, &text)
    return tuple(values)


cdef int open_parenthesis(Codec codec, Slice *text) except -1:
    cdef Slice whole = text[0]
    if not skip(text, c"("):
        raise refused(codec.name, "a value in parentheses", whole)
    return 0


cdef int close_parenthesis(Codec codec, Slice *text) except -1:
    cdef Slice whole = text[0]
    if not skip(text, c")"):
        raise refused(codec.name, "a comma or the closing parenthesis", whole)
    return take_end(text)


cdef bint is_null(Slice *text) noexcept:
    cdef int byte = peek(text)
    return byte == c"," or byte == c")"
