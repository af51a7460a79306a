"""Resolved settings: what `connect()` needs once every source has been read and every value checked.

Nothing here reads a file, the environment or the network; `dsn.resolve` makes a `ConnectOptions`, `client_options` a
`ClientOptions`. Passwords are `Secret`s or callables, so the repr of everything here can be logged.
"""
from __future__ import annotations

import enum
import math
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from asyncpg_core.codec_options import CodecOptions, codec_options
from asyncpg_core.exactness import Exactness, exactness
from pgproto.errors import ClientConfigurationError
from pgproto.secret import Secret

PasswordCallable: TypeAlias = Callable[[], "str | Awaitable[str]"]
Password: TypeAlias = "Secret | PasswordCallable | None"
Negotiation: TypeAlias = Literal["postgres", "direct"]
Preparing: TypeAlias = Literal["always", "never", "auto"]

PREPARE_MODES: tuple[Preparing, ...] = ("always", "never", "auto")
SESSION_ATTRIBUTES = ("any", "primary", "standby", "prefer-standby", "read-write", "read-only")


class SslMode(enum.IntEnum):
    """libpq's sslmode values, ordered from the weakest to the strictest."""

    disable = 0
    allow = 1
    prefer = 2
    require = 3
    verify_ca = 4
    verify_full = 5

    @property
    def libpq_name(self) -> str:
        return self.name.replace("_", "-")

    @classmethod
    def parse(cls, text: str) -> SslMode:
        """Return the mode that `text` names, `verify-ca` and `verify_ca` alike; ValueError otherwise."""
        for mode in cls:
            if text.replace("-", "_") == mode.name:
                return mode
        expected = ", ".join(mode.libpq_name for mode in cls)
        raise ValueError(f"sslmode must be one of {expected}")


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A host and port; `hostaddr`, where given, is what is dialled while `host` is what certificates must name."""

    host: str
    port: int
    hostaddr: str | None = None

    @property
    def dialled_address(self) -> tuple[str, int]:
        """As asyncpg shows it: a (host, port) pair."""
        return self.host, self.port

    @property
    def dialled(self) -> str:
        return self.hostaddr or self.host

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A socket's full path, `.s.PGSQL.<port>` included; `@name` is a socket in Linux's abstract namespace."""

    path: str

    @property
    def dialled_address(self) -> str:
        return self.path

    @property
    def is_abstract(self) -> bool:
        return self.path.startswith("@")

    @property
    def dialled(self) -> str:
        return "\0" + self.path[1:] if self.is_abstract else self.path

    def __str__(self) -> str:
        return self.path


Address: TypeAlias = TcpAddress | UnixAddress


class ContextCell:
    """Holds the SSLContext once `tls.context_of` has made it, so that a pool reads its certificate files once."""

    __slots__ = ("context",)

    def __init__(self) -> None:
        self.context: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """How to speak TLS. File names are resolved (`~/.postgresql` defaults included) but not read yet.

    `context` is the caller's own and is used as it is. `root_certificate` is a path, `"system"` for the platform's
    store, or None: then the server's certificate is not checked.
    """

    mode: SslMode = SslMode.disable
    negotiation: Negotiation = "postgres"
    context: ssl.SSLContext | None = None
    root_certificate: str | None = None
    certificate: str | None = None
    key: str | None = None
    key_password: Secret | None = None
    revocation_list: str | None = None
    revocation_directory: str | None = None
    minimum_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    maximum_version: ssl.TLSVersion | None = None
    server_name_indication: bool = True
    key_log_file: str | None = None
    strict_certificates: bool = False
    refuses_open_key: bool = False
    made: ContextCell = field(default_factory=ContextCell, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class ConnectOptions:
    """Where to connect, as whom, and on which conditions.

    `passwords` runs parallel to `addresses`, since a password file answers per host and port. `connect_timeout` is per
    address, `timeout` for everything; both in seconds, None is unlimited. `require_auth` is libpq's list of
    methods, checked and as it was written; None allows all. TCP timings are seconds, `tcp_user_timeout` milliseconds;
    None leaves the system's value.
    """

    addresses: tuple[Address, ...]
    passwords: tuple[Password, ...]
    user: str
    database: str
    server_settings: dict[str, str] = field(default_factory=dict)
    tls: TlsOptions = field(default_factory=TlsOptions)
    target_session_attrs: str = "any"
    load_balance_hosts: bool = False
    timeout: float | None = 60.0
    connect_timeout: float | None = None
    keepalives: bool = True
    keepalives_idle: int | None = None
    keepalives_interval: int | None = None
    keepalives_count: int | None = None
    tcp_user_timeout: int | None = None
    channel_binding: str = "prefer"
    require_auth: str | None = None
    allow_cleartext_password: bool = False
    min_protocol_version: tuple[int, int] = (3, 0)
    max_protocol_version: tuple[int, int] = (3, 0)
    krbsrvname: str = "postgres"
    gsslib: str = "gssapi"
    gssdelegation: bool = False
    requirepeer: str | None = None
    prepare: Preparing | None = None

    @property
    def endpoints(self) -> tuple[tuple[Address, Password], ...]:
        return tuple(zip(self.addresses, self.passwords, strict=True))


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """What a connection does with statements; made by `client_options`, which checks.

    `max_cached_statement_lifetime` is in seconds and `max_cacheable_statement_size` in characters, 0 meaning no limit.
    In mode `auto` a statement is prepared at its `prepare_threshold`-th use. Without a mode it is `always`, or `never`
    where a pooler is found in between.
    """

    statement_cache_size: int = 100
    max_cached_statement_lifetime: float = 300
    max_cacheable_statement_size: int = 15360
    command_timeout: float | None = None
    prepare: Preparing | None = None
    prepare_threshold: int = 5
    codecs: CodecOptions = field(default_factory=CodecOptions)
    exactness: Exactness = field(default_factory=Exactness)


CLIENT_KEYWORDS = frozenset((
    "statement_cache_size", "max_cached_statement_lifetime", "max_cacheable_statement_size", "command_timeout",
    "prepare", "prepare_threshold", "json", "json_loads", "json_dumps", "types", "infinity",
    "interval", "array_bounds"))


def client_options(
    *,
    statement_cache_size: int = 100,
    max_cached_statement_lifetime: float = 300,
    max_cacheable_statement_size: int = 15360,
    command_timeout: float | None = None,
    prepare: str | None = None,
    prepare_threshold: int = 5,
    json: str | None = None,
    json_loads: Callable[[Any], Any] | None = None,
    json_dumps: Callable[[Any], Any] | None = None,
    types: Mapping[str, Any] | None = None,
    infinity: str | None = None,
    interval: str | None = None,
    array_bounds: str | None = None,
) -> ClientOptions:
    """Return checked client settings; a statement cache of size 0 means that nothing is ever prepared by name."""
    size = at_least_zero("statement_cache_size", statement_cache_size)
    mode = None if prepare is None else prepare_mode(prepare)
    return ClientOptions(
        statement_cache_size=int(size),
        max_cached_statement_lifetime=at_least_zero("max_cached_statement_lifetime", max_cached_statement_lifetime),
        max_cacheable_statement_size=int(at_least_zero("max_cacheable_statement_size", max_cacheable_statement_size)),
        command_timeout=command_timeout_seconds(command_timeout),
        prepare=mode if size else "never",
        prepare_threshold=int(at_least_zero("prepare_threshold", prepare_threshold)),
        codecs=codec_options(json, json_loads, json_dumps, types),
        exactness=exactness(infinity, interval, array_bounds),
    )


def with_dsn(client: ClientOptions, params: ConnectOptions) -> ClientOptions:
    """Return client settings with what the DSN says of them, where the arguments say nothing."""
    return replace(client, prepare=params.prepare) if client.prepare is None and params.prepare is not None else client


def at_least_zero(name: str, value: float) -> float:
    """Return `value`; ValueError for None, bool, nan and what is negative, TypeError for what is not a number."""
    if value is None or isinstance(value, bool):
        raise ValueError(f"{name} is expected to be greater or equal to 0, got {value!r}")
    # Written so that nan fails; a str raises TypeError by itself.
    if not value >= 0:
        raise ValueError(f"{name} is expected to be greater or equal to 0, got {value!r}")
    if math.isinf(value):
        raise ValueError(f"{name} is expected to be greater or equal to 0 and finite, got {value!r}")
    return value


def command_timeout_seconds(value: float | None) -> float | None:
    """Return seconds, or None for no limit; ValueError unless a finite number above 0."""
    if value is None:
        return None
    seconds = _finite(value)
    if seconds is None or seconds <= 0:
        raise ValueError(f"invalid command_timeout value: seconds greater than 0 were expected, got {value!r}")
    return seconds


def timeout_seconds(name: str, value: float | None) -> float | None:
    """Return seconds, or None for no limit; ValueError unless a finite number. Zero and below have expired already."""
    if value is None:
        return None
    seconds = _finite(value)
    if seconds is None:
        raise ValueError(f"invalid {name} value: a number of seconds or None was expected, got {value!r}")
    return seconds


def prepare_mode(value: str) -> Preparing:
    for mode in PREPARE_MODES:
        if value == mode:
            return mode
    raise ClientConfigurationError(f"invalid prepare: one of {', '.join(PREPARE_MODES)} was expected, got {value!r}")


def _finite(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        seconds = float(value)  # type: ignore[arg-type]  # whatever float() takes is a number here
    except (TypeError, ValueError):
        return None
    return seconds if math.isfinite(seconds) else None
