"""What makes calls: the methods of a connection as calls that do nothing until they are awaited.

A session, a pool and a connection that was given back each have a maker; they differ in the endpoint that the calls
belong to, and so in what happens at the first await. `timeout` is in seconds, None stands for the maker's default;
`prepare` is a mode, None for the connection's.
"""
cimport cython

from asyncpg_core.call cimport (
    COPY, DESCRIBE, EXECUTE_MANY, EXECUTE_SCRIPT, EXECUTE_STATEMENT, FETCH, FETCH_COLUMNS, FETCH_MANY, FETCHROW,
    FETCHVAL, PREPARE, RUN)
from asyncpg_core.statement_cache cimport AS_EVER, number_of_mode
from pgproto.operations.extended cimport Prepare
from pgproto.operations.operation cimport Operation

from asyncpg_core import naming
from pgproto.errors import InterfaceError
from pgproto.record import Record, check_record_class


cdef double seconds_of(timeout) except? -1:
    """Return a call's timeout in seconds, -1 for one that is over already; ValueError if it is no number."""
    if type(timeout) is bool or not isinstance(timeout, (int, float)) and not hasattr(timeout, "__float__"):
        raise ValueError(f"invalid timeout value: expected float, got {timeout!r}")
    cdef double seconds = float(timeout)
    if seconds != seconds:
        raise ValueError(f"invalid timeout value: expected a number of seconds, got {timeout!r}")
    if seconds <= 0:
        return -1
    return 0 if seconds > 1e9 else seconds


cdef str sql_text(sql):
    """Return the text of a statement as an exact str."""
    return sql if type(sql) is str else exact_text("the query", sql)


cdef str exact_text(str what, text):
    """Return a str that may be of a subclass as an exact one."""
    if not isinstance(text, str):
        raise InterfaceError(f"{what} must be a str, got {type(text).__name__}")
    return str.__str__(text) if type(str.__str__(text)) is str else "".join(text)


def refuse_unfit(record_class):
    """Raise InterfaceError unless `record_class` can be the class of rows."""
    try:
        check_record_class(record_class)
    except TypeError as error:
        if isinstance(record_class, type) and issubclass(record_class, Record):
            raise InterfaceError(
                f"record_class must not redefine __new__ or __init__, but {record_class!r} does") from None
        raise InterfaceError(f"record_class is expected to be a subclass of {naming.package}.Record, "
                             f"got {record_class!r}: {error}") from None


@cython.final
cdef class CallMaker:
    def __cinit__(self, Endpoint owner not None):
        self.owner = owner
        self.record_class = Record

    cdef Call new_call(self, str name, int kind, sql, arguments, timeout):
        cdef Call call = Call.__new__(Call)
        # First, because it may raise: a call without a name does not complain that nobody awaited it.
        call.timeout = self.default_timeout if timeout is None else seconds_of(timeout)
        call.owner = self.owner
        call.name = name
        call.kind = kind
        call.sql = sql
        call.arguments = arguments
        return call

    cdef type class_of(self, object record_class):
        """The class of a call's rows: the connection's, or a checked one of its own."""
        if record_class is None:
            return self.record_class
        if record_class is not Record:
            refuse_unfit(record_class)
        return record_class

    def fetch(self, sql, tuple arguments not None, timeout, record_class, prepare=None, statement=None, group=None):
        cdef int preparing = AS_EVER if prepare is None else number_of_mode(prepare)
        cdef type rows = self.class_of(record_class)
        cdef Call call = self.new_call("fetch", FETCH, sql, arguments, timeout)
        call.record_class = rows
        call.statement = statement
        call.group = group
        call.prepare = preparing
        return call

    def fetchrow(self, sql, tuple arguments not None, timeout, record_class, prepare=None, statement=None, group=None):
        cdef int preparing = AS_EVER if prepare is None else number_of_mode(prepare)
        cdef type rows = self.class_of(record_class)
        cdef Call call = self.new_call("fetchrow", FETCHROW, sql, arguments, timeout)
        call.record_class = rows
        call.statement = statement
        call.group = group
        call.prepare = preparing
        return call

    def fetchval(self, sql, tuple arguments not None, column, timeout, prepare=None, statement=None, group=None):
        cdef int preparing = AS_EVER if prepare is None else number_of_mode(prepare)
        cdef Call call = self.new_call("fetchval", FETCHVAL, sql, arguments, timeout)
        call.record_class = Record
        call.column = column
        call.statement = statement
        call.group = group
        call.prepare = preparing
        return call

    def fetch_columns(self, str name not None, sql, tuple arguments not None, timeout, order not None, prepare=None,
                      statement=None):
        """`order` is a ColumnOrder: how the columns are read, and what becomes of them."""
        cdef int preparing = AS_EVER if prepare is None else number_of_mode(prepare)
        cdef Call call = self.new_call(name, FETCH_COLUMNS, sql, arguments, timeout)
        call.column = order
        call.statement = statement
        call.prepare = preparing
        return call

    def execute(self, sql, tuple arguments not None, timeout, prepare=None, group=None):
        """Without arguments the text may hold any number of statements, except in a group."""
        cdef int preparing = AS_EVER if prepare is None else number_of_mode(prepare)
        cdef Call call = self.new_call(
            "execute", EXECUTE_STATEMENT if arguments or group is not None else EXECUTE_SCRIPT, sql, arguments, timeout)
        call.record_class = Record
        call.group = group
        call.prepare = preparing
        return call

    def executemany(self, sql, elements, timeout, prepare=None, *, statement=None, group=None,
                    bint return_status=False):
        cdef int preparing = AS_EVER if prepare is None else number_of_mode(prepare)
        cdef Call call = self.new_call("executemany", EXECUTE_MANY, sql, elements, timeout)
        call.record_class = Record
        call.statement = statement
        call.group = group
        call.column = True if return_status else None
        call.prepare = preparing
        return call

    def fetchmany(self, sql, elements, timeout, record_class, prepare=None, *, statement=None, group=None):
        cdef int preparing = AS_EVER if prepare is None else number_of_mode(prepare)
        cdef type rows = self.class_of(record_class)
        cdef Call call = self.new_call("fetchmany", FETCH_MANY, sql, elements, timeout)
        call.record_class = rows
        call.statement = statement
        call.group = group
        call.prepare = preparing
        return call

    def prepare(self, sql, name, timeout, make):
        """`make(op)` makes the value of the settled Prepare."""
        cdef Prepare op = Prepare(sql_text(sql), exact_text("the name of a statement", name))
        cdef Call call = self.new_call("prepare", PREPARE, sql, (), timeout)
        call.op = op
        call.extra = make
        return call

    def copy(self, str name not None, Operation op not None, timeout, turn not None):
        """Write a COPY in its turn; `turn` hears of its data, and `turn(op)` makes the value."""
        cdef Call call = self.new_call(name, COPY, None, (), timeout)
        call.op = op
        call.extra = turn
        return call

    def describe(self, str name not None, sql, timeout, prepare=None):
        """The value is the statement of a text as the cache has it, a CachedStatement."""
        cdef int preparing = AS_EVER if prepare is None else number_of_mode(prepare)
        cdef Call call = self.new_call(name, DESCRIBE, sql, (), timeout)
        call.prepare = preparing
        return call

    def seconds(self, timeout):
        """Return the seconds that a call with `timeout` may take: 0 without bound, below it when they are over."""
        return self.default_timeout if timeout is None else seconds_of(timeout)

    def run(self, str name not None, Operation op not None, timeout, make=None):
        """Write an operation in its turn; the value is `make(op)`, or the operation itself."""
        cdef Call call = self.new_call(name, RUN, None, (), timeout)
        call.op = op
        call.extra = make
        return call
