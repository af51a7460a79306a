"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS: the client's messages, the server's, and the keys between them.

The one idea: deriving the keys is the only slow step and needs nothing of the exchange but salt and iterations, so it
is a function of its own that the outside may run in a thread, or leave out when it knows the keys.

https://www.rfc-editor.org/rfc/rfc5802, https://www.rfc-editor.org/rfc/rfc7677
"""
from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field

from pgproto.errors import (
    ClientConfigurationError,
    InterfaceError,
    ProtocolError,
    UnsupportedClientFeatureError,
)
from pgproto.limits import MAX_SCRAM_ITERATIONS
from pgproto.saslprep import saslprep
from pgproto.secret import Secret

MECHANISM = "SCRAM-SHA-256"
MECHANISM_PLUS = "SCRAM-SHA-256-PLUS"

_HASH = "sha256"
_SERVER_FIRST = re.compile(rb"r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/]+={0,2}),i=([1-9][0-9]{0,9})")
_SERVER_FINAL = re.compile(rb"v=([A-Za-z0-9+/]+={0,2})")
_SERVER_ERROR = re.compile(rb"e=([\x21-\x2b\x2d-\x7e]+)")


@dataclass(frozen=True, slots=True)
class ScramKeys:
    """What a password becomes with one salt and count; as good as the password for who wants to log in."""

    client_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)

    @property
    def stored_key(self) -> bytes:
        return hashlib.sha256(self.client_key).digest()


@dataclass(frozen=True, slots=True)
class ServerFirst:
    """The server's first message: how the password is salted."""

    nonce: bytes
    salt: bytes
    iterations: int


def password_bytes(password: Secret) -> bytes:
    """Return the password as the server knows it byte by byte.

    A password from the environment that is not UTF-8 gets its own bytes back (surrogateescape), as libpq sends them.
    """
    try:
        return password.reveal().encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        pass  # It holds the password, so ours is raised outside of it, without even a context.
    raise ClientConfigurationError("the password holds a lone surrogate, which UTF-8 cannot encode")


def derive_keys(password: str | Secret, salt: bytes, iterations: int) -> ScramKeys:
    """Return the keys; takes about 0.25 us per iteration, without the GIL."""
    salted = salted_password(password if isinstance(password, Secret) else Secret(password), salt, iterations)
    return ScramKeys(hmac.digest(salted, b"Client Key", _HASH), hmac.digest(salted, b"Server Key", _HASH))


def salted_password(password: Secret, salt: bytes, iterations: int) -> bytes:
    """Return what the keys are made of. A password that SASLprep prohibits is used as it is, as the server does."""
    prepared = saslprep(password.reveal())
    return hashlib.pbkdf2_hmac(
        _HASH, password_bytes(password) if prepared is None else prepared.encode(), salt, iterations)


def client_proof(keys: ScramKeys, auth_message: bytes) -> bytes:
    signature = hmac.digest(keys.stored_key, auth_message, _HASH)
    return bytes(left ^ right for left, right in zip(keys.client_key, signature, strict=True))


def server_signature(keys: ScramKeys, auth_message: bytes) -> bytes:
    return hmac.digest(keys.server_key, auth_message, _HASH)


class ScramClient:
    """One exchange. The calls follow the messages: first, read_server_first, final, check_server_final.

    `binding` is the channel's data, with the -PLUS mechanism only; `flag` is the gs2 flag without it: b"y" where the
    client could have bound and the server did not offer to, else b"n". The user name is sent empty, as libpq does: the
    server takes the one of the StartupMessage.
    """

    __slots__ = ("_auth_message", "_bare", "_binding", "_gs2", "_keys", "_nonce", "_server_first")

    def __init__(self, *, binding: bytes | None = None, flag: bytes = b"n", nonce: bytes | None = None) -> None:
        self._binding = binding or b""
        self._gs2 = b"p=tls-server-end-point,," if binding is not None else flag + b",,"
        self._nonce = base64.b64encode(secrets.token_bytes(24)) if nonce is None else nonce
        self._bare = b"n=,r=" + self._nonce
        self._server_first = b""
        self._auth_message = b""
        self._keys: ScramKeys | None = None

    def first(self) -> bytes:
        """Return the client-first-message."""
        return self._gs2 + self._bare

    def read_server_first(self, message: bytes) -> ServerFirst:
        """Return what the server asks for. Raises ProtocolError where the message breaks RFC 5802."""
        match = _SERVER_FIRST.fullmatch(message)
        if match is None:
            raise ProtocolError("malformed SCRAM message: server-first-message must be r=..,s=..,i=..")
        nonce, salt, digits = match.groups()
        if not nonce.startswith(self._nonce) or len(nonce) == len(self._nonce):
            raise ProtocolError("the server's SCRAM nonce does not extend the client's")
        iterations = int(digits)
        if iterations > MAX_SCRAM_ITERATIONS:
            raise UnsupportedClientFeatureError(
                f"the server asks for {iterations} SCRAM iterations, at most {MAX_SCRAM_ITERATIONS} are computed",
                iterations=iterations,
            )
        first = ServerFirst(nonce, _decode_base64(salt, "salt"), iterations)
        self._server_first = message
        self._nonce = nonce
        return first

    def final(self, keys: ScramKeys) -> bytes:
        """Return the client-final-message, which proves that we know the keys without showing them."""
        channel = base64.b64encode(self._gs2 + self._binding)
        without_proof = b"c=" + channel + b",r=" + self._nonce
        self._auth_message = b",".join((self._bare, self._server_first, without_proof))
        self._keys = keys
        return without_proof + b",p=" + base64.b64encode(client_proof(keys, self._auth_message))

    def check_server_final(self, message: bytes) -> None:
        """Return if the server proved that it knows the password too, raise InterfaceError if it did not."""
        refusal = _SERVER_ERROR.fullmatch(message)
        if refusal is not None:
            raise InterfaceError(f"the server ended the SCRAM exchange: {refusal[1].decode('ascii')}")
        match = _SERVER_FINAL.fullmatch(message)
        if match is None:
            raise ProtocolError("malformed SCRAM message: server-final-message must be v=..")
        if self._keys is None:
            raise ProtocolError("the server's final SCRAM message came before the client's")
        expected = server_signature(self._keys, self._auth_message)
        if not hmac.compare_digest(expected, _decode_base64(match[1], "signature")):
            raise InterfaceError("the server did not prove that it knows the password: bad SCRAM server signature")


def _decode_base64(encoded: bytes, what: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error as exc:
        raise ProtocolError(f"malformed SCRAM message: the {what} is not base64") from exc
