"""Published advisories against other PostgreSQL clients: what happened there must not happen here.

One test each, named after what is true here, with the advisory in its docstring. Some have no counterpart: PQfn and
large objects (CVE-2026-6477), XML parsing (CVE-2020-13692) and temporary files (CVE-2022-41946) do not exist in this
driver, which the last tests of this file hold fast.
"""
import ast
import asyncio
import base64
import pathlib
import re
import ssl
import struct

import pytest

import asyncpg_core
from asyncpg_core import dsn as dsn_module
from asyncpg_core.identifiers import quote_ident, quote_literal
from asyncpg_core.options import SslMode
from asyncpg_core.placeholders import fill
from asyncpg_core.tls import attempts, make_context
from pgproto.auth import Authentication, AuthOptions, derive_keys
from pgproto.codecs.hstore import hstore_codec
from pgproto.codecs.registry import builtin_codec
from pgproto.codecs.text_fallback import text_codec
from pgproto.errors import (
    ClientConfigurationError,
    InterfaceError,
    MalformedBody,
    ProtocolError,
    UnsupportedClientFeatureError,
)
from pgproto.operations.extended import Execute
from pgproto.row_sinks import Records
from pgproto.scram import ScramClient
from pgproto.write_buffer import WriteBuffer
from tests.support.backend_bytes import (
    BOUND,
    INT4,
    TEXT,
    complete,
    data_row,
    error,
    header,
    int4,
    message,
    ready,
    ready_frontend,
    statement,
)
from tests.support.startup_server import StartupServer, answers
from tests.unit.test_certificate import make_certificate

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BOTH = b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"


def answered(*parts, columns=(("a", INT4),)):
    """An Execute that was answered by these bytes, on a session of its own."""
    frontend = ready_frontend()
    op = Execute(statement(columns=columns), (), Records())
    frontend.submit(op)
    frontend.receive(BOUND + b"".join(parts) + complete() + ready())
    return op


def login(**kwargs):
    return Authentication(AuthOptions(**{"user": "bob", "is_encrypted": False, "is_local": True, **kwargs}),
                          nonce=b"client")


# pgx

@pytest.mark.parametrize("what", ["bytes", "room", "value", "message"])
def test_a_message_never_wraps_its_length(what):
    """CVE-2024-27304 (pgx, GHSA-mrww-27vc-gghv) and CVE-2024-32655 (Npgsql, GHSA-x9vc-6hfv-hg8c): a message of more
    than 4 GB wrapped its 32-bit length, and what followed was read as messages of the attacker's."""
    buffer = WriteBuffer()
    for n_bytes in (0x3FFFFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x100000010):
        with pytest.raises(InterfaceError, match="can hold 1073741822 bytes"):
            buffer.pretend(what, n_bytes)


def test_no_value_is_ever_written_into_the_text_of_a_query():
    """CVE-2024-27289 (pgx, GHSA-m7wr-2xf7-cm9p) and CVE-2024-1597 (pgjdbc, GHSA-24rp-q3w6-vc56): in the simple protocol
    `-$1` with a negative number became a comment `--5`, and the rest of the line was another statement."""
    bound = statement("select -$1, $2", parameters=(INT4, TEXT)).encode_bind((-5, "\n; drop table t --"))
    assert struct.pack("!ii", 4, -5) in bound and b"-$1" not in bound and b"--5" not in bound


@pytest.mark.parametrize(("sql", "filled"), [
    ("select -$1, $2", "select - '-5', '\n x'"), ("select $tag$ $1 $tag$, $1", "select $tag$ $1 $tag$,  '-5'")])
def test_the_one_place_where_literals_are_put_in_knows_text_from_parameters(sql, filled):
    """CVE-2026-41889 (pgx, GHSA-j88v-2chj-qfwx): a placeholder inside a dollar quote was replaced, and its value ended
    the quote. CVE-2024-27289 again: a literal that begins with a minus. Ours are quoted by the server, so a number is
    in quotes, and what follows a minus is a quote."""
    assert fill(sql, [" '-5'", "'\n x'"]) == filled


def test_a_pipeline_on_a_busy_or_closed_session_is_refused_not_a_crash():
    """GHSA-fqpg-rq76-99pq (pgx): a pipeline on a connection that was busy or closed panicked."""
    frontend = ready_frontend()
    for _ in range(3):
        frontend.submit(Execute(statement(), (), Records()))
    assert frontend.n_pending == 3
    settled = frontend.receive((BOUND + data_row(int4(1)) + complete() + ready()) * 3)
    assert len(settled) == 3 and frontend.n_pending == 0


@pytest.mark.parametrize("length", [-2, -5, -0x80000000, 5, 0x7FFFFFFF])
def test_a_field_of_a_row_has_no_negative_length_and_none_beyond_the_row(length):
    """CVE-2026-32286 and its duplicate CVE-2026-4427 (pgproto3): a negative length of a field in a DataRow, other than
    -1, ended the process."""
    op = answered_or_refused(message("D", struct.pack("!hi", 1, length) + b"abcd"))
    assert op is None or isinstance(op.error, (ProtocolError, MalformedBody))


def answered_or_refused(*parts, columns=(("a", INT4),)):
    try:
        return answered(*parts, columns=columns)
    except ProtocolError:
        return None


@pytest.mark.parametrize("kind", "RSTDCEZKNAGHWtnsI123cdv")
@pytest.mark.parametrize("length", [0, 3, 4, 5, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_message_of_any_kind_and_length_is_refused_or_waited_for(kind, length):
    """CVE-2026-33815 and CVE-2026-33816 (pgx, GHSA-xgrm-4fwx-7qm8 and GHSA-9jj7-4m8r-rfcm): lengths and counts in
    messages were trusted."""
    frontend = ready_frontend()
    frontend.submit(Execute(statement(), (), Records()))
    try:
        settled = frontend.receive(BOUND + kind.encode() + struct.pack("!I", length) + bytes(64))
    except ProtocolError:
        return
    assert settled == [] and frontend.n_pending == 1


# pgjdbc

@pytest.mark.parametrize("code", [0, 3, 5, 7, 9])
def test_required_channel_binding_refuses_what_has_none(code):
    """CVE-2025-49146 (pgjdbc, GHSA-hq9p-pm7w-8p54): channelBinding=require let in by password, MD5, GSS and SSPI."""
    with pytest.raises(InterfaceError, match="channel binding is required"):
        login(channel_binding="require", is_encrypted=True, server_certificate=make_certificate("rsa-sha256")).receive(
            code, b"salt" if code == 5 else b"")


@pytest.mark.parametrize(("certificate", "offered"), [
    (make_certificate("ed25519"), BOTH), (None, BOTH), (make_certificate("rsa-sha256"), b"SCRAM-SHA-256\0\0")])
def test_required_channel_binding_never_becomes_scram_without_it(certificate, offered):
    """CVE-2026-54291 (pgjdbc): with channelBinding=require a login without binding was still possible. Ours ends when
    the certificate has no hash, when there is none, and when the server does not offer PLUS."""
    with pytest.raises(InterfaceError, match="channel binding is required"):
        login(channel_binding="require", is_encrypted=True, server_certificate=certificate).receive(10, offered)


@pytest.mark.parametrize("iterations", [1_000_001, 2_147_483_647, 10**12])
def test_iterations_of_scram_are_bounded_before_any_is_done(iterations):
    """CVE-2026-42198 (pgjdbc) and RUSTSEC-2026-0179 (postgres-protocol): the server's iteration count was not
    bounded."""
    with pytest.raises((UnsupportedClientFeatureError, ProtocolError)):
        ScramClient(nonce=b"client").read_server_first(b"r=clientx,s=AAAA,i=%d" % iterations)


def test_no_keyword_names_code_to_be_loaded():
    """CVE-2022-21724 (pgjdbc, GHSA-v7wg-cpwc-24m4): connection properties named classes that were instantiated."""
    for name in ("socketFactory", "sslfactory", "authenticationPluginClassName", "sslpasswordcallback"):
        found = dsn_module.resolve(f"postgresql://u@h/d?{name}=os.system")
        # A name that libpq does not know is a setting, which the server refuses.
        assert found.server_settings[name] == "os.system"
    for keyword in dsn_module.resolve("postgresql://u@h/d").__slots__:
        assert not re.search("factory|class|plugin|hook", keyword)


@pytest.mark.parametrize("name", ["loggerFile", "logger_file", "loggerLevel", "logfile"])
def test_no_keyword_writes_a_file(name):
    """CVE-2022-26520 (pgjdbc): loggerFile in a URL wrote to any file. The one that writes here is libpq's
    sslkeylogfile."""
    assert dsn_module.resolve(f"postgresql://u@h/d?{name}=/tmp/x").server_settings[name] == "/tmp/x"


@pytest.mark.parametrize("name", ['a"; drop table t; --', "x\"\"", '"', "select"])
def test_names_of_columns_and_tables_are_quoted(name):
    """CVE-2022-31197 (pgjdbc, GHSA-r38f-c4h4-hqq2): column names went into SQL as they were."""
    quoted = quote_ident(name)
    assert quoted[0] == quoted[-1] == '"' and '"' not in quoted[1:-1].replace('""', "")


def test_the_name_of_the_server_is_checked_whatever_the_context_comes_from():
    """CVE-2018-10936 (pgjdbc): a custom SSL factory switched the check of the name off."""
    resolved = dsn_module.resolve(host="h", user="u", ssl=True)
    context = make_context(resolved.tls)
    assert context.check_hostname and context.verify_mode is ssl.CERT_REQUIRED
    ours = ssl.create_default_context()
    assert dsn_module.resolve(host="h", user="u", ssl=ours).tls.context is ours and ours.check_hostname


# rust-postgres

@pytest.mark.parametrize("values", [(), (int4(1),), (int4(1), int4(2), int4(3))])
def test_a_row_has_as_many_fields_as_were_described(values):
    """RUSTSEC-2026-0178 (tokio-postgres): a DataRow with fewer fields than columns ended the process."""
    op = answered_or_refused(data_row(*values), columns=(("a", INT4), ("b", INT4)))
    assert op is None or op.error is not None


@pytest.mark.parametrize("body", [b"", b"\0\0\0\1", struct.pack("!ii", 1, -2), struct.pack("!ii", 1, 99) + b"a",
                                  b"\xff\xff\xff\xff", struct.pack("!ii", 1, -1)])
def test_a_bent_hstore_is_a_typed_error(body):
    """RUSTSEC-2026-0180 (postgres-protocol): a malformed hstore value ended the process."""
    with pytest.raises(MalformedBody):
        hstore_codec(text_codec(90000, "hstore", "public")).decode_value(body)


# asyncpg

@pytest.mark.parametrize("dimensions", [
    struct.pack("!iiI", 1, 0, INT4) + struct.pack("!ii", 0x7FFFFFFF, 1),
    struct.pack("!iiI", 6, 0, INT4) + struct.pack("!ii", 1000, 1) * 6,
    struct.pack("!iiI", -1, 0, INT4), struct.pack("!iiI", 7, 0, INT4) + struct.pack("!ii", 1, 1) * 7,
    struct.pack("!iiI", 2, 0, INT4) + struct.pack("!iiii", -1, 1, -1, 1)])
def test_an_array_whose_sizes_lie_is_refused_before_anything_is_made(dimensions):
    """CVE-2020-17446 (asyncpg, GHSA-27c6-mcxv-x3fh): an array from a malicious server was freed half made: an
    uninitialised pointer."""
    with pytest.raises(MalformedBody):
        builtin_codec(1007).decode_value(dimensions)


def test_an_array_that_fails_in_its_middle_frees_what_it_has_made():
    """CVE-2020-17446 once more: the elements in front of the bent one are given back, those behind it never were."""
    good, bent = struct.pack("!ii", 4, 1), struct.pack("!ii", 3, 1)
    head = struct.pack("!iiI", 1, 0, INT4) + struct.pack("!ii", 1000, 1)
    for at in range(0, 1000, 111):
        with pytest.raises(MalformedBody):
            builtin_codec(1007).decode_value(head + good * at + bent + good * (999 - at))


# libpq

@pytest.mark.parametrize("behind", [b"X", b"R\0\0\0\x08\0\0\0\0", error("an injected answer")])
@pytest.mark.parametrize("mode", ["require", "prefer"])
async def test_bytes_behind_the_answer_to_the_request_for_tls_are_refused(behind, mode):
    """CVE-2021-23222 (libpq) and CVE-2021-23214 (server): what a man in the middle stuffed behind `S` was taken for the
    server's words under TLS."""
    with pytest.raises(ConnectionError, match="in the clear behind its answer"):
        await connected(b"S" + behind, ssl=mode)


@pytest.mark.parametrize("mode", ["require", "prefer"])
async def test_the_text_of_an_error_before_tls_is_never_shown(mode):
    """CVE-2024-10977 (libpq): the text of an error that came before TLS was shown as the server's."""
    with pytest.raises(ConnectionError) as caught:
        await connected(error("your password has expired: visit evil.example"), ssl=mode)
    shown = str(caught.value) + repr(caught.value.__cause__) + repr(caught.value.__context__)
    assert "evil" not in shown and "expired" not in shown


async def connected(answer, **settings):
    async with StartupServer(answers(answer)) as server:
        connection = await asyncio.wait_for(asyncpg_core.connect(
            host="127.0.0.1", port=server.port, user="u", database="d", password="p", timeout=5, **settings), 10)
        connection.terminate()


@pytest.mark.parametrize("body", [b"SECRET" * 20, b"SFATAL\0Mno end", b"", b"M" + b"x" * 29_000])
def test_an_error_without_its_end_shows_nothing_that_lies_behind_it(body):
    """CVE-2022-41862 (libpq): an unterminated error during the negotiation of GSS encryption was printed together with
    the memory behind it."""
    frontend = ready_frontend()
    frontend.submit(Execute(statement(), (), Records()))
    with pytest.raises(ProtocolError) as caught:
        frontend.receive(header("E", len(body) + 4) + body + b"T" * 64)
    assert "TTTT" not in str(caught.value)


@pytest.mark.parametrize("variable", ["require", "verify-full"])
def test_the_environment_demands_tls_where_nobody_says_otherwise(variable, tmp_path):
    """CVE-2017-7485 (libpq): PGREQUIRESSL was ignored. PGSSLMODE counts here, and it is never weakened silently."""
    root = tmp_path / "root.crt"
    root.write_text("")
    resolved = dsn_module.resolve(host="h", user="u", environ={"PGSSLMODE": variable, "PGSSLROOTCERT": str(root)})
    assert resolved.tls.mode is SslMode.parse(variable)
    assert attempts(resolved.tls.mode, resolved.addresses[0]) == ("tls",)


@pytest.mark.parametrize("message", [
    b"v=" + b"A" * 5000, b"v=" + base64.b64encode(bytes(33)), b"v=" + base64.b64encode(bytes(31)), b"v=", b"v=!!!!",
    b"v=AAAA,x=" + b"y" * 1000])
def test_the_servers_proof_has_exactly_its_length(message):
    """CVE-2019-10164 (libpq): a long final message of SCRAM overflowed a buffer on the stack."""
    client = ScramClient(nonce=b"client")
    client.first()
    client.read_server_first(b"r=clientserver,s=" + base64.b64encode(b"salt") + b",i=2")
    client.final(derive_keys("pencil", b"salt", 2))
    with pytest.raises((ProtocolError, InterfaceError)):
        client.check_server_final(message)


def test_what_is_known_of_one_host_never_goes_to_another():
    """CVE-2018-10915 and CVE-2020-25694 (libpq): security settings of the first host were lost for the second, or upon
    a second connect. Here they are frozen, one object for all hosts, and passwords are paired with their addresses."""
    resolved = dsn_module.resolve(
        "postgresql://u@a,b/d?sslmode=require&channel_binding=require&require_auth=scram-sha-256")
    assert (resolved.channel_binding, resolved.require_auth, resolved.tls.mode) == (
        "require", "scram-sha-256", SslMode.require)
    with pytest.raises(AttributeError):
        resolved.require_auth = None
    assert len(list(resolved.endpoints)) == 2


@pytest.mark.parametrize("text", ["a\udcc0'; drop table t; --", "\ud800", "a\0b"])
@pytest.mark.parametrize("quote", [quote_ident, quote_literal])
def test_what_is_no_text_is_never_quoted(quote, text):
    """CVE-2025-1094 (libpq): quoting functions let invalid encodings through, which ended the quote for a lenient
    reader. CVE-2006-2313 and CVE-2006-2314: the same with multibyte encodings. Ours take str, refuse what UTF-8 cannot
    hold, and the session's encoding is UTF-8."""
    with pytest.raises(InterfaceError):
        quote(text)


@pytest.mark.parametrize("n", [0x40000000, 0x7FFFFFFF])
def test_counts_from_the_caller_and_the_server_do_not_wrap(n):
    """CVE-2025-12818 (libpq): sizes that wrapped made allocations too small."""
    with pytest.raises(InterfaceError, match="can hold"):
        WriteBuffer().pretend("room", n)
    with pytest.raises(ProtocolError):
        frontend = ready_frontend()
        frontend.submit(Execute(statement(), (), Records()))
        frontend.receive(BOUND + message("T", struct.pack("!H", 0xFFFF)))


def test_the_whole_name_of_a_certificate_is_compared():
    """CVE-2012-0867 (libpq compared 32 characters) and CVE-2009-4034 (a zero byte ended the name): the check is
    OpenSSL's, which knows lengths."""
    context = make_context(dsn_module.resolve(host="h", user="u", ssl=True).tls)
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)


# What is not there

def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def test_nothing_parses_xml_unpickles_or_writes_temporary_files():
    """CVE-2020-13692 (pgjdbc: XML with external entities), CVE-2022-41946 (pgjdbc: a temporary file that all can read)
    and CVE-2026-6477 (libpq: the answer of a function call written over the stack)."""
    sources = [path for package in ("asyncpg_core", "pgproto") for path in (ROOT / package).rglob("*.py")]
    imported = {name for path in sources for name in imports_of(path)}
    assert not imported & {"xml", "pickle", "marshal", "tempfile", "subprocess", "ctypes"}
    frontend = ready_frontend()
    frontend.submit(Execute(statement(), (), Records()))
    with pytest.raises(ProtocolError):
        frontend.receive(message("V", struct.pack("!i", 4) + b"abcd"))


def test_a_dsn_that_cannot_be_read_is_refused_without_its_password():
    """What the errors of several drivers have shown in logs: the whole connection string."""
    with pytest.raises(ClientConfigurationError) as caught:
        dsn_module.resolve("postgresql://u:hunter2@h:port/d")
    assert "hunter2" not in str(caught.value)
