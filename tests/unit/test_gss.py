"""GSSAPI and SSPI with a scripted server and stand-ins for the libraries: names, tokens, flags, what may go wrong."""
import asyncio
import builtins
import enum
import struct
import sys
import threading
import types

import pytest

from asyncpg_core import connect
from asyncpg_core.gss import TokenMaker
from asyncpg_core.options import ConnectOptions, TcpAddress, UnixAddress
from pgproto.errors import ClientConfigurationError, InterfaceError, InternalClientError, ProtocolError
from tests.support import startup_server as wire
from tests.support.open_sockets import no_socket_left
from tests.support.startup_server import StartupServer, message

AFTER_OK = wire.WELCOME[len(wire.AUTHENTICATION_OK):]


class Context:
    """A library's context: sends `tokens` one after the other and is complete with the last."""

    def __init__(self, tokens, **given):
        self.tokens = list(tokens)
        self.given = given
        self.received = []
        self.threads = set()

    @property
    def complete(self):
        return not self.tokens

    def step(self, token):
        self.received.append(token)
        self.threads.add(threading.get_ident())
        said = self.tokens.pop(0)
        if isinstance(said, Exception):
            raise said
        return said


def gssapi_with(tokens, contexts):
    """A module as `gssapi`, as far as it is used."""
    module = types.ModuleType("gssapi")
    module.RequirementFlag = enum.Enum("RequirementFlag", "mutual_authentication delegate_to_peer")
    module.NameType = enum.Enum("NameType", "hostbased_service user")
    module.Name = lambda text, kind: (text, kind.name)

    def security_context(**given):
        contexts.append(Context(tokens, **given))
        return contexts[-1]

    module.SecurityContext = security_context
    return module


def sspilib_with(tokens, contexts):
    module = types.ModuleType("sspilib")
    module.UserCredential = lambda *, protocol: protocol

    def security_context(**given):
        contexts.append(Context(tokens, **given))
        return contexts[-1]

    module.ClientSecurityContext = security_context
    return module


@pytest.fixture
def install(monkeypatch):
    """Put both stand-ins in the libraries' places; returns the contexts they will make."""
    def install(*tokens):
        contexts = []
        monkeypatch.setitem(sys.modules, "gssapi", gssapi_with(tokens, contexts))
        monkeypatch.setitem(sys.modules, "sspilib", sspilib_with(tokens, contexts))
        return contexts
    return install


def asks_for(code, *tokens, heard):
    """A server that asks for a method by its code, answers with tokens, and lets everybody in."""
    async def script(reader, writer):
        await wire.read_startup(reader)
        writer.write(message(b"R", struct.pack("!i", code)))
        for token in tokens:
            heard.append(await read_token(reader))
            writer.write(message(b"R", struct.pack("!i", 8) + token))
        if not tokens:
            heard.append(await read_token(reader))
        writer.write(wire.AUTHENTICATION_OK + AFTER_OK)
        await reader.read(-1)
    return script


async def read_token(reader):
    head = await reader.readexactly(5)
    assert head[:1] == b"p"
    return await reader.readexactly(int.from_bytes(head[1:], "big") - 4)


def to(server, **arguments):
    return connect(host="localhost", hostaddr="127.0.0.1", port=server.port, user="u", database="d", ssl="disable",
                   timeout=5, **arguments)


@pytest.mark.parametrize("code", [7, 9])
async def test_gssapi_names_the_service_and_exchanges_tokens_off_the_loop(install, code):
    contexts, heard = install(b"one", b"two", None), []
    async with no_socket_left(), StartupServer(asks_for(code, b"three", b"four", heard=heard)) as server:
        connection = await to(server, gsslib="gssapi", krbsrvname="pg")
        connection.terminate()
    (context,) = contexts
    assert context.given["name"] == ("pg@localhost", "hostbased_service") and context.given["usage"] == "initiate"
    assert [flag.name for flag in context.given["flags"]] == ["mutual_authentication"]
    assert (heard, context.received) == ([b"one", b"two"], [None, b"three", b"four"])
    assert threading.get_ident() not in context.threads


async def test_gssapi_delegates_credentials_on_demand(install):
    contexts = install(b"one")
    async with StartupServer(asks_for(7, heard=[])) as server:
        connection = await to(server, gsslib="gssapi", gssdelegation=1)
        connection.terminate()
    assert [flag.name for flag in contexts[0].given["flags"]] == ["mutual_authentication", "delegate_to_peer"]
    assert contexts[0].given["name"][0] == "postgres@localhost"


@pytest.mark.parametrize(("code", "protocol"), [(7, "Kerberos"), (9, "Negotiate")])
async def test_sspi_is_negotiated_only_where_the_server_knows_sspi(install, code, protocol):
    contexts, heard = install(b"one", None), []
    async with StartupServer(asks_for(code, b"two", heard=heard)) as server:
        connection = await to(server, gsslib="sspi")
        connection.terminate()
    assert contexts[0].given == {"target_name": "postgres/localhost", "credential": protocol}
    assert heard == [b"one"]


async def test_sspi_does_not_delegate(install):
    install(b"one")
    async with no_socket_left(), StartupServer(asks_for(9, heard=[])) as server:
        with pytest.raises(ClientConfigurationError, match="invalid gssdelegation"):
            await to(server, gsslib="sspi", gssdelegation=1)


@pytest.mark.parametrize("gsslib", ["gssapi", "sspi"])
async def test_missing_library_is_named_with_the_way_to_get_it(monkeypatch, gsslib):
    module = {"gssapi": "gssapi", "sspi": "sspilib"}[gsslib]
    monkeypatch.setitem(sys.modules, module, None)
    async with no_socket_left(), StartupServer(asks_for(7, heard=[])) as server:
        with pytest.raises(InterfaceError, match=rf"^{module} module not found; .*asyncpg_core\[gssauth\]"):
            await to(server, gsslib=gsslib)


@pytest.mark.parametrize("error", [
    ValueError("Server wrong/localhost not found in database"), builtins.ConnectionResetError("the realm is gone")])
@pytest.mark.parametrize("sslmode", ["disable", "allow"])
async def test_error_of_the_library_ends_the_search_and_keeps_its_words(install, error, sslmode):
    install(error)
    async with no_socket_left(), StartupServer(asks_for(7, heard=[])) as server:
        with pytest.raises(InternalClientError, match=str(error)) as caught:
            await connect(host=["127.0.0.1"] * 2, port=server.port, user="u", database="d", ssl=sslmode)
        assert caught.value.__cause__ is error
        assert server.n_connections == 1


async def test_server_that_does_not_prove_itself_is_refused(install):
    install(b"one", b"two")
    async with no_socket_left(), StartupServer(asks_for(7, heard=[])) as server:
        with pytest.raises(ProtocolError, match="after a GSSAPI or SSPI token"):
            await to(server, gsslib="gssapi")


@pytest.mark.parametrize(("policy", "code", "is_let_in"), [
    ("gss", 7, True), ("sspi", 9, True), ("gss", 9, False), ("!gss", 7, False), ("scram-sha-256", 7, False)])
async def test_policy_decides_before_a_token_is_made(install, policy, code, is_let_in):
    contexts = install(b"one")
    async with no_socket_left(), StartupServer(asks_for(code, heard=[])) as server:
        if is_let_in:
            connection = await to(server, gsslib="gssapi", require_auth=policy)
            connection.terminate()
        else:
            with pytest.raises(InterfaceError, match="authentication method refused"):
                await to(server, gsslib="gssapi", require_auth=policy)
    assert len(contexts) == is_let_in


async def test_realm_that_does_not_answer_is_bounded_by_the_timeout(install):
    released = threading.Event()
    contexts = install(b"one")

    async with no_socket_left(), StartupServer(asks_for(7, heard=[])) as server:
        sys.modules["gssapi"].SecurityContext = lambda **given: released.wait(5)
        with pytest.raises(asyncio.TimeoutError):
            await connect(host="127.0.0.1", port=server.port, user="u", database="d", ssl="disable", gsslib="gssapi",
                          timeout=0.2)
        released.set()
    assert contexts == []


async def test_unix_socket_has_no_name_to_ask_for(install):
    install(b"one")
    options = ConnectOptions((UnixAddress("/tmp/.s.PGSQL.5432"),), (None,), "u", "d", gsslib="gssapi")
    with pytest.raises(InternalClientError, match="has none"):
        await TokenMaker(options.addresses[0], options).token(None, False)


async def test_name_of_the_host_is_asked_for_and_not_its_address(install):
    contexts = install(b"one")
    options = ConnectOptions((TcpAddress("db.example", 5432, "192.0.2.1"),), (None,), "u", "d", gsslib="gssapi")
    assert (await TokenMaker(options.addresses[0], options).token(None, False)).payload == b"one"
    assert contexts[0].given["name"][0] == "postgres@db.example"
