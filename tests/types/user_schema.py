"""What the tests of users' own types share: a schema for one test, and an eye on what is sent."""
import contextlib
import itertools
import os

import pytest

from tests.support.features import SINCE

numbers = itertools.count(1)

TYPES = """
    create type mood as enum ('sad', 'happy', 'very, "happy" \\');
    create type pair as (a int, b text);
    create domain positive as int check (value > 0);
    create domain pairdom as pair;
    create type frange as range (subtype = float8 {multirange});
    create type nest as (m mood, ms mood[], p pair, ps pair[], n positive, f frange, doc jsonb);
    create table people (id int, gone int, name text, mood mood, address pair);
    alter table people drop column gone;
"""


needs_multiranges = pytest.mark.requires("multiranges")


class Eye:
    """Stands in a session's trace hook: `catalogue_queries` counts the questions about types, `kinds` all messages."""

    def __init__(self, connection) -> None:
        self.catalogue_queries = 0
        self.kinds = ""
        connection._session.frontend.tracer = self

    def sent(self, messages: bytes) -> None:
        self.catalogue_queries += messages.count(b"WITH RECURSIVE wanted")
        at = 0
        while at < len(messages):
            self.kinds += chr(messages[at])
            at += 1 + int.from_bytes(messages[at + 1:at + 5], "big")

    def received(self, kind: int, body: bytes) -> None:
        pass


@contextlib.asynccontextmanager
async def new_schema(connection):
    """A schema with TYPES in it, found without its name; it is dropped in the end."""
    name = f"user_types_{os.getpid()}_{next(numbers)}"
    has_multiranges = connection.get_server_version().major >= SINCE["multiranges"]
    types = TYPES.format(multirange=", multirange_type_name = fmultirange" if has_multiranges else "")
    await connection.execute(f"create schema {name}; set search_path to {name}, public; {types}")
    try:
        yield name
    finally:
        if not connection.is_closed():
            await connection.execute(f"drop schema {name} cascade")
