"""What the server tells about itself, its rows and its errors: descriptions, error fields, the framing, the start-up.
"""
from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import pickle
import random
import struct
from collections.abc import Callable
from typing import Any

from pgproto import auth
from pgproto.certificate import end_point_binding
from pgproto.errors import MalformedBody, ProtocolError, server_error, server_message
from pgproto.frontend import Frontend
from pgproto.operations.extended import Execute, Prepare
from pgproto.operations.startup import PROTOCOL_3_0, PROTOCOL_3_2, Startup
from pgproto.row_sinks import Records
from pgproto.scram import ScramKeys
from pgproto.secret import Secret
from tests.fuzz.harness import Case, Target, chunks, insist, typed
from tests.fuzz.mutation import EDGES_32, mutated, shuffled
from tests.support.backend_bytes import (
    NO_DATA,
    PARSED,
    authentication,
    backend_key_data,
    error,
    fields,
    message,
    negotiate,
    notice,
    parameter_description,
    parameter_status,
    ready,
    ready_frontend,
    row_description,
    statement,
)

NONCE = b"rOprNGfwEbeRWgbNEkqO"
PASSWORD = "pencil"
CODES = "SVCMDHPpqWstcdnFLR?x"
SQLSTATES = ("00000", "01000", "23505", "57P01", "0A000", "22999", "XX", "", "\N{SNOWMAN}", "22P02", "P0001", "42P07")


def play(frontend: Frontend, parts: list[bytes], serve: Callable[[Any], None]) -> list[Any]:
    """Feed until the end or the session is dead; return what settled."""
    settled = []
    try:
        for part in parts:
            events = frontend.receive(part)
            while events:
                for op in events:
                    settled.append(op) if op.is_settled else serve(op)
                events = frontend.resume()
        frontend.resume()
    except ProtocolError as refused:
        insist(frontend.dead is refused, f"the session goes on after {refused!r}")
        typed(refused)
    return settled


def no_ask(op: Any) -> None:
    insist(False, f"{op!r} asks")


def make_framing(rng: random.Random) -> Case:
    """Headers that lie, to sessions in several states, in any pieces."""
    stream = b""
    for _ in range(rng.randrange(1, 8)):
        kind = rng.choice((*b"TtDdENAZSCKRI123scGHWnv", rng.randrange(256)))
        n = rng.choice((0, 1, 4, 5, rng.randrange(40), 30_000 - 4, 30_000 - 3))
        length = n + 4 if rng.random() < 0.7 else rng.choice(EDGES_32)
        stream += bytes([kind]) + struct.pack("!I", length) + rng.randbytes(min(n, 200)).ljust(n, b"\0")
    state = rng.randrange(3)

    def begun() -> Frontend:
        frontend = Frontend() if state == 0 else ready_frontend()
        if state == 0:
            frontend.submit(Startup({"user": "u"}, auth.Authentication(auth.AuthOptions("u", False, True))))
        elif state == 2:
            frontend.submit(Execute(statement(), (), Records()))
        return frontend

    one, other = begun(), begun()
    cuts, others = chunks(rng, stream), chunks(rng, stream)

    def answer(op: Any) -> None:
        op.answer("")

    def check(settled: Any) -> None:
        again = play(other, others, answer)
        seen = [(one.dead is None, len(settled), one.parameters, one.notices, one.notifications),
                (other.dead is None, len(again), other.parameters, other.notices, other.notifications)]
        insist(seen[0] == seen[1], f"another way of cutting the stream has another outcome: {seen}")
        insist(one.input.capacity <= 65536 + 4 * len(stream), f"a receive buffer of {one.input.capacity} bytes")

    return Case(len(stream), lambda: play(one, cuts, answer), check)


def make_descriptions(rng: random.Random) -> Case:
    """ParameterDescription and RowDescription, and what a statement makes of them."""
    columns = [(rng.choice(("a", "b", "", "x" * 70, "\N{SNOWMAN}")), rng.choice((23, 25, 1700, 2249, 99999, 0)),
                rng.choice((0, 1))) for _ in range(rng.choice((0, 1, 3, 40)))]
    answer = [PARSED, parameter_description(*[rng.choice((0, 23, 25, 2**32 - 1)) for _ in range(rng.randrange(4))]),
              row_description(*columns) if columns else NO_DATA, ready()]
    at = rng.choice((1, 2))
    answer[at] = message(answer[at][0], mutated(rng, answer[at][5:]))
    frontend, op = ready_frontend(), Prepare("select $1", "x")
    frontend.submit(op)
    stream = b"".join(answer)
    cuts = chunks(rng, stream)

    def check(settled: Any) -> None:
        insist(bool(settled) == op.is_settled, "an operation has settled unseen")
        if settled and op.error is None:
            described = op.columns or ()
            made = statement("select", "x", op.parameter_oids, [(column.name, column.type_oid) for column in described])
            insist(len(made.column_codecs) == len(described), "a column has no codec")

    return Case(len(stream), lambda: play(frontend, cuts, no_ask), check)


def make_errors(rng: random.Random) -> Case:
    """The fields of errors and notices: objects that can be shown, copied and pickled."""
    given = {rng.choice(CODES): rng.choice(("ERROR", "FATAL", "NOTICE", "WARNING", "text", "", "\N{SNOWMAN}" * 9))
             for _ in range(rng.randrange(9))}
    given["C"] = rng.choice(SQLSTATES)
    body = fields(**given) if rng.random() < 0.3 else mutated(rng, fields(**given))
    op = Prepare("select 1")
    frontend = ready_frontend()
    frontend.submit(op)
    kind = rng.choice("EEN")
    stream = message(kind, body) + ready()
    cuts = chunks(rng, stream)

    def check(_: object) -> None:
        for told in (*([op.error] if op.error else []), *[server_message(one) for one in frontend.notices],
                     *[server_error(one) for one in frontend.notices]):
            insist(isinstance(str(told) + repr(told), str), "an error cannot be shown")
            twin = pickle.loads(pickle.dumps(told))
            insist(twin.as_dict() == told.as_dict() == copy.copy(told).as_dict(), "an error is another when copied")

    return Case(len(stream), lambda: play(frontend, cuts, no_ask), check)


def scram_stream(rng: random.Random) -> list[bytes]:
    """What a server says to SCRAM; whether the proof is right it does not look."""
    salt, iterations = rng.randbytes(rng.randrange(1, 20)), rng.choice((1, 4096, 20_000, 20_001, 1_000_001))
    extended = rng.choice((NONCE + b"more", NONCE, b"other"))
    first = b"r=%s,s=%s,i=%d" % (extended, base64.b64encode(salt), iterations)
    bare = b"n=,r=" + NONCE
    without_proof = b"c=biws,r=" + extended
    signature = hmac.digest(b"server key".ljust(32), b",".join((bare, first, without_proof)), "sha256")
    final = rng.choice((b"v=" + base64.b64encode(signature), b"v=AAAA", b"e=other-error"))
    return [authentication(10, rng.choice((b"SCRAM-SHA-256\0\0", b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0", b"X\0\0"))),
            authentication(11, first), authentication(12, final), authentication()]


def make_startup(rng: random.Random) -> Case:
    """Authentication by every method, the rest of a start, and strangers."""
    way = rng.randrange(6)
    methods = [[authentication()], [authentication(3), authentication()], [authentication(5, b"salt"),
                                                                           authentication()],
               scram_stream(rng), [authentication(7), authentication(8, b"token"), authentication()],
               [authentication(rng.randrange(-1, 14), rng.randbytes(rng.randrange(8)))]]
    answer = [*([negotiate(rng.choice((0x30000, 0, 0x30003)))] if rng.random() < 0.2 else []),
              *([notice()] if rng.random() < 0.2 else []), *methods[way],
              parameter_status("server_version", "17"), backend_key_data(1, rng.randbytes(rng.choice((4, 32, 3, 257)))),
              *([error(severity="FATAL")] if rng.random() < 0.1 else []), ready()]
    if rng.random() < 0.7:
        answer = shuffled(rng, answer)
    options = auth.AuthOptions("u", rng.random() < 0.5, rng.random() < 0.5,
                               channel_binding=rng.choice(("prefer", "disable", "require")),
                               require_auth=rng.choice((None, "scram-sha-256", "!md5,!none")),
                               server_certificate=rng.choice((None, CERTIFICATE, mutated(rng, CERTIFICATE))))
    version = rng.choice((PROTOCOL_3_0, PROTOCOL_3_2))
    logins = [auth.Authentication(options, nonce=NONCE) for _ in range(2)]
    startups = [Startup({"user": "u"}, login, version=version) for login in logins]
    stream = b"".join(answer)
    cuts, others = chunks(rng, stream), chunks(rng, stream)

    def started(startup: Startup) -> Frontend:
        frontend = Frontend()
        frontend.submit(startup)
        return frontend

    one, other = map(started, startups)

    def check(settled: Any) -> None:
        again = play(other, others, answer_startup)
        seen = [(type(f.dead), f.is_ready, f.parameters, f.backend_key, repr(f.farewell), f.take_output())
                for f in (one, other)]
        insist(seen[0] == seen[1] and len(settled) == len(again),
               f"another way of cutting the stream has another outcome: {seen}")
        if one.is_authenticated:
            insist_allowed(options, logins[0])

    return Case(len(stream), lambda: play(one, cuts, answer_startup), check)


def insist_allowed(options: auth.AuthOptions, login: auth.Authentication) -> None:
    """Whoever has let us in did it in a way that the policy allows."""
    refused = {None: (), "scram-sha-256": ("none", "md5", "password", "gss", "sspi"), "!md5,!none": ("md5", "none")}
    insist(login.method not in refused[options.require_auth], f"{login.method} has let us in against the policy")
    insist(options.channel_binding != "require" or login.is_channel_bound, "the channel is not bound")


def answer_startup(op: Any) -> None:
    """Answer what a Startup asks; keys are not derived, which is the caller's time and not the core's."""
    question = op.question
    if isinstance(question, auth.AskKeys):
        insist(question.iterations <= 1_000_000, f"{question.iterations} iterations were to be computed")
        op.answer(ScramKeys(b"client key".ljust(32), b"server key".ljust(32)))
    elif isinstance(question, auth.AskToken):
        op.answer(auth.Token(b"ours", is_complete=question.received is not None))
    else:
        op.answer(Secret(PASSWORD))


def der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return (bytes([tag, len(body)]) if len(body) < 128 else bytes([tag, 0x82]) + struct.pack("!H", len(body))) + body


# The parts of a certificate that the channel binding reads: sha256WithRSAEncryption, and RSASSA-PSS with SHA-384.
SHA256_WITH_RSA = der(6, bytes.fromhex("2a864886f70d01010b"))
PSS = der(6, bytes.fromhex("2a864886f70d01010a")) + der(
    0x30, der(0xA0, der(0x30, der(6, bytes.fromhex("608648016503040202")))))
CERTIFICATE = der(0x30, der(0x30, bytes(100)), der(0x30, SHA256_WITH_RSA, b"\5\0"), der(3, bytes(33)))
PSS_CERTIFICATE = der(0x30, der(0x30, bytes(200)), der(0x30, PSS), der(3, bytes(33)))


def make_certificate(rng: random.Random) -> Case:
    given = mutated(rng, rng.choice((CERTIFICATE, PSS_CERTIFICATE)), most=5)

    def run() -> object:
        try:
            return end_point_binding(given)
        except MalformedBody as error:
            return error

    def check(found: object) -> None:
        insist(found is None or isinstance(found, MalformedBody) or len(found) in DIGESTS, f"a binding of {found!r}")

    return Case(len(given), run, check)


DIGESTS = {hashlib.new(name).digest_size for name in ("sha224", "sha256", "sha384", "sha512")}

FRAMING = Target("framing", make_framing, short=1500)
DESCRIPTIONS = Target("descriptions", make_descriptions, short=800)
ERRORS = Target("errors", make_errors, short=800)
STARTUP = Target("startup", make_startup, short=800)
CERTIFICATES = Target("certificate", make_certificate, short=1000)
