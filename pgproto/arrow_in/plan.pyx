"""Which PostgreSQL types an Arrow type can become.

All of it is decided from the two types before a COPY begins. A value is never read as something else than its type
says: no text becomes a number, no number a text, and a timestamp with a zone is an instant, one without is not. The
user's own codecs have no part in this: what is sent is the type's wire format.
"""
from pgproto.arrow_in.column cimport ArrowColumn
from pgproto.arrow_in.decimals cimport settle_numeric
from pgproto.arrow_in.floats cimport settle_float
from pgproto.arrow_in.integers cimport settle_bool, settle_integer
from pgproto.arrow_in.nested cimport settle_dictionary, settle_list, settle_null, settle_struct
from pgproto.arrow_in.texts cimport settle_bytes, settle_text, settle_uuid
from pgproto.arrow_in.times cimport settle_date, settle_interval, settle_time, settle_timestamp
from pgproto.codecs.codec cimport Codec

from pgproto.errors import DataError

cdef frozenset LISTS = frozenset({"list", "large_list", "fixed_size_list"})
# Types with a binary form that is their text, but whose codec knows the text form only.
cdef frozenset TEXT_BY_NAME = frozenset({"citext"})


cdef ArrowColumn new_column(object field, Codec codec, str path):
    """Return the column that puts values of an Arrow field as values of a type; DataError if the two do not fit."""
    while codec.base is not None:
        codec = codec.base
    cdef ArrowColumn column = ArrowColumn(path, field, codec)
    if field.dictionary is not None:
        settle_dictionary(column, new_column(field.dictionary, codec, path))
    elif field.kind == "null":
        settle_null(column)
    elif codec.kind == "array" and field.kind in LISTS:
        plan_list(column)
    elif codec.kind == "composite" and field.kind == "struct":
        plan_struct(column)
    elif codec.kind != "scalar" or not plan_scalar(column):
        refuse(column)
    return column


cdef int refuse(ArrowColumn column, str why="") except -1:
    raise DataError(
        f"column {column.path!r}: {column.field} of Arrow cannot be copied into {column.codec.name}{why}",
        column=column.path, arrow_type=str(column.field), type_name=column.codec.name)


cdef bint plan_scalar(ArrowColumn column) except -1:
    """Settle what a column of single values does; False if the two types do not fit."""
    cdef str name = column.codec.name
    if column.codec.binary_is_text or name in TEXT_BY_NAME:
        return settle_text(column, False)
    if column.codec.schema != "pg_catalog":
        return False
    if name in ("int2", "int4", "int8", "oid"):
        return settle_integer(column, name)
    if name in ("float4", "float8"):
        return settle_float(column, name)
    if name in ("timestamp", "timestamptz"):
        return settle_timestamp(column, name == "timestamptz")
    return plan_other(column, name)


cdef bint plan_other(ArrowColumn column, str name) except -1:
    if name == "bool":
        return settle_bool(column)
    if name == "numeric":
        return settle_numeric(column)
    if name == "date":
        return settle_date(column)
    if name == "time":
        return settle_time(column)
    if name == "interval":
        return settle_interval(column)
    if name == "bytea":
        return settle_bytes(column)
    if name == "uuid":
        return settle_uuid(column)
    return name in ("jsonb", "jsonpath") and settle_text(column, True)


cdef int plan_list(ArrowColumn column) except -1:
    """A list of lists is an array of more dimensions, whose codec is the same."""
    cdef object inner = column.field.children[0]
    cdef ArrowColumn child
    if inner.dictionary is None and inner.kind in LISTS:
        child = ArrowColumn(f"{column.path}[]", inner, column.codec)
        plan_list(child)
    else:
        child = new_column(inner, column.codec.element, f"{column.path}[]")
    return settle_list(column, child, child.depth + 1 if child.codec is column.codec else 1)


cdef int plan_struct(ArrowColumn column) except -1:
    """The fields of a struct are attributes of the composite by their names, in any order."""
    cdef Codec codec = column.codec
    names = codec.shape.names
    given = [field.name for field in column.field.children]
    if sorted(given) != sorted(names):
        refuse(column, f", whose attributes are {', '.join(names) or 'none'}")
    attribute = dict(zip(names, codec.fields))
    children = tuple([new_column(field, attribute[field.name], f"{column.path}.{field.name}")
                      for field in column.field.children])
    by_name = dict(zip(given, children))
    settle_struct(column, children, tuple([by_name[name] for name in names]))
    return 0
