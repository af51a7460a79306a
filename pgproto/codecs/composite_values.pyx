"""What composites of both formats share: the attributes of a Python value, and the value that attributes make."""
from collections.abc import Mapping

from cpython.tuple cimport PyTuple_Check, PyTuple_CheckExact, PyTuple_GET_SIZE, PyTuple_GetSlice
from cpython.unicode cimport PyUnicode_Check

from pgproto.codecs.array_shape cimport is_array, items_of
from pgproto.codecs.nested cimport layout_error, nested_error
from pgproto.record cimport import_record, record_new, record_set_item, record_track

from pgproto.errors import DecodeError, MalformedBody, OutdatedSchemaCacheError, OutOfRange
from pgproto.record import Record

import_record()


cdef tuple values_of(Codec codec, object value):
    """The attributes of a value in their order: a sequence's items, a mapping's values, an object's attributes."""
    cdef tuple values
    if PyTuple_CheckExact(value):
        values = value
    elif PyTuple_Check(value):
        # What it holds, whatever the methods of a subclass say.
        values = PyTuple_GetSlice(value, 0, PyTuple_GET_SIZE(value))
    elif isinstance(value, Record):
        values = tuple(value)
    elif isinstance(value, Mapping):
        values = values_by_name(codec, value)
    elif codec.decoder is not None or hasattr(type(value), "__dataclass_fields__"):
        values = attributes_of(codec, value)
    elif not PyUnicode_Check(value) and is_array(value):
        values = items_of(value)
    else:
        raise TypeError(f"a sequence or mapping was expected, got {type(value).__name__}")
    if len(values) > len(codec.fields):
        raise layout_error(f"{codec.name} has {len(codec.fields)} attributes, {len(values)} values were given")
    return values


cdef tuple values_by_name(Codec codec, object value):
    names = codec.shape.names
    for key in value:
        if key not in names:
            raise layout_error(f"{key!r} is not a valid element of composite type {codec.name}")
    return tuple([value.get(name) for name in names])


cdef tuple attributes_of(Codec codec, object value):
    cdef list values = []
    for name in codec.shape.names:
        try:
            values.append(getattr(value, name))
        except AttributeError:
            raise TypeError(f"{codec.name} has the attribute {name!r}, {type(value).__name__} has none") from None
    return tuple(values)


cdef object field_error(Codec codec, Py_ssize_t i, object error):
    """What to raise for the error of attribute `i`."""
    cdef Codec field = codec.fields[i]
    name = codec.shape.names[i]
    found = nested_error(error, f".{name}", f"invalid value of attribute {name!r} ({field.name})")
    found.is_layout = True      # The attribute may be of another type by now.
    return found


cdef object outdated(Codec codec, str text, object position):
    """The error for a value that is not what its type was when we asked."""
    return OutdatedSchemaCacheError(f"{codec.schema}.{codec.name} has changed: {text}", schema=codec.schema,
                                    data_type=codec.name, position=position)


cdef object finished(Codec codec, object record):
    """What the user gets for a record whose values are all set: the record, or what his callable makes of it."""
    if not codec.is_leaf:
        record_track(record)
    if codec.decoder is not None:
        return codec.decoder(**dict(zip(codec.shape.names, record)))
    return record


cdef object value_of(Codec codec, list values):
    """What the user gets for the values of the attributes."""
    cdef Py_ssize_t i, n = len(values)
    record = record_new(Record, codec.shape, n)
    for i in range(n):
        record_set_item(record, i, values[i])
    return finished(codec, record)


cdef object field_refused(Codec codec, Py_ssize_t i, object error):
    """The error of an attribute that our own codec could not read: never mistaken for one of a user's decoder."""
    found = field_error(codec, i, error)
    if isinstance(found, (MalformedBody, DecodeError)):
        return found
    return (OutOfRange if isinstance(error, OverflowError) else MalformedBody)(*found.args)
