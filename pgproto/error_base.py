"""What an ErrorResponse or a NoticeResponse becomes: the machinery, without the 262 classes.

The classes are in sqlstate.py (generated), the errors that the client raises by itself in errors.py, which re-exports
everything; import from there. The one idea: defining a class with a `sqlstate` enters it into one registry, and the
registry alone decides which class a message of the server gets. A user's class enters in the same way.
"""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

# The fields of ErrorResponse and NoticeResponse, by their one-letter codes.
# https://www.postgresql.org/docs/current/protocol-error-fields.html
FIELD_ATTRIBUTES: Mapping[str, str] = {
    "S": "severity",
    "V": "severity_en",
    "C": "sqlstate",
    "M": "message",
    "D": "detail",
    "H": "hint",
    "P": "position",
    "p": "internal_position",
    "q": "internal_query",
    "W": "context",
    "s": "schema_name",
    "t": "table_name",
    "c": "column_name",
    "d": "data_type_name",
    "n": "constraint_name",
    "F": "server_source_filename",
    "L": "server_source_line",
    "R": "server_source_function",
}

# What the texts of errors may show: with `False` neither DETAIL nor the values of arguments, for logs that must not
# hold them. A list, so that who imports it sees the change; see asyncpg_core.exceptions.show_values.
VALUES_ARE_SHOWN = [True]

_CLASS_BY_SQLSTATE: dict[str, type[PostgresMessage]] = {}


class PostgresMessageMeta(type):
    """Enters every class that states a `sqlstate` of its own into the registry; a code taken twice is a TypeError."""

    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **kwargs: Any) -> Any:
        sqlstate = namespace.get("sqlstate")
        if sqlstate and sqlstate in _CLASS_BY_SQLSTATE:
            taken_by = _CLASS_BY_SQLSTATE[sqlstate].__name__
            raise TypeError(f"{name} has duplicate SQLSTATE code {sqlstate!r}, which is already defined by {taken_by}")
        cls = super().__new__(mcls, name, bases, namespace, **kwargs)
        if sqlstate:
            _CLASS_BY_SQLSTATE[sqlstate] = cls  # type: ignore[assignment]  # mypy sees a bare metaclass instance
        return cls


def class_of_sqlstate(sqlstate: str) -> type[PostgresMessage] | None:
    """Return the class that states exactly this SQLSTATE, None if no class does."""
    return _CLASS_BY_SQLSTATE.get(sqlstate)


class PostgresMessage(metaclass=PostgresMessageMeta):
    """The fields that errors and notices share; None where the server sent none."""

    severity: str | None = None
    severity_en: str | None = None
    sqlstate: ClassVar[str | None] = None  # an instance may hold another: an unknown code keeps its own
    message: str | None = None
    detail: str | None = None
    hint: str | None = None
    position: str | None = None
    internal_position: str | None = None
    internal_query: str | None = None
    context: str | None = None
    schema_name: str | None = None
    table_name: str | None = None
    column_name: str | None = None
    data_type_name: str | None = None
    constraint_name: str | None = None
    server_source_filename: str | None = None
    server_source_line: str | None = None
    server_source_function: str | None = None
    query: str | None = None

    def as_dict(self) -> dict[str, str]:
        """Return the fields that are set, by attribute name; `query` is not one of them."""
        held = {name: getattr(self, name) for name in FIELD_ATTRIBUTES.values()}
        return {name: value for name, value in held.items() if value is not None}

    def hold(self, fields: Mapping[str, str], query: str | None) -> None:
        """Set the attributes from the server's fields. Field codes that no version defines yet are dropped, as the
        protocol asks for."""
        # Past __setattr__: a log message refuses changes.
        self.__dict__["query"] = query
        for code, value in fields.items():
            if code in FIELD_ATTRIBUTES:
                self.__dict__[FIELD_ATTRIBUTES[code]] = value


class PostgresError(PostgresMessage, Exception):
    """An error that the server reported, or one raised by the client under the server's name for it.

    Keyword arguments of the constructor become attributes: `DataError(text, parameter=2, type_name="numeric")`.
    """

    def __init__(self, *args: object, **facts: object) -> None:
        super().__init__(*args)
        self.__dict__.update(facts)

    def __str__(self) -> str:
        return text_with_detail_and_hint(self.args, self.detail, self.hint)

    @classmethod
    def new(cls, fields: Mapping[str, str], query: str | None = None) -> PostgresError:
        """Return the exception of an ErrorResponse, ready to be raised.

        The class is that of the SQLSTATE, else that of the SQLSTATE's class (22999: DataError), else
        UnknownPostgresError. A known code under 01 or 02 gives an exception from the warnings' tree.
        """
        error_class = _error_class(fields.get("C", ""))
        error = error_class(fields.get("M", ""))
        error.hold(fields, query)
        return error


class FatalPostgresError(PostgresError):
    """Only a base in the tree; it says nothing of the severity FATAL."""


class UnknownPostgresError(FatalPostgresError):
    """An error whose SQLSTATE belongs to no class that we know."""


def _error_class(sqlstate: str) -> type[PostgresError]:
    exact = class_of_sqlstate(sqlstate)
    if exact is not None and issubclass(exact, Exception):
        return exact  # type: ignore[return-value]  # or a PostgresWarning, which can be raised too
    of_class = class_of_sqlstate(sqlstate[:2] + "000")
    if of_class is not None and issubclass(of_class, PostgresError):
        return of_class
    return UnknownPostgresError


class PostgresLogMessage(PostgresMessage):
    """A NoticeResponse as listeners get it. Immutable: one object goes to all of them."""

    def __str__(self) -> str:
        return f"{type(self).__name__}: {self.message}"

    def __setattr__(self, name: str, value: object) -> None:
        # A warning may be raised, and who carries an exception sets __traceback__ and __context__ on it.
        if not (name.startswith("__") and name.endswith("__")):
            raise TypeError(f"instances of {type(self).__name__} are immutable")
        super().__setattr__(name, value)

    def __setstate__(self, state: dict[str, Any] | None) -> None:
        self.__dict__.update(state or {})

    @classmethod
    def new(cls, fields: Mapping[str, str], query: str | None = None) -> PostgresMessage:
        """Return the object for a NoticeResponse.

        A known SQLSTATE decides the class, also where that is an error's (`CREATE TABLE IF NOT EXISTS` notices 42P07,
        a DuplicateTableError); else WARNING gives a PostgresWarning, all others a PostgresLogMessage.
        """
        log_class = class_of_sqlstate(fields.get("C", ""))
        if log_class is None and "WARNING" in (fields.get("V"), fields.get("S")):
            log_class = class_of_sqlstate("01000")
        if log_class is None:
            log_class = PostgresLogMessage
        # An exception takes the text, a plain log message nothing.
        arguments = (fields.get("M", ""),) if issubclass(log_class, BaseException) else ()
        notice = log_class(*arguments)
        notice.hold(fields, query)
        return notice


def text_with_detail_and_hint(args: tuple[object, ...], detail: str | None, hint: str | None) -> str:
    text = str(args[0]) if args else ""
    if detail and VALUES_ARE_SHOWN[0]:
        text += f"\nDETAIL:  {detail}"
    if hint:
        text += f"\nHINT:  {hint}"
    return text
