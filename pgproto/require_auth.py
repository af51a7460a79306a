"""Which ways to log in the caller accepts: libpq's `require_auth`, parsed and asked.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-REQUIRE-AUTH
"""
from __future__ import annotations

from dataclasses import dataclass

from pgproto.errors import ClientConfigurationError

METHODS = ("password", "md5", "gss", "sspi", "scram-sha-256", "oauth", "none")


@dataclass(frozen=True, slots=True)
class AuthPolicy:
    """The accepted methods; `none` is the server that asks for nothing. `named` are those that the caller wrote."""

    accepted: frozenset[str]
    named: frozenset[str]
    text: str


ANY_METHOD = AuthPolicy(frozenset(METHODS), frozenset(), "")


def parse_require_auth(text: str | None) -> AuthPolicy:
    """Return the policy: a list of methods, or of methods that are refused (`!md5,!password`). Empty means any.

    Raises ClientConfigurationError for an unknown method, one written twice, and for a mixture of the two kinds.
    """
    if not text:
        return ANY_METHOD
    items = text.split(",")
    refusing = items[0].startswith("!")
    methods = []
    for item in items:
        if item.startswith("!") != refusing:
            raise ClientConfigurationError(
                f"invalid require_auth: {text!r} mixes accepted methods with refused (!) ones")
        method = item[1:] if refusing else item
        if method not in METHODS:
            raise ClientConfigurationError(
                f"invalid require_auth: methods out of {', '.join(METHODS)} were expected, got {method!r}")
        if method in methods:
            raise ClientConfigurationError(f"invalid require_auth: {text!r} names {method!r} twice")
        methods.append(method)
    written = frozenset(methods)
    if refusing:
        return AuthPolicy(frozenset(METHODS) - written, frozenset(), text)
    return AuthPolicy(written, written, text)
