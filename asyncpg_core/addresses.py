"""Hosts and ports from five sources → the addresses to try, in order.

The one idea: the highest source that names a host decides about hosts; a port written beside a host in a URI belongs to
that host and is overruled with it.
"""
from __future__ import annotations

import ipaddress
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pgproto.errors import ClientConfigurationError

from .given import Given, Source, plain_text
from .options import Address, TcpAddress, UnixAddress

DEFAULT_PORT = 5432
DEFAULT_DIRECTORIES = ("/run/postgresql", "/var/run/postgresql", "/tmp", "/private/tmp")

HostArgument: TypeAlias = str | Sequence[str] | None
PortArgument: TypeAlias = int | str | Sequence[int | str] | None

# An address and the names under which a password file may list it.
Named: TypeAlias = tuple[Address, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything that was given, the strongest first. `location` is what stands before the `?` of a URI."""

    argument: Source
    location: Source
    query: Source
    service: Source
    environment: Source

    def ordered(self) -> tuple[Source, ...]:
        return (self.argument, self.location, self.query, self.service, self.environment)


@dataclass(frozen=True, slots=True)
class Hosts:
    """Host names, the ports written next to them (blank where none), and how many sources overrule theirs."""

    names: tuple[str, ...]
    ports: tuple[str, ...]
    rank: int


def resolve_addresses(host: HostArgument, port: PortArgument, sources: Sources) -> tuple[Named, ...]:
    """Return the addresses to try; a host argument is taken verbatim, texts elsewhere are lists with commas."""
    hosts = _hosts(_host_argument(host), sources)
    hostaddrs = _hostaddrs(hosts, sources)
    names = hosts.names
    if hostaddrs and not any(names):
        names = ("",) * len(hostaddrs)
        hosts = Hosts(names, names, hosts.rank)
    if hostaddrs and len(hostaddrs) != len(names):
        raise ClientConfigurationError(f"could not match {len(hostaddrs)} hostaddr values to {len(names)} hosts")
    ports = _ports(_port_argument(port), hosts, sources)
    found: list[Named] = []
    for name, hostaddr, number in zip(names, hostaddrs or ("",) * len(names), ports, strict=True):
        found.extend(_expand(name, hostaddr, number))
    return tuple(found)


def split_host_port(text: str) -> tuple[str, str]:
    """Return host and port (blank if none) of `host`, `host:port`, `[ipv6]:port`, `[ipv6]`, `ipv6`, `/dir`, `@name`."""
    if text.startswith(("/", "@")):
        return text, ""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or not host or (rest and not rest.startswith(":")):
            raise ClientConfigurationError(f"invalid host: {text!r} is not [ipv6] or [ipv6]:port")
        return host, rest[1:]
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, port
    return text, ""


def unix_address(directory: str, port: int) -> UnixAddress:
    """Return the socket in `directory`, or the one that `directory` itself names."""
    return UnixAddress(directory if ".s.PGSQL." in directory else f"{directory.rstrip('/')}/.s.PGSQL.{port}")


def _host_argument(host: HostArgument) -> tuple[str, ...]:
    if host is None:
        return ()
    if isinstance(host, (list, tuple)):
        return tuple(plain_text("host", each) for each in host)
    one = plain_text("host", host)
    return (one,) if one else ()


def _port_argument(port: PortArgument) -> tuple[str, ...]:
    if port is None:
        return ()
    if isinstance(port, str):
        return tuple(plain_text("port", port).split(","))
    each_port = port if isinstance(port, (list, tuple)) else [port]
    return tuple(_port_text(each) for each in each_port)


def _port_text(port: object) -> str:
    if isinstance(port, int) and not isinstance(port, bool):
        return str(int(port))
    if isinstance(port, str):
        return plain_text("port", port)
    raise ClientConfigurationError(f"invalid port: an integer from 1 to 65535 was expected, got {port!r}")


def _hosts(argument: tuple[str, ...], sources: Sources) -> Hosts:
    if argument:
        return Hosts(argument, ("",) * len(argument), 0)
    for rank, each in enumerate(sources.ordered()):
        given = each.get("host")
        if given is None:
            continue
        texts = given.value.split(",")
        pairs = [(text, "") if each is sources.location else split_host_port(text) for text in texts]
        return Hosts(tuple(name for name, _ in pairs), tuple(port for _, port in pairs), rank)
    return Hosts(("",), ("",), len(sources.ordered()))


def _hostaddrs(hosts: Hosts, sources: Sources) -> tuple[str, ...]:
    # A hostaddr below the source of the host belongs to another host; PGHOSTADDR applies to all, as in libpq.
    last = 2 if hosts.rank == 1 else hosts.rank  # a URI's query belongs to the host before its "?"
    for rank, each in enumerate(sources.ordered()):
        given = each.get("hostaddr")
        if given is not None and (rank <= last or each is sources.environment):
            return tuple(_hostaddr(text, given) for text in given.value.split(","))
    return ()


def _hostaddr(text: str, given: Given) -> str:
    try:
        # A blank one in a list means: look the name up.
        return str(ipaddress.ip_address(text)) if text else ""
    except ValueError:
        raise ClientConfigurationError(
            f"invalid hostaddr: an IPv4 or IPv6 address was expected, got {text!r} ({given.origin})") from None


def _ports(argument: tuple[str, ...], hosts: Hosts, sources: Sources) -> tuple[int, ...]:
    count = len(hosts.names)
    if argument:
        return _broadcast(argument, count, "argument port")
    for each in (sources.location, sources.query, sources.service):
        given = each.get("port")
        # As in asyncpg: a host argument overrules the port beside a URI's host, but not a port= in its query.
        is_overruled = "host" in each and (
            (each is sources.location and hosts.rank == 0) or (each is sources.query and hosts.rank == 1))
        if given is not None and not is_overruled:
            return _broadcast(tuple(given.value.split(",")), count, given.origin)
    given = sources.environment.get("port")
    fallback = (DEFAULT_PORT,) * count if given is None else _broadcast(
        tuple(given.value.split(",")), count, given.origin)
    return tuple(_port(text, "next to the host") if text else port
                 for text, port in zip(hosts.ports, fallback, strict=True))


def _broadcast(texts: tuple[str, ...], count: int, origin: str) -> tuple[int, ...]:
    ports = tuple(_port(text, origin) for text in texts)
    if len(ports) == 1:
        return ports * count
    if len(ports) != count:
        raise ClientConfigurationError(f"could not match {len(ports)} port numbers to {count} hosts ({origin})")
    return ports


def _port(text: str, origin: str) -> int:
    stripped = text.strip()
    if not stripped:
        return DEFAULT_PORT
    if stripped.isascii() and stripped.isdigit() and len(stripped) <= 9 and 1 <= int(stripped) <= 65535:
        return int(stripped)
    raise ClientConfigurationError(f"invalid port: an integer from 1 to 65535 was expected, got {text!r} ({origin})")


def _expand(name: str, hostaddr: str, port: int) -> list[Named]:
    if hostaddr:
        host = name or hostaddr
        return [(TcpAddress(host, port, hostaddr), (host,))]
    if name.startswith(("/", "@")):
        # libpq looks for the directory, asyncpg for localhost; a line with either is meant for this socket.
        return [(unix_address(name, port), (name, "localhost"))]
    if name:
        return [(TcpAddress(name, port), (name,))]
    tcp: Named = (TcpAddress("localhost", port), ("localhost",))
    if sys.platform == "win32":
        return [tcp]
    return [(unix_address(directory, port), ("localhost",)) for directory in DEFAULT_DIRECTORIES] + [tcp]
