"""TLS: libpq's ssl keywords → `TlsOptions` → the SSLContext to connect with, and in which order to try.

`tls_options` decides and only asks whether files exist; `context_of` reads them, at the first connection attempt
that needs them.

https://www.postgresql.org/docs/current/libpq-ssl.html
"""
from __future__ import annotations

import os
import ssl
import stat
import sys
import warnings
from collections.abc import Mapping
from typing import Literal, TypeAlias

from pgproto.errors import ClientConfigurationError, InterfaceWarning
from pgproto.secret import Secret

from .given import Given, Source, choice, flag, invalid, text
from .home import home_file
from .options import Address, Negotiation, SslMode, TlsOptions, UnixAddress

Attempt: TypeAlias = Literal["plain", "tls"]

ALPN = "postgresql"

_ATTEMPTS: dict[SslMode, tuple[Attempt, ...]] = {
    SslMode.disable: ("plain",),
    SslMode.allow: ("plain", "tls"),
    SslMode.prefer: ("tls", "plain"),
    SslMode.require: ("tls",),
    SslMode.verify_ca: ("tls",),
    SslMode.verify_full: ("tls",),
}
_VERSIONS = {
    "tlsv1": ssl.TLSVersion.TLSv1,
    "tlsv1.1": ssl.TLSVersion.TLSv1_1,
    "tlsv1.2": ssl.TLSVersion.TLSv1_2,
    "tlsv1.3": ssl.TLSVersion.TLSv1_3,
}


class EmptyVersionRange(ClientConfigurationError, ssl.SSLError):
    """No TLS version is allowed: told before connecting. asyncpg leaves it to OpenSSL, hence the second class."""


def attempts(mode: SslMode, address: Address) -> tuple[Attempt, ...]:
    """Return what to try on this address, in order; a Unix socket never has TLS."""
    return ("plain",) if isinstance(address, UnixAddress) else _ATTEMPTS[mode]


def server_hostname(options: TlsOptions, address: Address) -> str | None:
    """Return the name for SNI and the certificate check, None to send none. Python keeps IP addresses out of SNI."""
    if isinstance(address, UnixAddress):
        return None
    return address.host if options.server_name_indication else None


def tls_options(
    chosen: Source, ssl_argument: object, direct_tls: bool | None, *, has_tcp: bool, environ: Mapping[str, str],
    refuses_open_key: bool = False,
) -> TlsOptions:
    """Return the TLS settings of merged keywords; `ssl_argument` is connect()'s `ssl` unless it named a mode.

    A client key that others can read is warned of, or refused. Raises ClientConfigurationError for contradictions and
    for files that a strict mode needs and that are missing.
    """
    negotiation = _negotiation(chosen, direct_tls)
    if isinstance(ssl_argument, ssl.SSLContext):
        _check_sni(chosen, ssl_argument.check_hostname)
        return TlsOptions(mode=SslMode.require, negotiation=negotiation, context=ssl_argument,
                          server_name_indication=flag(chosen, "sslsni", True))
    strict = ssl_argument is True
    mode = _mode(chosen, strict, has_tcp)
    if negotiation == "direct" and mode < SslMode.require:
        raise ClientConfigurationError(
            "direct TLS requires sslmode=require, verify-ca or verify-full, "
            f"or an SSLContext, got sslmode={mode.libpq_name}")
    if mode is SslMode.disable:
        return TlsOptions()
    root = _root_certificate(chosen, mode, strict, environ)
    certificate, key = _client_certificate(chosen, environ)
    revocation_list, revocation_directory = _revocation(chosen, root, environ)
    minimum, maximum = _versions(chosen)
    _check_sni(chosen, mode is SslMode.verify_full)
    key_password = text(chosen, "sslpassword")
    return TlsOptions(
        mode=mode, negotiation=negotiation, root_certificate=root, certificate=certificate, key=key,
        key_password=None if key_password is None else Secret(key_password),
        revocation_list=revocation_list, revocation_directory=revocation_directory,
        minimum_version=minimum, maximum_version=maximum,
        server_name_indication=flag(chosen, "sslsni", True), key_log_file=text(chosen, "sslkeylogfile"),
        strict_certificates=strict, refuses_open_key=refuses_open_key)


def context_of(options: TlsOptions) -> ssl.SSLContext:
    """Return the context to connect with, made at the first call. Reads files: call it off the event loop's path."""
    if options.context is not None:
        return options.context
    if options.made.context is None:
        options.made.context = make_context(options)
    return options.made.context


def make_context(options: TlsOptions) -> ssl.SSLContext:
    """Return a new client context; ClientConfigurationError if a file cannot be used, naming it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = options.mode is SslMode.verify_full
    context.verify_mode = ssl.CERT_NONE if options.root_certificate is None else ssl.CERT_REQUIRED
    context.minimum_version = options.minimum_version
    if options.maximum_version is not None:
        context.maximum_version = options.maximum_version
    context.set_alpn_protocols([ALPN])
    if options.root_certificate == "system":
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    elif options.root_certificate is not None:
        _load_locations(context, "sslrootcert", options.root_certificate)
    if options.strict_certificates and sys.version_info >= (3, 13):
        # What ssl.create_default_context, the meaning of ssl=True, sets from Python 3.13 on.
        context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    if options.revocation_list is not None:
        _load_locations(context, "sslcrl", options.revocation_list)
    if options.revocation_directory is not None:
        _load_locations(context, "sslcrldir", options.revocation_directory)
    if options.revocation_list is not None or options.revocation_directory is not None:
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    if options.certificate is not None:
        _load_client_certificate(context, options, options.certificate)
    if options.key_log_file is not None:
        try:
            context.keylog_filename = options.key_log_file
        except OSError as exc:
            raise ClientConfigurationError(f"invalid sslkeylogfile: {options.key_log_file!r}: {exc}") from exc
    return context


def who_else_has_key(path: str) -> str | None:
    """Return what is wrong with a private key's owner or mode, None if only we can read it.

    libpq's rule: mode 0600 or less, 0640 or less if root owns the file. Raises ClientConfigurationError if there is no
    such file.
    """
    try:
        status = os.stat(path)
    except OSError as exc:
        raise ClientConfigurationError(f"private key file {path!r} cannot be read: {exc.strerror}") from exc
    if not stat.S_ISREG(status.st_mode):
        raise ClientConfigurationError(f"private key file {path!r} is not a plain file")
    if sys.platform == "win32":
        return None
    if status.st_uid not in (0, os.geteuid()):
        return f"private key file {path!r} must be owned by the current user or root, its owner is {status.st_uid}"
    # root may open any key; what counts is whether the file's owner is root, as libpq does.
    allowed = 0o640 if status.st_uid == 0 else 0o600
    mode = stat.S_IMODE(status.st_mode)
    if not mode & 0o077 & ~allowed:
        return None
    return f"private key file {path!r} has group or world access: mode {mode:04o}, {allowed:04o} or less was expected"


def _negotiation(chosen: Source, direct_tls: bool | None) -> Negotiation:
    if direct_tls is not None:
        return "direct" if direct_tls else "postgres"
    return "direct" if choice(chosen, "sslnegotiation", ("postgres", "direct"), "postgres") == "direct" else "postgres"


def _mode(chosen: Source, strict: bool, has_tcp: bool) -> SslMode:
    if strict:
        return SslMode.verify_full
    given = chosen.get("sslmode")
    system = text(chosen, "sslrootcert") == "system"
    if given is None:
        if system:
            return SslMode.verify_full
        return SslMode.prefer if has_tcp else SslMode.disable
    try:
        mode = SslMode.parse(given.value)
    except ValueError as exc:
        raise invalid("sslmode", given, str(exc)) from None
    if system and mode is not SslMode.verify_full:
        raise invalid("sslmode", given, "sslrootcert=system needs verify-full: anyone can get a certificate there")
    return mode


def _root_certificate(chosen: Source, mode: SslMode, strict: bool, environ: Mapping[str, str]) -> str | None:
    if mode < SslMode.require:
        return None
    given = text(chosen, "sslrootcert")
    if given == "system" or (given is None and strict):
        return "system"
    path = given or home_file(environ, os.path.join(".postgresql", "root.crt"), "root.crt")
    if path is not None and os.path.exists(path):
        return path
    if given is not None or mode >= SslMode.verify_ca:
        raise ClientConfigurationError(
            f'root certificate file "{path or "~/.postgresql/root.crt"}" does not exist, '
            f"sslmode={mode.libpq_name} needs it",
            hint="provide the file, say sslrootcert=system to trust the platform's certificates, "
                 "or choose an sslmode that does not verify the server")
    return None


def _client_certificate(chosen: Source, environ: Mapping[str, str]) -> tuple[str | None, str | None]:
    certificate, key = text(chosen, "sslcert"), text(chosen, "sslkey")
    if text(chosen, "sslcertmode") == "disable":
        return None, None
    certificate = certificate or _existing(environ, "postgresql.crt")
    if certificate is None:
        return None, None
    return certificate, key or _existing(environ, "postgresql.key")


def _revocation(chosen: Source, root: str | None, environ: Mapping[str, str]) -> tuple[str | None, str | None]:
    if root is None:
        return None, None
    file, directory = text(chosen, "sslcrl"), text(chosen, "sslcrldir")
    if file is None and directory is None:
        file = _existing(environ, "root.crl")
    return file, directory


def _versions(chosen: Source) -> tuple[ssl.TLSVersion, ssl.TLSVersion | None]:
    minimum = _version("ssl_min_protocol_version", chosen.get("ssl_min_protocol_version"))
    maximum = _version("ssl_max_protocol_version", chosen.get("ssl_max_protocol_version"))
    minimum = ssl.TLSVersion.TLSv1_2 if minimum is None else minimum
    if maximum is not None and minimum > maximum:
        raise EmptyVersionRange(
            f"invalid TLS version range, no protocols are left: ssl_min_protocol_version {minimum.name} is above "
            f"ssl_max_protocol_version {maximum.name}")
    return minimum, maximum


def _version(name: str, given: Given | None) -> ssl.TLSVersion | None:
    if given is None:
        return None
    version = _VERSIONS.get(given.value.lower().replace("_", "."))
    if version is None:
        raise invalid(name, given, "one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3 was expected")
    return version


def _check_sni(chosen: Source, checks_hostname: bool) -> None:
    given = chosen.get("sslsni")
    if given is not None and checks_hostname and not flag(chosen, "sslsni", True):
        raise invalid("sslsni", given, "Python's ssl checks the very name it sends, so verify-full needs sslsni=1")


def _existing(environ: Mapping[str, str], name: str) -> str | None:
    path = home_file(environ, os.path.join(".postgresql", name), name)
    return path if path is not None and os.path.exists(path) else None


def _load_locations(context: ssl.SSLContext, keyword: str, path: str) -> None:
    is_directory = keyword == "sslcrldir"
    try:
        context.load_verify_locations(capath=path) if is_directory else context.load_verify_locations(cafile=path)
    except (OSError, ssl.SSLError) as exc:
        raise ClientConfigurationError(f"invalid {keyword}: {path!r} cannot be loaded: {exc}") from exc


def _load_client_certificate(context: ssl.SSLContext, options: TlsOptions, certificate: str) -> None:
    fault = who_else_has_key(options.key or certificate)
    if fault is not None and options.refuses_open_key:
        raise ClientConfigurationError(fault)
    if fault is not None:
        # libpq refuses such a key; a program that has worked with one for years is told and not stopped.
        warnings.warn(InterfaceWarning(fault), stacklevel=2)
    # A password is always handed over: without one OpenSSL would ask on the terminal.
    password = "" if options.key_password is None else options.key_password.reveal()
    try:
        context.load_cert_chain(certificate, options.key, password)
    except (OSError, ssl.SSLError) as exc:
        key = options.key or certificate
        raise ClientConfigurationError(
            f"client certificate {certificate!r} with key {key!r} cannot be loaded: {exc}") from exc
