"""What the server's catalogue says of types that are not built in, remembered for all sessions that see the same one.

`TypeFacts` is one type; `read_facts` makes them of the rows of the catalogue query. A `TypeCache` belongs to one
database of one server: the connections of a pool share it, from several threads if need be.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from pgproto.errors import ProtocolError
from pgproto.living import Living

# pg_type.typtype, and `a` for an array, which the catalogue takes for a base type.
SCALAR, ENUM, COMPOSITE, DOMAIN, RANGE, MULTIRANGE, PSEUDO, ARRAY = "becdrmpa"


class TypeFacts(NamedTuple):
    """One type. `inner` is the element of an array, the base of a domain, the subtype of a range or the range of a
    multirange, 0 for others; `names` and `oids` are a composite's attributes in their order."""

    oid: int
    name: str
    schema: str
    typtype: str
    inner: int
    delimiter: str
    is_visible: bool
    names: tuple[str, ...] = ()
    oids: tuple[int, ...] = ()

    @property
    def parts(self) -> tuple[int, ...]:
        """The types that this one is made of."""
        return (self.inner, *self.oids) if self.inner else self.oids


def read_facts(rows: Iterable[Mapping[str, Any]]) -> list[TypeFacts]:
    """Return the facts that rows with the columns of the same names give; ProtocolError if they cannot be true."""
    return [checked(facts_of(row)) for row in rows]


def facts_of(row: Mapping[str, Any]) -> TypeFacts:
    try:
        return TypeFacts(row["oid"], row["name"], row["schema"], row["typtype"], row["inner"], row["delimiter"],
                         row["is_visible"], tuple(row["names"] or ()), tuple(row["oids"] or ()))
    except (KeyError, TypeError) as error:
        # The rows are read by the description that has come with them, which may be of anything.
        raise ProtocolError("the catalogue has answered with other columns than it was asked for") from error


def checked(facts: TypeFacts) -> TypeFacts:
    """Return facts that codecs can be made of: each attribute has a name and a type, nothing is NULL."""
    texts = (facts.name, facts.schema, facts.typtype, facts.delimiter, *facts.names)
    numbers = (facts.oid, facts.inner, *facts.oids)
    if (not all(isinstance(text, str) for text in texts) or not all(isinstance(number, int) for number in numbers)
            or len(facts.delimiter) != 1 or not facts.delimiter.isascii() or len(facts.names) != len(facts.oids)):
        raise ProtocolError(f"what the catalogue says of the type with oid {facts.oid} cannot be true", oid=facts.oid)
    return facts


class Forgetful(Protocol):
    """What remembers something that depends on types: a session's statements."""

    def clear(self) -> None: ...


class TypeCache:
    """The types of one database that somebody has asked for, and their codecs without any user's functions.

    `version` grows when what was known is forgotten; who keeps codecs compares it. `dependents` are told.
    """

    def __init__(self) -> None:
        self.facts: dict[int, TypeFacts] = {}
        self.codecs: dict[int, Any] = {}
        self.version = 0
        self.dependents: Living[Forgetful] = Living()

    def learn(self, facts: Iterable[TypeFacts]) -> None:
        """Remember types; one that is known already and has changed takes everything with it."""
        found = {fact.oid: fact for fact in facts}
        if any(oid in self.facts and self.facts[oid] != fact for oid, fact in found.items()):
            self.forget()
        self.facts.update(found)

    def forget(self) -> None:
        """Forget all types, and let the sessions forget what depends on them."""
        # New dicts: a thread that is building from the old ones does not see them change.
        self.facts = {}
        self.codecs = {}
        self.version += 1
        for dependent in self.dependents:
            dependent.clear()

    def named(self, name: str, schema: str) -> TypeFacts | None:
        """Return the type of a name, if it is known."""
        return next((fact for fact in list(self.facts.values()) if fact.name == name and fact.schema == schema), None)
