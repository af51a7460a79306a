"""GSSAPI and SSPI: who we are, as a Kerberos realm or Windows vouches for it, by the packages `gssapi` and `sspilib`.

Both are optional (`pip install asyncpg_core[gssauth]`) and imported when a server asks. They exchange tokens with the
server until each side knows the other; making one may take a round trip to the realm, so it is done in a thread.
"""
from __future__ import annotations

import asyncio
import importlib
from typing import Any

from asyncpg_core.options import Address, ConnectOptions, UnixAddress
from pgproto.auth import Token
from pgproto.errors import ClientConfigurationError, InterfaceError, InternalClientError


class TokenMaker:
    """One log-in's context of the library, made with its first token."""

    def __init__(self, address: Address, options: ConnectOptions) -> None:
        self.address = address
        self.options = options
        self.context: Any = None

    async def token(self, received: bytes | None, is_negotiable: bool) -> Token:
        """Return the answer to the server's token. InternalClientError, with the library's words, where it has none."""
        return await asyncio.get_running_loop().run_in_executor(None, self.step, received, is_negotiable)

    def step(self, received: bytes | None, is_negotiable: bool) -> Token:
        try:
            if self.context is None:
                self.context = new_context(self.address, self.options, is_negotiable)
            payload = self.context.step(received)
            return Token(payload or None, bool(self.context.complete))
        except (InterfaceError, InternalClientError):
            raise
        except Exception as error:
            # The libraries' errors share no class, and an OSError among them would look like a lost connection.
            raise InternalClientError(f"{self.options.gsslib} made no token: {error}") from error


def new_context(address: Address, options: ConnectOptions, is_negotiable: bool) -> Any:
    """Return the library's context of a client that wants to talk to the service at this address."""
    if isinstance(address, UnixAddress):
        raise InternalClientError(f"GSSAPI and SSPI know a server by its host name, and {address} has none")
    if options.gsslib == "sspi":
        return new_sspi_context(f"{options.krbsrvname}/{address.host}", options, is_negotiable)
    gssapi = library("gssapi")
    flags = [gssapi.RequirementFlag.mutual_authentication]
    if options.gssdelegation:
        flags.append(gssapi.RequirementFlag.delegate_to_peer)
    name = gssapi.Name(f"{options.krbsrvname}@{address.host}", gssapi.NameType.hostbased_service)
    return gssapi.SecurityContext(name=name, usage="initiate", flags=flags)


def new_sspi_context(target: str, options: ConnectOptions, is_negotiable: bool) -> Any:
    if options.gssdelegation:
        raise ClientConfigurationError("invalid gssdelegation: credentials are delegated by gsslib=gssapi only")
    sspilib = library("sspilib")
    # A server that asks for GSSAPI knows Kerberos alone.
    credential = sspilib.UserCredential(protocol="Negotiate" if is_negotiable else "Kerberos")
    return sspilib.ClientSecurityContext(target_name=target, credential=credential)


def library(name: str) -> Any:
    """Return the module, or raise an InterfaceError that says how to get it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InterfaceError(
            f"{name} module not found; please install asyncpg_core[gssauth] to log in by Kerberos, GSSAPI or SSPI"
        ) from error
