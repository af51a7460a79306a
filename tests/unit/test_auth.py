"""Authentication message by message: every sub-code in every state, every policy against every method."""
import base64
import dataclasses
import hashlib
import hmac

import pytest

from pgproto import auth
from pgproto.auth import (
    LEGAL,
    AskKeys,
    AskPassword,
    AskToken,
    Authenticated,
    Authentication,
    AuthOptions,
    Nothing,
    Send,
    State,
    Token,
    derive_keys,
)  # fmt: skip
from pgproto.errors import (
    ClientConfigurationError,
    InterfaceError,
    InternalClientError,
    ProtocolError,
    UnsupportedClientFeatureError,
)  # fmt: skip
from pgproto.require_auth import METHODS, parse_require_auth
from pgproto.scram import ScramKeys
from pgproto.secret import Secret
from tests.unit.test_certificate import make_certificate

SALT = b"0123456789abcdef"
NONCE = b"client"
BOTH = b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"
PLAIN = b"SCRAM-SHA-256\0\0"
PLUS = b"SCRAM-SHA-256-PLUS\0\0"
SERVER_FIRST = b"r=clientserver,s=" + base64.b64encode(SALT) + b",i=2"
KEYS = derive_keys("pencil", SALT, 2)
RSA = make_certificate("rsa-sha256")


def login(**kwargs):
    key_cache = kwargs.pop("key_cache", None)
    options = AuthOptions(**{"user": "bob", "is_encrypted": False, "is_local": True, **kwargs})
    return Authentication(options, key_cache=key_cache, nonce=NONCE)


def initial_response(step):
    mechanism, _, rest = step.payload.partition(b"\0")
    assert int.from_bytes(rest[:4], "big") == len(rest) - 4
    return mechanism, rest[4:]


def server_final(step, first=b"n=,r=client", keys=KEYS):
    message = b",".join((first, SERVER_FIRST, step.payload.partition(b",p=")[0]))
    return b"v=" + base64.b64encode(hmac.digest(keys.server_key, message, "sha256"))


def at_state(state):
    """Return an Authentication led into this state."""
    a = login()
    if state is State.START:
        return a
    if state in (State.PASSWORD_OWED, State.PASSWORD_SENT):
        assert a.receive(3, b"") == AskPassword()
        if state is State.PASSWORD_SENT:
            a.answer("pencil")
        return a
    if state in (State.TOKEN_OWED, State.TOKEN_SENT, State.TOKENS_DONE):
        assert a.receive(7, b"") == AskToken(None, False)
        if state is not State.TOKEN_OWED:
            assert a.answer(Token(b"ours", state is State.TOKENS_DONE)) == Send(b"ours")
        return a
    if state is State.DONE:
        assert a.receive(0, b"") == Authenticated()
        return a
    a.receive(10, PLAIN)
    if state is not State.SASL_STARTED:
        assert a.receive(11, SERVER_FIRST) == AskPassword()
        a.answer("pencil")
        step = a.answer(KEYS)
        if state is State.SASL_PROVED:
            assert a.receive(12, server_final(step)) == Nothing()
    return a


BODIES = {0: b"", 3: b"", 5: b"salt", 10: PLAIN, 11: SERVER_FIRST, 12: b"v=AAAA"}


@pytest.mark.parametrize("code", [*range(-1, 14), 99, 2**31 - 1])
@pytest.mark.parametrize("state", list(State))
def test_every_sub_code_in_every_state_is_legal_or_an_error(state, code):
    a = at_state(state)
    assert a.state is state
    body = BODIES.get(code, b"")
    if code in LEGAL[state] and code == 12:
        with pytest.raises(InterfaceError, match="did not prove"):
            a.receive(code, body)
    elif code in LEGAL[state]:
        assert isinstance(a.receive(code, body), (Send, AskPassword, AskToken, Nothing, Authenticated))
        assert a.state is not state
    elif state is State.START and code in auth.UNSUPPORTED:
        with pytest.raises(UnsupportedClientFeatureError, match=auth.UNSUPPORTED[code]):
            a.receive(code, body)
    else:
        with pytest.raises(ProtocolError, match=f"unexpected authentication request {code} after"):
            a.receive(code, body)


def test_no_request_is_taken_while_the_keys_are_derived():
    a = at_state(State.SASL_STARTED)
    a.receive(11, SERVER_FIRST)
    assert isinstance(a.answer("pencil"), AskKeys)
    for code, body in BODIES.items():
        with pytest.raises(ProtocolError):
            a.receive(code, body)


@pytest.mark.parametrize("code", [0, 3, 5, 7, 9])
@pytest.mark.parametrize("body", [b"x", b"abc", b"abcde"])
def test_body_of_the_wrong_length_is_refused(code, body):
    with pytest.raises(ProtocolError, match=f"has {len(body)} bytes"):
        login().receive(code, body)


def test_cleartext_password_ends_in_a_nul():
    a = login()
    assert a.receive(3, b"") == AskPassword()
    assert a.answer("pé") == Send("pé\0".encode())
    assert a.receive(0, b"") == Authenticated()
    assert a.method == "password"


def test_python_without_md5_is_an_error_of_the_client(monkeypatch):
    def no_md5(*_):
        raise ValueError("no md5 here")

    monkeypatch.setattr(hashlib, "md5", no_md5)
    log_in = login()
    log_in.receive(5, b"salt")
    with pytest.raises(InternalClientError, match="no md5 here") as caught:
        log_in.answer(Secret("pencil"))
    assert isinstance(caught.value.__cause__, ValueError)


def test_md5_password_is_postgresqls():
    a = login()
    assert a.receive(5, b"\x01\x02\x03\x04") == AskPassword()
    inner = hashlib.md5(b"pencilbob").hexdigest()
    expected = b"md5" + hashlib.md5(inner.encode() + b"\x01\x02\x03\x04").hexdigest().encode() + b"\0"
    assert a.answer(Secret("pencil")) == Send(expected)
    # As PostgreSQL computes it: select md5(md5('pencilbob') || 'salt')
    b = login()
    b.receive(5, b"salt")
    assert b.answer("pencil") == Send(b"md5" + MD5_VECTOR + b"\0")


MD5_VECTOR = b"34f0d1ad5c9904e6a4eb1238afc3f1a0"


@pytest.mark.parametrize("code", [3, 5])
def test_no_password_is_sent_as_an_empty_one(code):
    a, b = login(), login()
    a.receive(code, BODIES[code])
    b.receive(code, BODIES[code])
    assert a.answer(None) == b.answer("")


def assert_not_shown(error, text):
    """Nothing that a traceback with locals would print holds the text, but for the test's own frame."""
    assert text not in repr(error)
    assert error.__cause__ is error.__context__ is None
    frame = error.__traceback__.tb_next
    while frame is not None:
        assert text not in repr(frame.tb_frame.f_locals)
        frame = frame.tb_next


@pytest.mark.parametrize("code", [3, 5])
@pytest.mark.parametrize("password", ["hunter\ud800"])
def test_password_that_utf_8_cannot_encode_is_refused_without_being_shown(code, password):
    a = login()
    a.receive(code, BODIES[code])
    with pytest.raises(ClientConfigurationError) as caught:
        a.answer(Secret(password))
    assert_not_shown(caught.value, "hunter")


@pytest.mark.parametrize("code", [3, 5])
def test_password_with_a_nul_is_refused_without_being_shown(code):
    a = login()
    a.receive(code, BODIES[code])
    with pytest.raises(ClientConfigurationError) as caught:
        a.answer(Secret("hunter\0two"))
    assert_not_shown(caught.value, "hunter")


def test_password_beyond_what_the_server_reads_is_refused():
    a = login()
    a.receive(3, b"")
    assert len(a.answer("x" * 65_530).payload) == 65_531
    b = login()
    b.receive(3, b"")
    with pytest.raises(ClientConfigurationError, match="65532 bytes, the server reads no more than 65531") as caught:
        b.answer(Secret("x" * 65_531))
    assert_not_shown(caught.value, "xxx")


def test_scram_login():
    a = login()
    mechanism, first = initial_response(a.receive(10, PLAIN))
    assert (mechanism, first) == (b"SCRAM-SHA-256", b"n,,n=,r=client")
    assert a.receive(11, SERVER_FIRST) == AskPassword()
    asked = a.answer("pencil")
    assert asked == AskKeys(Secret("pencil"), SALT, 2)
    step = a.answer(derive_keys(asked.password, asked.salt, asked.iterations))
    assert a.receive(12, server_final(step)) == Nothing()
    assert a.receive(0, b"") == Authenticated()
    assert (a.method, a.is_channel_bound) == ("scram-sha-256", False)


def run_scram(password, key_cache, user="bob"):
    a = login(key_cache=key_cache, user=user)
    a.receive(10, PLAIN)
    a.receive(11, SERVER_FIRST)
    step = a.answer(password)
    was_asked = isinstance(step, AskKeys)
    keys = derive_keys(password, SALT, 2)
    step = a.answer(keys) if was_asked else step
    a.receive(12, server_final(step, keys=keys))
    return was_asked


def test_second_login_derives_nothing_and_other_passwords_and_users_do():
    cache = {}
    assert run_scram("pencil", cache)
    assert not run_scram("pencil", cache)
    assert run_scram("other", cache)
    assert run_scram("pencil", cache, user="alice")
    assert len(cache) == 3
    assert "pencil" not in repr(cache)


def test_key_cache_is_bounded():
    cache = {("u", b"", i, b""): KEYS for i in range(auth.MAX_CACHED_KEYS)}
    run_scram("pencil", cache)
    assert len(cache) == auth.MAX_CACHED_KEYS
    assert not run_scram("pencil", cache)


def test_keys_of_an_unproven_server_are_not_remembered():
    cache = {}
    a = login(key_cache=cache)
    a.receive(10, PLAIN)
    a.receive(11, SERVER_FIRST)
    a.answer("pencil")
    a.answer(KEYS)
    with pytest.raises(InterfaceError):
        a.receive(12, b"v=AAAA")
    assert cache == {}


@pytest.mark.parametrize(
    ("options", "offered", "mechanism", "flag"),
    [
        ({"is_encrypted": True, "server_certificate": RSA}, BOTH, b"SCRAM-SHA-256-PLUS", b"p=tls-server-end-point"),
        ({"is_encrypted": True, "server_certificate": RSA}, PLUS, b"SCRAM-SHA-256-PLUS", b"p=tls-server-end-point"),
        ({"is_encrypted": True, "server_certificate": RSA}, PLAIN, b"SCRAM-SHA-256", b"y"),
        ({"is_encrypted": True, "server_certificate": RSA, "channel_binding": "disable"}, BOTH, b"SCRAM-SHA-256", b"n"),
        ({"is_encrypted": True, "server_certificate": make_certificate("ed25519")}, BOTH, b"SCRAM-SHA-256", b"n"),
        ({"is_encrypted": True}, BOTH, b"SCRAM-SHA-256", b"n"),
        ({}, PLAIN, b"SCRAM-SHA-256", b"n"),
        ({}, BOTH, b"SCRAM-SHA-256", b"n"),
        ({"channel_binding": "require", "is_encrypted": True, "server_certificate": RSA}, BOTH, b"SCRAM-SHA-256-PLUS",
         b"p=tls-server-end-point"),
    ],
)  # fmt: skip
def test_mechanism_and_gs2_flag(options, offered, mechanism, flag):
    a = login(**options)
    chosen, first = initial_response(a.receive(10, offered))
    assert (chosen, first.split(b",")[0]) == (mechanism, flag)
    assert a.is_channel_bound == flag.startswith(b"p")
    if a.is_channel_bound:
        a.receive(11, SERVER_FIRST)
        a.answer("pencil")
        channel = base64.b64decode(a.answer(KEYS).payload.split(b",")[0].removeprefix(b"c="))
        assert channel == flag + b",," + hashlib.sha256(RSA).digest()


@pytest.mark.parametrize(
    ("options", "offered", "text"),
    [
        ({}, BOTH, "does not use TLS"),
        ({"is_encrypted": True, "server_certificate": RSA}, PLAIN, "does not offer SCRAM-SHA-256-PLUS"),
        ({"is_encrypted": True, "server_certificate": make_certificate("ed25519")}, BOTH, "has no hash"),
        ({"is_encrypted": True}, BOTH, "certificate is not known"),
    ],
)
def test_required_channel_binding_says_what_is_missing(options, offered, text):
    with pytest.raises(InterfaceError, match=text):
        login(channel_binding="require", **options).receive(10, offered)


@pytest.mark.parametrize("code", [0, 3, 5, 7, 9])
def test_required_channel_binding_refuses_every_other_method(code):
    with pytest.raises(InterfaceError, match="channel binding is required, and the server chose"):
        login(channel_binding="require", is_encrypted=True).receive(code, BODIES.get(code, b""))


@pytest.mark.parametrize("offered", [b"\0", b"OAUTHBEARER\0\0", b"SCRAM-SHA-1\0OAUTHBEARER\0\0", PLUS])
def test_no_usable_mechanism_names_those_offered(offered):
    with pytest.raises(UnsupportedClientFeatureError) as caught:
        login().receive(10, offered)
    assert list(caught.value.offered) == [name.decode() for name in offered.split(b"\0") if name]


BENT_LISTS = [b"\0\0", b"a\0\0b\0\0", b"\xff\0\0", b"a b\0\0", BOTH + b"x"]


@pytest.mark.parametrize("body", [BOTH[:at] for at in range(len(BOTH))] + BENT_LISTS)
def test_list_of_mechanisms_cut_or_bent_is_a_protocol_error(body):
    with pytest.raises(ProtocolError, match="list of mechanisms"):
        login().receive(10, body)


def test_broken_certificate_is_a_protocol_error():
    with pytest.raises(ProtocolError, match="certificate cannot be read"):
        login(is_encrypted=True, server_certificate=RSA[:-1]).receive(10, BOTH)


METHOD_OF_CODE = {0: "none", 3: "password", 5: "md5", 7: "gss", 9: "sspi", 10: "scram-sha-256"}


@pytest.mark.parametrize("code", METHOD_OF_CODE)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("sign", ["", "!"])
def test_require_auth_against_every_method(sign, method, code):
    a = login(require_auth=sign + method)
    is_accepted = (METHOD_OF_CODE[code] == method) != (sign == "!")
    if not is_accepted:
        with pytest.raises(InterfaceError, match="authentication method refused") as caught:
            a.receive(code, BODIES.get(code, b""))
        assert caught.value.method == METHOD_OF_CODE[code]
    else:
        a.receive(code, BODIES.get(code, b""))
        assert a.method == METHOD_OF_CODE[code]


@pytest.mark.parametrize(
    "text", ["kerberos", "password,", ",", "!", "md5,!password", "!md5,password", "md5,md5", "!md5,!md5", " md5", "MD5"]
)
def test_require_auth_outside_the_grammar_is_refused(text):
    with pytest.raises(ClientConfigurationError, match="require_auth"):
        AuthOptions("bob", False, False, require_auth=text)


def test_require_auth_lists():
    assert parse_require_auth("md5,password").accepted == {"md5", "password"}
    assert parse_require_auth("!md5,!password").accepted == set(METHODS) - {"md5", "password"}
    assert parse_require_auth("").accepted == parse_require_auth(None).accepted == set(METHODS)


@pytest.mark.parametrize(
    ("options", "is_sent"),
    [
        ({}, False),
        ({"require_auth": "!md5"}, False),
        ({"require_auth": "password,md5"}, True),
        ({"allow_cleartext_password": True}, True),
        ({"is_local": True}, True),
        ({"is_encrypted": True}, True),
    ],
)
def test_cleartext_password_in_the_open_needs_permission(options, is_sent):
    a = login(**{"is_local": False, **options})
    if is_sent:
        assert a.receive(3, b"") == AskPassword()
    else:
        with pytest.raises(InterfaceError, match="allow_cleartext_password=True"):
            a.receive(3, b"")


@pytest.mark.parametrize(("code", "method"), [(7, "gss"), (9, "sspi")])
def test_tokens_go_to_and_fro_until_the_library_is_done(code, method):
    a = login()
    assert a.receive(code, b"") == AskToken(None, method == "sspi")
    assert a.answer(Token(b"one", False)) == Send(b"one")
    assert a.receive(8, b"two") == AskToken(b"two", method == "sspi")
    assert a.answer(Token(b"three", False)) == Send(b"three")
    assert a.receive(8, b"four") == AskToken(b"four", method == "sspi")
    assert a.answer(Token(None, True)) == Nothing()
    assert a.receive(0, b"") == Authenticated()
    assert a.method == method


def test_server_that_lets_us_in_before_it_is_known_is_refused():
    a = login()
    a.receive(7, b"")
    a.answer(Token(b"one", False))
    with pytest.raises(ProtocolError, match="unexpected authentication request 0 after a GSSAPI or SSPI token"):
        a.receive(0, b"")


def test_tokens_without_end_are_a_protocol_error():
    a = login()
    a.receive(7, b"")
    with pytest.raises(ProtocolError, match="more than 16 tokens"):
        for _ in range(20):
            a.answer(Token(b"one", False))
            a.receive(8, b"again")


@pytest.mark.parametrize(("token", "expected", "match"), [
    (Token(None, False), InternalClientError, "no token to send"), (Token(b"", False), InternalClientError, "no token"),
    (Token(b"x" * 65_532, True), InterfaceError, "65532 bytes")])
def test_token_that_cannot_be_sent_is_refused(token, expected, match):
    a = login()
    a.receive(7, b"")
    with pytest.raises(expected, match=match):
        a.answer(token)


def test_channel_binding_mode_is_checked():
    with pytest.raises(ClientConfigurationError, match="channel_binding"):
        AuthOptions("bob", False, False, channel_binding="maybe")


def test_answer_that_nobody_asked_for_is_refused():
    with pytest.raises(InternalClientError, match="nothing was asked"):
        login().answer("pencil")


def test_no_step_shows_a_password():
    for step in (AskKeys(Secret("pencil"), b"s", 1), Send(b"pencil\0"), ScramKeys(b"pencil", b"pencil"),
                 AskToken(b"pencil", False), Token(b"pencil", True)):
        assert "pencil" not in repr(step)
        assert dataclasses.is_dataclass(step)
