"""Hostile objects as arguments and as rows of a COPY: DataError, and not a byte of them left behind."""
from __future__ import annotations

import functools
import random
import struct
from typing import Any

from pgproto.codecs.codec import Codec
from pgproto.codecs.custom import custom_codec
from pgproto.codecs.registry import CodecRegistry, builtin_codec, builtin_oids
from pgproto.copy_reader import RowReader
from pgproto.copy_rows import RowWriter
from pgproto.errors import (
    DataError,
    DecodeError,
    InterfaceError,
    OutdatedSchemaCacheError,
    UnsupportedClientFeatureError,
)
from pgproto.messages.backend import Column
from pgproto.record import Record
from pgproto.statement import Statement
from tests.fuzz.harness import ALLOCATED_PER_BYTE, PROMISED, Broken, Case, Target, chunks, insist, typed
from tests.fuzz.hostile_objects import Endless, Liar, LyingList, LyingTuple, Raising, Stop, Surprise, hostile
from tests.fuzz.mutation import mutated
from tests.fuzz.values import BODIES, FACTS, NUMERICS, ROOM_OF_NUMERIC, registry
from tests.support.backend_bytes import row_body

ROUNDS = 6
OIDS = [*builtin_oids(), *[fact.oid for fact in FACTS]]
# The objects are large or deep themselves; what they may cost is not in proportion to what is sent.
ROOM = 1 << 21
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END = b"\xff\xff"


@functools.cache
def session_registry(is_users: bool) -> CodecRegistry:
    made = registry(has_users_codecs=False)
    if is_users:
        for oid, encoder in ((23, hostile_encoder), (25, hostile_encoder), (1082, lambda value: value)):
            base = builtin_codec(oid)
            assert base is not None
            made.set(oid, custom_codec(base, "tuple" if oid == 1082 else "text", encoder, str))
    return made


def hostile_encoder(value: Any) -> Any:
    """A user's encoder that returns whatever it has got."""
    return value


def writable(rng: random.Random, is_users: bool) -> int:
    while True:
        oid = rng.choice(OIDS)
        codec = session_registry(is_users).codec(oid)
        if codec is not None:
            return oid


def bind_values(message: bytes, n: int) -> list[bytes | None]:
    """The argument values of a Bind message for the unnamed portal of the statement `s`."""
    at = 5 + 1 + 2
    (n_formats,) = struct.unpack_from("!H", message, at)
    at += 2 + 2 * n_formats
    (n_values,) = struct.unpack_from("!H", message, at)
    insist(n_values == n, f"{n_values} values were sent, {n} were given")
    at += 2
    found: list[bytes | None] = []
    for _ in range(n):
        (length,) = struct.unpack_from("!i", message, at)
        insist(-1 <= length <= len(message) - at - 4, "a value reaches beyond its message")
        found.append(None if length == -1 else message[at + 4:at + 4 + length])
        at += 4 + max(length, 0)
    return found


def insist_readable(codec: Codec, body: bytes | None, value: Any) -> None:
    """What we have sent is what the type is read from."""
    if body is None or not codec.has_format(codec.preferred) or codec.runs_user_code:
        return
    try:
        codec.decode_value(body, codec.preferred)
    except (DecodeError, OverflowError, OutdatedSchemaCacheError):
        pass    # PostgreSQL holds it and Python's type does not, or it is a composite with too few values
    except ValueError as error:
        raise Broken(f"{value!r} was sent as {body!r}, which is no {codec.name}: {error}") from error


def make_arguments(rng: random.Random) -> Case:
    is_users = rng.random() < 0.15
    oids = tuple([writable(rng, is_users) for _ in range(rng.choice((1, 1, 2, 3)))])
    statement = Statement("select", "s", oids, None, session_registry(is_users))
    given = [[hostile(rng) for _ in oids] for _ in range(ROUNDS)]
    wholes = [rng.choice((tuple, list))(arguments) for arguments in given]
    wholes.append(rng.choice((Liar(2**62, [1]), Endless(), LyingTuple((1,)), LyingList([1]), Raising())))
    nulls = statement.encode_bind((None,) * len(oids))

    def run() -> list[Any]:
        sent: list[Any] = []
        for arguments in wholes:
            try:
                sent.append(statement.encode_bind(arguments))
            except (DataError, InterfaceError, Stop) as error:
                sent.append(error)
            except Surprise as error:
                # The sequence's own, which is not ours to name; a value's is told by its argument.
                insist(arguments is wholes[-1], f"{error!r} of a value has come through")
                sent.append(error)
        return sent

    def check(sent: Any) -> None:
        insist(statement.encode_bind((None,) * len(oids)) == nulls, "a failure has left something behind")
        for arguments, outcome in zip(given, sent, strict=False):
            if isinstance(outcome, bytes):
                insist(outcome[:1] == b"B" and len(outcome) == 1 + struct.unpack_from("!i", outcome, 1)[0],
                       "a Bind is not whole")
                for codec, body, value in zip(statement.parameter_codecs, bind_values(outcome, len(oids)), arguments,
                                              strict=True):
                    insist_readable(codec, body, value)

    return Case(ROOM // ALLOCATED_PER_BYTE, run, check)


def make_rows(rng: random.Random) -> Case:
    """Rows of a COPY: those that are refused leave nothing, the others are read again."""
    known = session_registry(False)
    oids = [writable(rng, False) for _ in range(rng.choice((1, 2, 3)))]
    codecs = tuple([known.codec_or_text(oid) for oid in oids])
    try:
        writer = RowWriter(tuple("abc"[:len(oids)]), codecs)
    except UnsupportedClientFeatureError:
        oids, codecs = [23], (known.codec_or_text(23),)
        writer = RowWriter(("a",), codecs)
    rows = [rng.choice((tuple, tuple, list))([rng.choice((None, hostile(rng))) for _ in oids]) for _ in range(ROUNDS)]
    rows.insert(rng.randrange(ROUNDS), rng.choice((Liar(len(oids), [None] * 9), Liar(2**62, [None]), Endless(), (), 5,
                                                   {},
                                                  Raising(), LyingList([None]), LyingTuple((None,)))))

    def run() -> int:
        n_taken = 0
        for row in (*rows, [None] * len(oids)):
            try:
                writer.put(row)
                n_taken += 1
            except (DataError, Stop, Surprise):
                pass
        return n_taken

    def check(n_taken: object) -> None:
        insist(writer.n_rows == n_taken, f"{n_taken} rows were taken, {writer.n_rows} counted")
        writer.end()
        stream = writer.take()
        if writer.format == "text":
            insist(stream.count(b"\n") == n_taken, f"{n_taken} rows are {stream.count(10)} lines")
            return
        names = tuple([Column(f"c{i}", 0, 0, oid, 0, -1, 1) for i, oid in enumerate(oids)])
        if all(codec.has_format(1) for codec in codecs):
            reader = RowReader(Statement("copy", "", (), names, known), Record)
            n_read = 0
            for part in row_by_row(stream, len(oids)):
                try:
                    n_read += len(reader.read(part))
                except OutdatedSchemaCacheError:
                    return      # a composite with too few values, which the server would refuse
                except DecodeError as error:
                    insist("date" in str(error) or "time" in str(error) or "interval" in str(error), str(error))
                    return
            reader.end()
            insist(n_read == n_taken, f"{n_taken} rows were taken, {n_read} are read")

    return Case(ROOM // ALLOCATED_PER_BYTE, run, check)


def row_by_row(stream: bytes, n_columns: int) -> list[bytes]:
    return [stream[at:at + 512] for at in range(0, len(stream), 512)] if n_columns else [stream]


def make_stream(rng: random.Random) -> Case:
    """COPY's binary format from the server, bent, in any pieces."""
    picked = [rng.choice([one for one in BODIES if one[1] == 1]) for _ in range(rng.choice((0, 1, 2, 3)))]
    names = tuple([Column(f"c{i}", 0, 0, oid, 0, -1, 1) for i, (oid, _, _) in enumerate(picked)])
    rows = [row_body(*[None if rng.random() < 0.2 else body for _, _, body in picked]) for _ in range(rng.randrange(4))]
    extension = rng.choice((b"", b"", b"extension"))
    stream = HEADER[:-4] + struct.pack("!i", len(extension)) + extension + b"".join(rows) + END
    if rng.random() < 0.85:
        stream = mutated(rng, stream)
    statement = Statement("copy", "", (), names, session_registry(False))
    cuts, others = chunks(rng, stream), chunks(rng, stream)

    readers = [RowReader(statement, Record) for _ in range(2)]

    def read(which: int, pieces: list[bytes]) -> tuple[list[Record], str]:
        """The rows, and the fault: in front of one no rows count."""
        found: list[Record] = []
        try:
            for piece in pieces:
                found += readers[which].read(piece)
            readers[which].end()
        except PROMISED as error:
            return [], type(typed(error)).__name__
        return found, ""

    def check(seen: Any) -> None:
        # As text, which costs more than the rows and is not theirs: nan is nan.
        seen, again = repr(seen), repr(read(1, others))
        insist(again == seen, f"another way of cutting the stream has another outcome: {seen}, {again}")

    n_numerics = len(rows) * sum(oid in NUMERICS for oid, _, _ in picked)
    return Case(len(stream) + n_numerics * ROOM_OF_NUMERIC // ALLOCATED_PER_BYTE, lambda: read(0, cuts), check)


ENCODE = Target("encode", make_arguments, short=800)
COPY_IN = Target("copy-in", make_rows, short=800)
COPY_OUT = Target("copy-out", make_stream, short=1500)
