"""Authentication: what to answer to each AuthenticationRequest ('R'), and which of them to refuse.

Sans-I/O: `receive` takes a message, `answer` what only the outside has (the password, the derived keys, a token of
GSSAPI or SSPI); both return the next `Step`. The one idea: a table says which sub-codes are legal now, and every
request is held against the caller's policy (require_auth, channel_binding, no cleartext in the open) before anything
that proves who we are leaves.

https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP
"""
from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from pgproto.certificate import end_point_binding
from pgproto.errors import (
    ClientConfigurationError,
    InterfaceError,
    InternalClientError,
    MalformedBody,
    ProtocolError,
    UnsupportedClientFeatureError,
)
from pgproto.limits import MAX_SENT_PASSWORD_LENGTH, MAX_TOKEN_ROUNDS, OFF_LOOP_ITERATIONS
from pgproto.require_auth import AuthPolicy, parse_require_auth
from pgproto.scram import MECHANISM, MECHANISM_PLUS, ScramClient, ScramKeys, derive_keys, password_bytes
from pgproto.secret import Secret

__all__ = [
    "LEGAL",
    "OFF_LOOP_ITERATIONS",
    "AskKeys",
    "AskPassword",
    "AskToken",
    "AuthOptions",
    "Authenticated",
    "Authentication",
    "KeyCache",
    "Nothing",
    "ScramKeys",
    "Secret",
    "Send",
    "State",
    "Step",
    "Token",
    "derive_keys",
]

OK = 0
CLEARTEXT_PASSWORD = 3
MD5_PASSWORD = 5
GSS = 7
GSS_CONTINUE = 8
SSPI = 9
SASL = 10
SASL_CONTINUE = 11
SASL_FINAL = 12
# Requests that start a method we do not have.
UNSUPPORTED: Mapping[int, str] = {1: "Kerberos V4", 2: "Kerberos V5", 4: "crypt", 6: "SCM credentials"}

CHANNEL_BINDING_MODES = ("disable", "prefer", "require")
# Keys are remembered only after the server proved its own; a server that salts anew each time must not fill memory.
MAX_CACHED_KEYS = 64
_MECHANISM_NAME = re.compile(rb"[\x21-\x7e]+")  # wider than RFC 4422's, and safe to show
_FINGERPRINT_KEY = secrets.token_bytes(32)


@dataclass(frozen=True, slots=True)
class AuthOptions:
    """What the connection is and what its owner accepts. `server_certificate` is DER; None where there is no TLS."""

    user: str
    is_encrypted: bool
    is_local: bool
    channel_binding: str = "prefer"
    require_auth: str | None = None
    allow_cleartext_password: bool = False
    server_certificate: bytes | None = None

    def __post_init__(self) -> None:
        if self.channel_binding not in CHANNEL_BINDING_MODES:
            modes = ", ".join(CHANNEL_BINDING_MODES)
            raise ClientConfigurationError(f"channel_binding must be one of {modes}, got {self.channel_binding!r}")
        parse_require_auth(self.require_auth)


@dataclass(frozen=True, slots=True)
class Send:
    """Send this as the body of a 'p' message, then wait for the next request."""

    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AskPassword:
    """Answer with the password. None is sent as an empty one: it is for the server to refuse it (28P01)."""


@dataclass(frozen=True, slots=True)
class AskKeys:
    """Answer with `derive_keys(password, salt, iterations)`; above OFF_LOOP_ITERATIONS, do that in a thread."""

    password: Secret
    salt: bytes
    iterations: int


@dataclass(frozen=True, slots=True)
class AskToken:
    """Answer with the Token that the GSSAPI or SSPI library makes of the server's, which is None at the beginning.

    `is_negotiable` where the server asked for SSPI, whose two sides agree on Kerberos or something else.
    """

    received: bytes | None = field(repr=False)
    is_negotiable: bool


@dataclass(frozen=True, slots=True)
class Token:
    """What to send, None for nothing. `is_complete` where the library says that both sides know each other."""

    payload: bytes | None = field(repr=False)
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Nothing:
    """Wait for the next request."""


@dataclass(frozen=True, slots=True)
class Authenticated:
    """AuthenticationOk, and the policy allows it."""


Step = Send | AskPassword | AskKeys | AskToken | Nothing | Authenticated
KeyCache = MutableMapping[tuple[str, bytes, int, bytes], ScramKeys]


class State(Enum):
    START = "the start"
    PASSWORD_OWED = "a request for the password that is not answered yet"
    PASSWORD_SENT = "the password"
    SASL_STARTED = "SASLInitialResponse"
    SASL_ANSWERED = "SASLResponse"
    SASL_PROVED = "AuthenticationSASLFinal"
    TOKEN_OWED = "a request for a token that is not answered yet"
    TOKEN_SENT = "a GSSAPI or SSPI token"
    TOKENS_DONE = "the last GSSAPI or SSPI token"
    DONE = "AuthenticationOk"


# method -> legal sub-codes; START also takes those of UNSUPPORTED, to refuse them by name.
LEGAL: Mapping[State, frozenset[int]] = {
    State.START: frozenset({OK, CLEARTEXT_PASSWORD, MD5_PASSWORD, GSS, SSPI, SASL}),
    State.PASSWORD_OWED: frozenset(),
    State.PASSWORD_SENT: frozenset({OK}),
    State.SASL_STARTED: frozenset({SASL_CONTINUE}),
    State.SASL_ANSWERED: frozenset({SASL_FINAL}),
    State.SASL_PROVED: frozenset({OK}),
    State.TOKEN_OWED: frozenset(),
    State.TOKEN_SENT: frozenset({GSS_CONTINUE}),
    State.TOKENS_DONE: frozenset({OK}),
    State.DONE: frozenset(),
}


class Authentication:
    """One log-in. `method` is require_auth's name of the way the server chose, None before it has chosen;
    `is_channel_bound` tells whether SCRAM was bound to the TLS channel."""

    def __init__(
        self, options: AuthOptions, *, key_cache: KeyCache | None = None, nonce: bytes | None = None
    ) -> None:
        self.method: str | None = None
        self.is_channel_bound = False
        self.state = State.START
        self._options = options
        self._policy: AuthPolicy = parse_require_auth(options.require_auth)
        self._key_cache = key_cache
        self._nonce = nonce
        self._scram: ScramClient | None = None
        self._asked: Callable[[Any], Step] | None = None
        self._cache_key: tuple[str, bytes, int, bytes] | None = None
        self._keys: ScramKeys | None = None
        self._n_tokens = 0

    def receive(self, code: int, body: bytes) -> Step:
        """Return what to do about an AuthenticationRequest; `body` is what follows its sub-code.

        Raises ProtocolError where the request breaks the protocol, UnsupportedClientFeatureError for a method we do not
        have, InterfaceError for one that the policy refuses. The connection is of no use after any of them.
        """
        if code not in LEGAL[self.state]:
            if self.state is State.START and code in UNSUPPORTED:
                self._refuse_unsupported(code)
            raise ProtocolError(f"unexpected authentication request {code} after {self.state.value}", code=code)
        return _HANDLERS[code](self, bytes(body))

    def answer(self, value: str | Secret | ScramKeys | Token | None) -> Step:
        """Return what to do now that the last Ask is answered: a text, ScramKeys, a Token.

        A Secret stays one until it is hashed or sent; of a str, the locals in a traceback would show the text.
        """
        asked, self._asked = self._asked, None
        if asked is None:
            raise InternalClientError("an answer was given, and nothing was asked")
        return asked(value)

    def _refuse_unsupported(self, code: int) -> None:
        raise UnsupportedClientFeatureError(
            f"the server asks for {UNSUPPORTED[code]} authentication, which this client does not support", code=code
        )

    def _hold_against_policy(self, method: str) -> None:
        if method not in self._policy.accepted:
            asks = "lets us in without authentication" if method == "none" else f"asks for {method!r}"
            raise InterfaceError(
                f"authentication method refused: the server {asks}, require_auth is {self._policy.text!r}",
                method=method,
            )
        if self._options.channel_binding == "require" and method != "scram-sha-256":
            raise InterfaceError(
                f"channel binding is required, and the server chose {method!r}, which has none", method=method
            )
        self.method = method

    # -- AuthenticationOk

    def _receive_ok(self, body: bytes) -> Step:
        _refuse_trailing(body, 0, "AuthenticationOk")
        if self.state is State.START:
            self._hold_against_policy("none")
        self.state = State.DONE
        return Authenticated()

    # -- the password itself, or its MD5

    def _receive_cleartext_password(self, body: bytes) -> Step:
        _refuse_trailing(body, 0, "AuthenticationCleartextPassword")
        self._hold_against_policy("password")
        options = self._options
        is_wanted = options.allow_cleartext_password or "password" in self._policy.named
        if not (options.is_encrypted or options.is_local or is_wanted):
            raise InterfaceError(
                "the server asks for the password in cleartext over a connection that is not encrypted: "
                "use TLS, or allow_cleartext_password=True if the network can be trusted"
            )
        return self._ask_password(self._send_cleartext_password)

    def _send_cleartext_password(self, password: Secret) -> Step:
        # Asked of the Secret, so that no frame of the traceback holds the text.
        n_bytes = len(password_bytes(password)) + 1
        if n_bytes + 4 > MAX_SENT_PASSWORD_LENGTH:
            raise ClientConfigurationError(
                f"the password message has {n_bytes} bytes, the server reads no more than "
                f"{MAX_SENT_PASSWORD_LENGTH - 4}"
            )
        return self._send_password(_text_of(password))

    def _receive_md5_password(self, body: bytes) -> Step:
        _refuse_trailing(body, 4, "AuthenticationMD5Password")
        self._hold_against_policy("md5")
        return self._ask_password(lambda password: self._send_password(self._md5(password, body)))

    def _md5(self, password: Secret, salt: bytes) -> bytes:
        try:
            inner = hashlib.md5()
        except ValueError as exc:  # a FIPS build
            raise InternalClientError(f"the server asks for MD5, which this Python does not have: {exc}") from exc
        inner.update(_text_of(password))
        inner.update(self._options.user.encode("utf-8", "surrogateescape"))
        return b"md5" + hashlib.md5(inner.hexdigest().encode() + salt).hexdigest().encode()

    def _send_password(self, text: bytes) -> Step:
        self.state = State.PASSWORD_SENT
        return Send(text + b"\0")

    def _ask_password(self, then: Callable[[Secret], Step]) -> Step:
        def with_secret(value: str | Secret | None) -> Step:
            return then(value if isinstance(value, Secret) else Secret(value or ""))

        self.state = State.PASSWORD_OWED
        self._asked = with_secret
        return AskPassword()

    # -- tokens of GSSAPI and SSPI

    def _receive_gss(self, body: bytes) -> Step:
        _refuse_trailing(body, 0, "AuthenticationGSS")
        self._hold_against_policy("gss")
        return self._ask_token(None)

    def _receive_sspi(self, body: bytes) -> Step:
        _refuse_trailing(body, 0, "AuthenticationSSPI")
        self._hold_against_policy("sspi")
        return self._ask_token(None)

    def _ask_token(self, received: bytes | None) -> Step:
        self._n_tokens += 1
        if self._n_tokens > MAX_TOKEN_ROUNDS:
            raise ProtocolError(f"the server asks for more than {MAX_TOKEN_ROUNDS} tokens")
        self.state = State.TOKEN_OWED
        self._asked = self._send_token
        return AskToken(received, self.method == "sspi")

    def _send_token(self, token: Token) -> Step:
        self.state = State.TOKENS_DONE if token.is_complete else State.TOKEN_SENT
        if token.payload:
            if len(token.payload) + 4 > MAX_SENT_PASSWORD_LENGTH:
                raise InterfaceError(f"the {self.method} token has {len(token.payload)} bytes, the server reads no "
                                     f"more than {MAX_SENT_PASSWORD_LENGTH - 4}")
            return Send(token.payload)
        if not token.is_complete:
            raise InternalClientError(f"the {self.method} library is not done and has no token to send")
        return Nothing()

    # -- SASL

    def _receive_sasl(self, body: bytes) -> Step:
        offered = _read_mechanisms(body)
        self._hold_against_policy("scram-sha-256")
        binding = self._channel_binding()
        if MECHANISM_PLUS in offered and binding is not None:
            mechanism, flag = MECHANISM_PLUS, b"p"
            self.is_channel_bound = True
        elif self._options.channel_binding == "require":
            raise InterfaceError(self._why_not_bound(offered))
        elif MECHANISM in offered:
            mechanism, flag = MECHANISM, b"n" if binding is None else b"y"
            binding = None
        else:
            names = ", ".join(offered) or "none"
            raise UnsupportedClientFeatureError(
                f"the server offers no SASL mechanism that can be used here: {names}", offered=tuple(offered)
            )
        self._scram = ScramClient(binding=binding, flag=flag, nonce=self._nonce)
        first = self._scram.first()
        self.state = State.SASL_STARTED
        return Send(mechanism.encode() + b"\0" + len(first).to_bytes(4, "big") + first)

    def _channel_binding(self) -> bytes | None:
        """Return the binding data, None where the channel has none or it is not wanted."""
        options = self._options
        if not options.is_encrypted or options.channel_binding == "disable" or options.server_certificate is None:
            return None
        try:
            return end_point_binding(options.server_certificate)
        except MalformedBody as exc:
            raise ProtocolError(f"the server's certificate cannot be read: {exc}") from exc

    def _why_not_bound(self, offered: list[str]) -> str:
        if not self._options.is_encrypted:
            return "channel binding is required, and the connection does not use TLS"
        if MECHANISM_PLUS not in offered:
            return f"channel binding is required, and the server does not offer {MECHANISM_PLUS}"
        if self._options.server_certificate is None:
            return "channel binding is required, and the server's certificate is not known"
        return "channel binding is required, and the signature of the server's certificate has no hash to bind to"

    def _receive_sasl_continue(self, body: bytes) -> Step:
        scram = self._the_scram()
        first = scram.read_server_first(body)
        return self._ask_password(lambda password: self._seek_keys(password, first.salt, first.iterations))

    def _seek_keys(self, password: Secret, salt: bytes, iterations: int) -> Step:
        fingerprint = hmac.digest(_FINGERPRINT_KEY, password_bytes(password), "sha256")
        self._cache_key = (self._options.user, salt, iterations, fingerprint)
        known = None if self._key_cache is None else self._key_cache.get(self._cache_key)
        if known is not None:
            return self._send_proof(known)
        self._asked = self._send_proof
        return AskKeys(password, salt, iterations)

    def _send_proof(self, keys: ScramKeys) -> Step:
        self._keys = keys
        self.state = State.SASL_ANSWERED
        return Send(self._the_scram().final(keys))

    def _receive_sasl_final(self, body: bytes) -> Step:
        self._the_scram().check_server_final(body)
        self.state = State.SASL_PROVED
        self._remember_keys()
        return Nothing()

    def _remember_keys(self) -> None:
        cache, key, keys = self._key_cache, self._cache_key, self._keys
        self._keys = None
        if cache is None or key is None or keys is None:
            return
        if key not in cache and len(cache) >= MAX_CACHED_KEYS:
            cache.pop(next(iter(cache)), None)
        cache[key] = keys

    def _the_scram(self) -> ScramClient:
        if self._scram is None:
            raise InternalClientError(f"SASL went on to {self.state.value}, and no exchange was started")
        return self._scram


_HANDLERS: Mapping[int, Callable[[Authentication, bytes], Step]] = {
    OK: Authentication._receive_ok,
    CLEARTEXT_PASSWORD: Authentication._receive_cleartext_password,
    MD5_PASSWORD: Authentication._receive_md5_password,
    GSS: Authentication._receive_gss,
    GSS_CONTINUE: Authentication._ask_token,
    SSPI: Authentication._receive_sspi,
    SASL: Authentication._receive_sasl,
    SASL_CONTINUE: Authentication._receive_sasl_continue,
    SASL_FINAL: Authentication._receive_sasl_final,
}


def _text_of(password: Secret) -> bytes:
    """Return the password for a message where a NUL ends it."""
    if "\0" in password.reveal():
        raise ClientConfigurationError("the password holds a NUL, which only SCRAM can carry")
    return password_bytes(password)


def _refuse_trailing(body: bytes, n_bytes: int, message: str) -> None:
    if len(body) != n_bytes:
        raise ProtocolError(f"{message} has {len(body)} bytes after its sub-code, expected {n_bytes}")


def _read_mechanisms(body: bytes) -> list[str]:
    """Return the names in an AuthenticationSASL: NUL-terminated each, and an empty one at the end."""
    if not body.endswith(b"\0") or (len(body) > 1 and not body.endswith(b"\0\0")):
        raise ProtocolError("AuthenticationSASL's list of mechanisms is cut off")
    names = body[:-1].split(b"\0")[:-1]
    if not all(_MECHANISM_NAME.fullmatch(name) for name in names):
        raise ProtocolError("AuthenticationSASL's list of mechanisms is malformed")
    return [name.decode("ascii") for name in names]
