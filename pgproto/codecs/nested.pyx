"""Errors of values inside values: what an array, a composite or a range makes of the error of one of its parts.

`path` grows from the inside out, so that who encodes an argument can say `$2[3].city`.
"""
from pgproto.errors import DecodeError, MalformedBody, OutOfRange


cdef object layout_error(str text):
    """A value that has other attributes than its composite type, as far as we know that: it may have changed."""
    error = ValueError(text)
    error.is_layout = True
    return error


cdef object nested_error(object error, str step, str text):
    """What to raise for the error of a part: the same kind, its text after `text`, its path behind `step`."""
    cdef object found = ValueError
    for kind in (MalformedBody, OutOfRange, OverflowError, TypeError):
        if isinstance(error, kind):
            found = kind
            break
    outer = found(f"{text}: {error}")
    outer.path = step + getattr(error, "path", "")
    outer.is_layout = getattr(error, "is_layout", False)
    return outer


cdef bint is_users(Codec codec, object error) except -1:
    """Whether a decoder of the user's has raised `error`: it surfaces as it is."""
    return codec.runs_user_code and not isinstance(error, (MalformedBody, DecodeError))
