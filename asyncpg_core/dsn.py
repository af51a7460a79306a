"""`resolve`: arguments, DSN, service file, environment and defaults → `ConnectOptions`.

Each source becomes a dict of libpq keywords; merged by precedence (argument, URI before its `?`, query or key=value,
service, environment) they are turned into typed settings, one small function per subject. What the sources look like
is in `conninfo`, `service` and `passfile`; which keywords exist and which are refused is in `keywords`.
"""
from __future__ import annotations

import dataclasses
import getpass
import os
import ssl as ssl_module
import sys
from collections.abc import Mapping

from pgproto.errors import ClientConfigurationError
from pgproto.require_auth import parse_require_auth
from pgproto.secret import Secret

from .addresses import HostArgument, Named, PortArgument, Sources, resolve_addresses
from .conninfo import Conninfo, parse_conninfo
from .given import Given, Source, choice, flag, integer, invalid, merge, plain_text, refuse_unsupported, source, text
from .home import home_file
from .keywords import ENVIRONMENT, KEYWORDS, SERVER_SETTINGS, SETTING_VARIABLES
from .options import (
    SESSION_ATTRIBUTES,
    ConnectOptions,
    Password,
    PasswordCallable,
    Preparing,
    SslMode,
    prepare_mode,
    timeout_seconds,
)
from .passfile import find_password, passfile_path, read_passfile
from .service import load_service
from .tls import tls_options

STRICT = {"sslmode": "verify-full", "require_auth": "scram-sha-256", "channel_binding": "require"}

# What the startup message has fields for; as settings they would be sent twice.
_STARTUP_FIELDS = frozenset({"user", "database", "replication"})
_PROTOCOL_VERSIONS = {"3.0": (3, 0), "3.2": (3, 2), "latest": (3, 2)}
_UTF8 = frozenset({"utf8", "unicode", "auto"})


def resolve(
    dsn: str | None = None,
    *,
    host: HostArgument = None,
    port: PortArgument = None,
    user: str | None = None,
    password: str | PasswordCallable | None = None,
    passfile: str | os.PathLike[str] | None = None,
    service: str | None = None,
    servicefile: str | os.PathLike[str] | None = None,
    database: str | None = None,
    ssl: object = None,
    direct_tls: bool | None = None,
    server_settings: Mapping[str, str] | None = None,
    target_session_attrs: str | None = None,
    krbsrvname: str | None = None,
    gsslib: str | None = None,
    timeout: float | None = 60.0,
    connect_timeout: float | str | None = None,
    security: str | None = None,
    allow_cleartext_password: bool = False,
    environ: Mapping[str, str] | None = None,
    **libpq: object,
) -> ConnectOptions:
    """Return checked settings; nothing has been connected to, files named by the settings have been read.

    `ssl` is None, a bool, an SSLContext or an sslmode; `**libpq` takes every other keyword of libpq by its name.
    `prepare` in a DSN is connect's argument; unknown names there become server settings. Raises
    ClientConfigurationError, naming the keyword and its place.
    `security="strict"` asks for verify-full, SCRAM and channel binding, and refuses settings that contradict.

    https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
    """
    environ = os.environ if environ is None else environ
    named: dict[str, object] = {
        "user": user, "passfile": passfile, "service": service, "servicefile": servicefile, "dbname": database,
        "target_session_attrs": target_session_attrs, "krbsrvname": krbsrvname, "gsslib": gsslib,
        "connect_timeout": connect_timeout, "password": None if callable(password) else password,
    }
    arguments = _argument_source(named, libpq, ssl)
    sources, unknown = _read_sources(dsn, arguments, environ)
    preparing = _preparing(unknown.pop("prepare", None))
    chosen = merge(sources.ordered())
    if security is not None:
        _apply_security(plain_text("security", security), chosen, ssl, allow_cleartext_password, environ)
    refuse_unsupported(chosen)
    addresses = resolve_addresses(host, port, sources)
    user_name = _user(chosen)
    database_name = text(chosen, "dbname") or user_name
    has_tcp = any(hasattr(address, "port") for address, _ in addresses)
    options = ConnectOptions(
        addresses=tuple(address for address, _ in addresses),
        passwords=_passwords(password, chosen, addresses, database_name, user_name, environ),
        user=user_name,
        database=database_name,
        server_settings=_server_settings(chosen, unknown, server_settings, environ),
        tls=tls_options(chosen, ssl, direct_tls, has_tcp=has_tcp, environ=environ,
                        refuses_open_key=security is not None),
        timeout=timeout_seconds("timeout", timeout),
        allow_cleartext_password=bool(allow_cleartext_password),
    )
    return dataclasses.replace(_with_conditions(options, chosen), prepare=preparing)


def _preparing(value: str | None) -> Preparing | None:
    try:
        return None if value is None else prepare_mode(value)
    except ClientConfigurationError as exc:
        raise exc.with_msg(f"{exc} (DSN)") from None


def _with_conditions(options: ConnectOptions, chosen: Source) -> ConnectOptions:
    """Return `options` with the keywords that stand for themselves: sessions, sockets, authentication, protocol."""
    minimum, maximum = _protocol_versions(chosen)
    return dataclasses.replace(
        options,
        target_session_attrs=choice(chosen, "target_session_attrs", SESSION_ATTRIBUTES, "any"),
        load_balance_hosts=choice(chosen, "load_balance_hosts", ("disable", "random"), "disable") == "random",
        connect_timeout=_connect_timeout(chosen),
        keepalives=flag(chosen, "keepalives", True),
        keepalives_idle=_positive(chosen, "keepalives_idle"),
        keepalives_interval=_positive(chosen, "keepalives_interval"),
        keepalives_count=_positive(chosen, "keepalives_count"),
        tcp_user_timeout=_positive(chosen, "tcp_user_timeout"),
        channel_binding=choice(chosen, "channel_binding", ("disable", "prefer", "require"), "prefer"),
        require_auth=_require_auth(chosen),
        min_protocol_version=minimum,
        max_protocol_version=maximum,
        krbsrvname=text(chosen, "krbsrvname") or "postgres",
        gsslib=_gsslib(chosen),
        gssdelegation=flag(chosen, "gssdelegation", False),
        requirepeer=text(chosen, "requirepeer"),
    )


def _argument_source(named: dict[str, object], libpq: dict[str, object], ssl: object) -> Source:
    for name in libpq:
        if name not in KEYWORDS or name in named or name in ("host", "port"):
            raise TypeError(f"{name!r} is not a connection argument")
    values = {name: _argument_text(name, value) for name, value in (named | libpq).items() if value is not None}
    if isinstance(ssl, str):
        values["sslmode"] = plain_text("ssl", ssl)
    elif isinstance(ssl, SslMode):
        values["sslmode"] = ssl.libpq_name
    elif ssl is False:
        values["sslmode"] = "disable"
    elif ssl is not None and ssl is not True and not isinstance(ssl, ssl_module.SSLContext):
        raise ClientConfigurationError(
            f"invalid ssl: a bool, an SSLContext or the name of an sslmode was expected, got {type(ssl).__name__}")
    arguments = merge(source({name: value}, f"argument {name}") for name, value in values.items())
    if values.get("password") == "":
        # An empty password argument means "none"; it keeps PGPASSWORD out.
        arguments["password"] = Given("", "argument password")
    return arguments


def _argument_text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, (int, float)) and name not in ("user", "password", "dbname"):
        return str(value)
    return plain_text("database" if name == "dbname" else name, value)


def _read_sources(dsn: str | None, arguments: Source, environ: Mapping[str, str]) -> tuple[Sources, dict[str, str]]:
    """Return every source, and the names in the DSN's query that libpq does not know."""
    conninfo = Conninfo({}, {}) if dsn is None else parse_conninfo(plain_text("dsn", dsn))
    known = {name: value for name, value in conninfo.query.items() if name in KEYWORDS}
    unknown = {name: value for name, value in conninfo.query.items() if name not in KEYWORDS}
    location = source(conninfo.location, "DSN")
    query = source(known, "DSN")
    environment: Source = {}
    for name, variable in ENVIRONMENT.items():
        if environ.get(variable):
            environment[name] = Given(plain_text(variable, environ[variable]), f"environment variable {variable}")
    if "sslmode" not in environment and environ.get("PGREQUIRESSL", "").startswith("1"):
        environment["sslmode"] = Given("require", "environment variable PGREQUIRESSL")
    asked = merge((arguments, location, query, environment))
    service: Source = {}
    if "service" in asked:
        name = asked["service"].value
        service = source(load_service(name, text(asked, "servicefile"), environ), f"service {name!r}")
    return Sources(arguments, location, query, service, environment), unknown


def _apply_security(
    security: str, chosen: Source, ssl: object, allow_cleartext_password: bool, environ: Mapping[str, str]
) -> None:
    """Put the demands of `security="strict"` into `chosen`, or raise where they are contradicted."""
    if security != "strict":
        raise ClientConfigurationError(f"invalid security: 'strict' or None was expected, got {security!r}")
    if allow_cleartext_password:
        raise ClientConfigurationError("security='strict' contradicts allow_cleartext_password=True")
    is_context = isinstance(ssl, ssl_module.SSLContext)
    if isinstance(ssl, ssl_module.SSLContext) and not ssl.check_hostname:  # it implies a verified certificate
        raise ClientConfigurationError("security='strict' needs an SSLContext that verifies certificate and host name")
    for name, value in STRICT.items():
        given = chosen.get(name)
        if name == "sslmode" and (ssl is True or is_context):
            continue
        if given is not None and given.value.replace("_", "-") != value:
            raise invalid(name, given, f"security='strict' means {value}")
        chosen[name] = Given(value, "security='strict'")
    root = home_file(environ, os.path.join(".postgresql", "root.crt"), "root.crt")
    if "sslrootcert" not in chosen and not (root is not None and os.path.exists(root)):
        chosen["sslrootcert"] = Given("system", "security='strict'")


def _is_utf8(encoding: str) -> bool:
    """Whether a client_encoding means UTF-8, libpq's `auto` included, which looks at the locale."""
    return encoding.strip("'").lower().replace("-", "").replace("_", "") in _UTF8


def _user(chosen: Source) -> str:
    given = text(chosen, "user")
    if given:
        return given
    try:
        return plain_text("user", getpass.getuser())
    except (KeyError, OSError, ImportError) as exc:
        raise ClientConfigurationError("no user was given, and the operating system does not name one") from exc


def _passwords(
    argument: object, chosen: Source, addresses: tuple[Named, ...], database: str, user: str, environ: Mapping[str, str]
) -> tuple[Password, ...]:
    if callable(argument):
        return (argument,) * len(addresses)
    given = text(chosen, "password")
    if given:
        return (Secret(given),) * len(addresses)
    lines = read_passfile(passfile_path(text(chosen, "passfile"), environ))
    found = [find_password(lines, hosts=names, port=_port_of(address), database=database, user=user)
             for address, names in addresses]
    return tuple(None if each is None else Secret(plain_text("password", each)) for each in found)


def _port_of(address: object) -> int:
    port = getattr(address, "port", None)
    if isinstance(port, int):
        return port
    digits = str(address).rpartition(".")[2]
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def _server_settings(
    chosen: Source, unknown: dict[str, str], argument: Mapping[str, str] | None, environ: Mapping[str, str]
) -> dict[str, str]:
    """Return the settings for the startup message; names differ in more than case, the strongest source wins."""
    if argument is not None and not isinstance(argument, Mapping):
        raise ClientConfigurationError(
            f"invalid server_settings: a dict of str to str was expected, got {type(argument).__name__}")
    settings: dict[str, tuple[str, str]] = {}
    for variable, name in SETTING_VARIABLES.items():
        value = environ.get(variable, "")
        if value and value.lower() != "default":
            settings[name] = (name, plain_text(variable, value))
    fallback = text(chosen, "fallback_application_name")
    if fallback is not None:
        settings["application_name"] = ("application_name", fallback)
    for name in SERVER_SETTINGS:
        if name in chosen:
            settings[name] = (name, chosen[name].value)
    for each in (unknown, argument or {}):
        for raw_name, raw_value in each.items():
            name = plain_text("server_settings", raw_name)
            if not name or name.lower() in _STARTUP_FIELDS:
                raise ClientConfigurationError(f"invalid server_settings: {name!r} is not a setting of the server")
            settings[name.lower()] = (name, plain_text(f"server_settings[{name!r}]", raw_value))
    if "client_encoding" in settings:
        encoding = settings.pop("client_encoding")[1]
        if not _is_utf8(encoding):
            settings["client_encoding"] = ("client_encoding", encoding)
    return dict(settings.values())


def _require_auth(chosen: Source) -> str | None:
    """Return the list of methods as it was written, once it is known to be one."""
    given = chosen.get("require_auth")
    if given is None:
        return None
    try:
        parse_require_auth(given.value)
    except ClientConfigurationError as exc:
        raise exc.with_msg(f"{exc} ({given.origin})") from None
    return given.value


def _protocol_versions(chosen: Source) -> tuple[tuple[int, int], tuple[int, int]]:
    allowed = tuple(_PROTOCOL_VERSIONS)
    minimum = _PROTOCOL_VERSIONS[choice(chosen, "min_protocol_version", allowed, "3.0")]
    # Old servers and poolers fail on 3.2, so it is asked for only by those who say so; who demands more than 3.0 does.
    default = "latest" if minimum > (3, 0) else "3.0"
    maximum = _PROTOCOL_VERSIONS[choice(chosen, "max_protocol_version", allowed, default)]
    if minimum > maximum:
        raise invalid("min_protocol_version", chosen["min_protocol_version"], "it is above max_protocol_version")
    return minimum, maximum


def _gsslib(chosen: Source) -> str:
    given = chosen.get("gsslib")
    if given is None:
        return "sspi" if sys.platform == "win32" else "gssapi"
    if given.value not in ("gssapi", "sspi"):
        raise ClientConfigurationError(
            f"gsslib parameter must be either 'gssapi' or 'sspi', got {given.value!r} ({given.origin})")
    return given.value


def _connect_timeout(chosen: Source) -> float | None:
    """Return seconds per address; as in libpq zero and below mean no limit."""
    given = chosen.get("connect_timeout")
    if given is None:
        return None
    try:
        seconds = timeout_seconds("connect_timeout", float(given.value))
    except ValueError:
        raise invalid("connect_timeout", given, "a number of seconds was expected") from None
    return seconds if seconds is not None and seconds > 0 else None


def _positive(chosen: Source, name: str) -> int | None:
    """Return a TCP timing, None where zero or less leaves it to the system."""
    number = integer(chosen, name)
    return number if number is not None and number > 0 else None
