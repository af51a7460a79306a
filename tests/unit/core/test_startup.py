"""The start of a session: authentication's asks, limits before it, strangers, farewells."""

import base64
import hashlib
import hmac
import struct

import pytest

from pgproto import auth
from pgproto.errors import InterfaceError, PostgresError, ProtocolError
from pgproto.frontend import Frontend
from pgproto.operations.extended import Close, Execute
from pgproto.operations.startup import PROTOCOL_3_0, PROTOCOL_3_2, Startup
from tests.support.backend_bytes import (
    BOUND,
    CLOSED,
    authentication,
    backend_key_data,
    cstring,
    data_row,
    drive,
    error,
    fields,
    header,
    int4,
    message,
    negotiate,
    new_startup,
    notice,
    parameter_status,
    pieces,
    ready,
    ready_frontend,
    split_messages,
    statement,
)

OPENED = parameter_status("server_version", "17.0") + backend_key_data(5, b"wxyz") + ready()


def begun(op=None, **options):
    frontend = Frontend()
    op = op or new_startup(**options)
    frontend.submit(op)
    frontend.take_output()
    return frontend, op


def is_started(frontend, op):
    return (
        frontend.is_ready,
        frontend.is_authenticated,
        frontend.backend_pid,
        frontend.backend_key,
        frontend.parameters,
        frontend.pending(),
        op.is_settled,
        op.error,
        frontend.transaction_status,
        frontend.n_status_changes,
    ) == (True, True, 5, b"wxyz", {"server_version": "17.0"}, [], True, None, "I", 0)


def test_trust_starts_a_session_for_every_split():
    answer = notice() + authentication() + OPENED
    for cut in range(len(answer) + 1):
        frontend, op = begun()
        assert drive(frontend, pieces(answer, cut)) == [op]
        assert is_started(frontend, op)


@pytest.mark.parametrize(
    ("request_", "sent"),
    [
        (authentication(3), b"secret\0"),
        (authentication(5, b"salt"), b"md5" + b"da1ab72d3dc07a51d8d31f3ac0b5e7ce\0"),
    ],
)
def test_a_password_is_asked_for_and_sent(request_, sent):
    answer = request_ + authentication() + OPENED
    for cut in range(len(answer) + 1):
        frontend, op = begun()
        asked = []

        def serve(op, asked=asked):
            asked.append(op.question)
            op.answer("secret")
            assert op.question is None

        assert drive(frontend, pieces(answer, cut), serve) == [op]
        assert asked == [auth.AskPassword()]
        [(kind, body)] = split_messages(frontend.take_output())
        assert kind == "p" and len(body) == len(sent)
        if request_ == authentication(3):
            assert body == sent
        assert is_started(frontend, op)


def test_nothing_is_read_while_an_ask_waits():
    frontend, op = begun()
    assert frontend.receive(authentication(3) + authentication() + OPENED) == [op]
    assert (op.is_full, op.question) == (True, auth.AskPassword())
    assert frontend.resume() == []
    op.answer("secret")
    assert frontend.resume() == [op]
    assert is_started(frontend, op)


def test_scram_asks_for_password_and_keys():
    # The server's part of RFC 5802, section 3, by hand.
    nonce, iterations = b"rOprNGfwEbeRWgbNEkqO", 4096
    options = auth.AuthOptions(user="user", is_encrypted=False, is_local=True)
    frontend, op = begun(Startup({"user": "user"}, auth.Authentication(options, nonce=nonce)))
    frontend.receive(authentication(10, b"SCRAM-SHA-256\0\0"))
    [(kind, body)] = split_messages(frontend.take_output())
    assert kind == "p" and body.startswith(b"SCRAM-SHA-256\0")
    bare = body[body.index(b"n,,") + 3 :]
    assert bare.endswith(b"r=" + nonce)
    first = b"r=" + nonce + b"%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    assert frontend.receive(authentication(11, first)) == [op]
    assert isinstance(op.question, auth.AskPassword)
    op.answer("pencil")
    asked = op.question
    assert isinstance(asked, auth.AskKeys) and asked.iterations == iterations and op.is_full
    op.answer(auth.derive_keys(asked.password, asked.salt, asked.iterations))
    assert frontend.resume() == []
    [(kind, body)] = split_messages(frontend.take_output())
    assert kind == "p"
    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", asked.salt, iterations)
    said = bare + b"," + first + b"," + body[: body.index(b",p=")]
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    signature = hmac.digest(hashlib.sha256(client_key).digest(), said, "sha256")
    proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
    assert base64.b64decode(body[body.index(b",p=") + 3 :]) == proof
    final = b"v=" + base64.b64encode(hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), said, "sha256"))
    assert frontend.receive(authentication(12, final) + authentication() + OPENED) == [op]
    assert is_started(frontend, op)


def test_a_method_that_is_refused_ends_the_session_with_its_reason():
    frontend, op = begun(require_auth="scram-sha-256")
    with pytest.raises(ProtocolError, match="authentication was refused: .*require_auth") as caught:
        frontend.receive(authentication(3))
    assert isinstance(caught.value.__cause__, InterfaceError)
    assert frontend.lose() == [op]


def test_an_illegal_sub_code_ends_the_session():
    for answer in (authentication(11), authentication(99), message("R", b"\0\0\0"), authentication(0, b"x")):
        frontend, _ = begun()
        with pytest.raises(ProtocolError):
            frontend.receive(answer)


@pytest.mark.parametrize("n", [4, 32, 256])
def test_a_cancel_key_has_four_to_256_bytes(n):
    key = bytes(range(256))[:n]
    frontend, op = begun()
    assert drive(frontend, [authentication() + backend_key_data(-3, key) + ready()]) == [op]
    assert (frontend.backend_pid, frontend.backend_key, op.backend_pid) == (-3, key, -3)


@pytest.mark.parametrize("n", [0, 3, 257])
def test_a_cancel_key_of_another_length_ends_the_session(n):
    frontend, _ = begun()
    with pytest.raises(ProtocolError, match=f"a cancel key of {n} bytes, 4 to 256 are legal"):
        frontend.receive(authentication() + backend_key_data(1, bytes(n)))


def test_a_second_cancel_key_ends_the_session():
    frontend, _ = begun()
    with pytest.raises(ProtocolError, match="BackendKeyData has come twice"):
        frontend.receive(authentication() + backend_key_data() * 2)


def test_a_server_without_a_cancel_key_is_accepted():
    frontend, op = begun()
    assert frontend.receive(authentication() + ready()) == [op]
    assert (frontend.backend_pid, frontend.backend_key) == (0, None)


# NegotiateProtocolVersion


def with_version(version, least_version=PROTOCOL_3_0):
    return Startup({"user": "u"}, new_startup_authentication(), version=version, least_version=least_version)


def new_startup_authentication():
    return auth.Authentication(auth.AuthOptions(user="u", is_encrypted=False, is_local=True))


@pytest.mark.parametrize(
    ("asked", "told"), [(PROTOCOL_3_0, 0x30000), (PROTOCOL_3_2, 0x30002), (PROTOCOL_3_2, 2), (PROTOCOL_3_0, 0)]
)
def test_a_server_may_agree_to_the_version_that_was_asked_for(asked, told):
    frontend, op = begun(with_version(asked))
    assert frontend.receive(negotiate(told) + authentication() + OPENED) == [op]
    assert op.negotiated == (told, ())
    assert is_started(frontend, op)


@pytest.mark.parametrize(
    ("asked", "told", "text"),
    [
        (PROTOCOL_3_2, 0x30000, r"speaks protocol 3\.0 at most, min_protocol_version is 3\.2"),
        (PROTOCOL_3_2, 0x30001, r"speaks protocol 3\.1 at most, min_protocol_version is 3\.2"),
        (PROTOCOL_3_2, 1, r"speaks protocol 3\.1 at most, min_protocol_version is 3\.2"),
        (PROTOCOL_3_0, 0x30002, "offers the protocol version 0x30002, 0x30000 was asked for"),
        (PROTOCOL_3_2, 0x30003, "offers the protocol version 0x30003"),
        (PROTOCOL_3_2, 0x20000, "offers the protocol version 0x20000"),
        (PROTOCOL_3_2, -1, "offers the protocol version -0x1"),
    ],
)
def test_a_version_that_was_not_asked_for_ends_the_session(asked, told, text):
    frontend, _ = begun(with_version(asked, least_version=asked))
    with pytest.raises(ProtocolError, match=text):
        frontend.receive(negotiate(told))


def test_an_older_version_is_accepted_down_to_the_least_one():
    frontend, op = begun(with_version(PROTOCOL_3_2, least_version=PROTOCOL_3_0))
    assert frontend.receive(negotiate(0x30000)) == []
    assert op.negotiated == (0x30000, ())


def test_options_that_the_server_does_not_know_end_the_session():
    frontend, _ = begun()
    with pytest.raises(ProtocolError, match="the server does not know the protocol options _pq_.a, _pq_.b"):
        frontend.receive(negotiate(0x30000, "_pq_.a", "_pq_.b"))


@pytest.mark.parametrize(
    "body",
    [
        struct.pack("!i", 3),
        struct.pack("!ii", 0x30000, -1),
        struct.pack("!ii", 0x30000, 2) + cstring("a"),
        struct.pack("!ii", 0x30000, 2**31 - 1),
        struct.pack("!ii", 0x30000, 0) + b"x",
    ],
)
def test_a_negotiation_that_lies_ends_the_session(body):
    frontend, _ = begun()
    with pytest.raises(ProtocolError, match="message 'v' is malformed"):
        frontend.receive(message("v", body))


def test_the_version_is_negotiated_at_most_once_and_before_authentication():
    for answer in (
        negotiate(0x30000) * 2,
        authentication() + negotiate(0x30000),
        authentication(3) + negotiate(0x30000),
    ):
        frontend, _ = begun()
        with pytest.raises(ProtocolError, match="message 'v' has come where the server owes"):
            for op in frontend.receive(answer):
                op.answer("x")
                frontend.resume()


# Limits


def test_no_more_than_256_parameters_are_kept():
    frontend = ready_frontend()
    for i in range(256):
        frontend.receive(parameter_status(f"p{i}", ""))
    frontend.receive(parameter_status("p7", "changed"))
    assert (len(frontend.parameters), frontend.parameters["p7"]) == (256, "changed")
    with pytest.raises(ProtocolError, match="more than 256 parameters"):
        frontend.receive(parameter_status("one", "more"))


def test_no_more_than_64_kib_of_parameters_are_kept():
    frontend = ready_frontend()
    for name in ("a", "b"):
        frontend.receive(parameter_status(name, "x" * 29_899))
    frontend.receive(parameter_status("c", "x" * (65_536 - 2 * 29_900 - 1)))
    with pytest.raises(ProtocolError, match="exceed 65536 bytes"):
        frontend.receive(parameter_status("d", ""))
    frontend = ready_frontend()
    for n in range(9):
        frontend.receive(parameter_status("a", str(n) + "x" * 29_000))
    assert frontend.n_status_changes == 9
    frontend.receive(parameter_status("a", "8" + "x" * 29_000))
    assert frontend.n_status_changes == 9, "what is told again has not changed"


def test_before_authentication_no_more_than_64_kib_are_read():
    one = message("N", fields(M="x" * 9_000))
    frontend, _ = begun()
    n = 65_536 // len(one)
    assert frontend.receive(one * n) == []
    with pytest.raises(ProtocolError, match="message 'N' announces"):
        frontend.receive(one[:5])
    exact = message("N", fields(M="x" * (65_536 - n * len(one) - len(message("N", fields(M=""))))))
    frontend, op = begun()
    assert frontend.receive(one * n + exact) == []
    assert len(frontend.notices) == n + 1
    with pytest.raises(ProtocolError):
        frontend.receive(notice())
    assert not op.is_settled
    frontend, _ = begun()
    assert frontend.receive(one * n) == []
    with pytest.raises(ProtocolError, match="message 'N' announces"):
        frontend.receive(header("N", len(exact)))


def test_after_authentication_the_64_kib_do_not_count():
    frontend, op = begun()
    assert frontend.receive(authentication() + message("N", fields(M="x" * 90_000)) * 3 + OPENED) == [op]
    assert is_started(frontend, op)


def test_an_authentication_request_has_at_most_2000_bytes():
    frontend, _ = begun()
    assert frontend.receive(header("R", 2_000)) == []
    frontend, _ = begun()
    with pytest.raises(ProtocolError, match="message 'R' announces 1997 bytes"):
        frontend.receive(header("R", 2_001))


@pytest.mark.parametrize("kind", "ENv")
def test_another_early_message_has_at_most_30000_bytes(kind):
    frontend, _ = begun()
    assert frontend.receive(header(kind, 30_000)) == []
    frontend, _ = begun()
    with pytest.raises(ProtocolError, match=f"message '{kind}' announces 29997 bytes"):
        frontend.receive(header(kind, 30_001))


# Strangers


@pytest.mark.parametrize(
    ("speech", "text"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP"),
        (b"<html><body>", "HTTP"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "SSH"),
        (b"\x15\x03\x01\x00\x02\x02\x28", "TLS"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01", "TLS"),
    ],
)
def test_a_peer_that_speaks_something_else_is_named(speech, text):
    for cut in range(len(speech)):
        frontend, op = begun()
        with pytest.raises(ProtocolError) as caught:
            frontend.receive(speech[:cut])
            frontend.receive(speech[cut:])
        assert f"it seems to speak {text}" in str(caught.value)
        assert frontend.lose() == [op]


@pytest.mark.parametrize("first", [b"H", b"<", b"\x15", b"\x16", b"2"])
def test_a_foreign_first_byte_is_enough(first):
    frontend, _ = begun()
    with pytest.raises(ProtocolError, match="the peer does not speak PostgreSQL's protocol"):
        frontend.receive(first)


@pytest.mark.parametrize("first", [b"E", b"N", b"R", b"S", b"v", b"K", b"Z", b"SSH", b"R\0\0\0"])
def test_a_first_byte_that_may_be_a_servers_is_waited_for(first):
    frontend, _ = begun()
    assert frontend.receive(first) == []


@pytest.mark.parametrize("start", [b"J\0\0\0\x4a\x0a8.0.36", b"n\0\0\0\xff", b"\0\0\0\0\x40", b"2\0\0\1\0"])
def test_a_foreign_message_that_is_not_whole_yet_is_not_waited_for(start):
    for cut in range(len(start)):
        frontend, _ = begun()
        with pytest.raises(ProtocolError, match="the peer does not speak PostgreSQL's protocol"):
            frontend.receive(start[:cut])
            frontend.receive(start[cut:])


def test_what_lies_behind_the_last_byte_received_is_not_looked_at():
    frontend, _ = begun()
    assert frontend.receive(notice("?" * 500)) == []
    assert frontend.receive(notice("short")) == []
    assert (frontend.receive(b""), frontend.resume()) == ([], [])
    assert [len(told["M"]) for told in frontend.notices] == [500, 5]


def test_an_unknown_peer_is_shown_by_its_first_bytes():
    frontend, _ = begun()
    with pytest.raises(ProtocolError, match="the peer does not speak PostgreSQL's protocol, it sends b'220 mail'$"):
        frontend.receive(b"220 mail.example.org ESMTP\r\n")


# Errors and farewells


def test_an_error_before_the_session_is_ready_is_the_startups_own():
    for before in (b"", authentication(), authentication() + backend_key_data()):
        frontend, op = begun()
        assert frontend.receive(before + error("no such database", "3D000", "FATAL")) == []
        assert isinstance(op.error, PostgresError) and op.error.sqlstate == "3D000"
        assert frontend.farewell is op.error
        assert frontend.lose() == [op]


@pytest.mark.parametrize("severity", ["FATAL", "PANIC"])
def test_a_farewell_when_nothing_is_owed_is_kept(severity):
    frontend = ready_frontend()
    assert frontend.receive(error("terminating connection", "57P01", severity)) == []
    assert (frontend.farewell.args, frontend.farewell.sqlstate, frontend.dead) == (
        ("terminating connection",),
        "57P01",
        None,
    )


def test_a_fatal_error_in_the_middle_of_a_query_is_the_sessions_farewell():
    frontend = ready_frontend()
    op, behind = Execute(statement()), Close("x")
    frontend.submit(op)
    frontend.submit(behind)
    assert frontend.receive(BOUND + data_row(int4(1)) + error("shutting down", "57P01", "FATAL")) == []
    assert frontend.farewell.args == ("shutting down",)
    assert (op.error, op.is_settled) == (None, False)
    assert frontend.lose() == [op, behind]


def test_a_severity_in_another_language_is_told_by_its_english_name():
    frontend = ready_frontend()
    assert frontend.receive(message("E", fields(S="FATALE", V="FATAL", M="x"))) == []
    assert frontend.farewell.severity == "FATALE"
    frontend = ready_frontend()
    assert frontend.receive(message("E", fields(S="PANIC", M="x"))) == []
    assert frontend.farewell.severity == "PANIC"
    frontend = ready_frontend()
    with pytest.raises(ProtocolError):
        frontend.receive(message("E", fields(M="x")))


def test_an_error_that_nothing_asked_for_ends_the_session():
    frontend = ready_frontend()
    with pytest.raises(ProtocolError, match="the server reports an error that nothing had asked for: why"):
        frontend.receive(error("why"))
    assert frontend.farewell is None


def test_a_ready_for_query_to_something_else_than_a_startup_does_not_start_a_session():
    frontend = Frontend()
    frontend.submit(Close("x"))
    frontend.take_output()
    with pytest.raises(ProtocolError):
        frontend.receive(CLOSED + ready())
    assert not frontend.is_ready
