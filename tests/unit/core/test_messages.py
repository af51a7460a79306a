"""The messages in both directions: golden bytes, and bodies that are cut, too long or lie about their counts."""

import struct

import pytest

from pgproto.errors import InterfaceError, ProtocolError
from pgproto.messages.frontend import cancel_request, ssl_request
from pgproto.operations.copy import CopyIn, CopyOut
from pgproto.operations.extended import Close, Execute, ExecuteMany, FetchPortal, Prepare, Script, Stream
from pgproto.operations.simple import SimpleQuery
from pgproto.operations.startup import PROTOCOL_3_2, Startup
from pgproto.row_sinks import RawRows, Records
from tests.support.backend_bytes import (
    BOUND,
    CLOSED,
    COPY_DONE,
    EMPTY,
    INT4,
    NO_DATA,
    PARSED,
    SUSPENDED,
    SYNC,
    TEXT,
    authentication,
    backend_key_data,
    column,
    complete,
    copy_response,
    cstring,
    data_row,
    error,
    fields,
    int4,
    kinds,
    message,
    negotiate,
    new_startup,
    notice,
    notification,
    parameter_description,
    parameter_status,
    ready,
    ready_frontend,
    row_description,
    rows_answer,
    split_messages,
    statement,
)


def sent_by(op, frontend=None):
    frontend = frontend or ready_frontend()
    frontend.submit(op)
    return frontend.take_output()


UNNAMED = {"sql": "select $1", "name": "", "parameters": [INT4]}
TWO = statement("select $1, $2", "st", [INT4, TEXT], [("a", INT4), ("b", TEXT)])

BIND_S = b"B\0\0\0\x0f\0s\0\0\0\0\0\0\1\0\1"
EXECUTE_ALL = b"E\0\0\0\t\0\0\0\0\0"
BIND_UNNAMED_1 = b"B\0\0\0\x18\0\0\0\1\0\1\0\1\0\0\0\4\0\0\0\7\0\1\0\1"
BIND_PLAIN = b"B\0\0\0\x0c\0\0\0\0\0\0\0\0"
BEGIN = b"P\0\0\0\x0d\0BEGIN\0\0\0" + BIND_PLAIN + EXECUTE_ALL

GOLDEN = [
    (lambda: Prepare("select 1", "x"), b"P\0\0\0\x11x\0select 1\0\0\0D\0\0\0\7Sx\0" + SYNC),
    (
        lambda: Prepare("select $1", types=(INT4, 4_000_000_000)),
        b"P\0\0\0\x19\0select $1\0\0\2\0\0\0\x17\xee\x6b\x28\0D\0\0\0\6S\0" + SYNC,
    ),
    (lambda: Execute(statement()), BIND_S + EXECUTE_ALL + SYNC),
    (lambda: Execute(statement(), (), RawRows(), row_limit=258), BIND_S + b"E\0\0\0\t\0\0\0\1\2" + SYNC),
    (
        lambda: Execute(TWO, [None, "héé"]),
        b"B\0\0\0\x21\0st\0\0\2\0\1\0\1\0\2\xff\xff\xff\xff\0\0\0\5h\xc3\xa9\xc3\xa9\0\1\0\1" + EXECUTE_ALL + SYNC,
    ),
    (
        lambda: Execute(statement(**UNNAMED), (7,), with_parse=True),
        b"P\0\0\0\x15\0select $1\0\0\1\0\0\0\x17" + BIND_UNNAMED_1 + b"D\0\0\0\6P\0" + EXECUTE_ALL + SYNC,
    ),
    (
        lambda: Execute(statement("insert into t default values", columns=None)),
        b"B\0\0\0\x0d\0s\0\0\0\0\0\0\0" + EXECUTE_ALL + SYNC,
    ),
    (
        lambda: Execute(statement(columns=[("a", INT4), ("b", 999_999)])),
        b"B\0\0\0\x11\0s\0\0\0\0\0\0\2\0\1\0\0" + EXECUTE_ALL + SYNC,
    ),
    (
        lambda: Execute(statement("copy t to stdout", columns=None)),
        b"B\0\0\0\x0d\0s\0\0\0\0\0\0\0" + EXECUTE_ALL + b"H\0\0\0\4",
    ),
    (
        lambda: ExecuteMany(statement(**UNNAMED), [(7,), [7]], with_parse=True),
        b"P\0\0\0\x15\0select $1\0\0\1\0\0\0\x17" + BIND_UNNAMED_1 + b"D\0\0\0\6P\0" + EXECUTE_ALL
        + BIND_UNNAMED_1 + EXECUTE_ALL + SYNC,
    ),
    (lambda: FetchPortal(statement(), "p", Records(), row_limit=5), b"E\0\0\0\np\0\0\0\0\5" + SYNC),
    (
        lambda: FetchPortal(statement(), "p", Records(), arguments=()),
        b"B\0\0\0\x10p\0s\0\0\0\0\0\0\1\0\1" + b"E\0\0\0\np\0\0\0\0\0" + SYNC,
    ),
    (
        lambda: FetchPortal(statement(**UNNAMED), "p", Records(), arguments=(7,), with_parse=True),
        b"P\0\0\0\x15\0select $1\0\0\1\0\0\0\x17"
        + b"B\0\0\0\x19p"
        + BIND_UNNAMED_1[5:]
        + b"D\0\0\0\7Pp\0"
        + b"E\0\0\0\np\0\0\0\0\0"
        + SYNC,
    ),
    (lambda: Stream(statement(), (), Records(), batch=50), BIND_S + b"E\0\0\0\t\0\0\0\0\x32" + b"H\0\0\0\4"),
    (
        lambda: Stream(statement(**UNNAMED), (7,), Records(), batch=1, with_parse=True),
        b"P\0\0\0\x15\0select $1\0\0\1\0\0\0\x17"
        + BIND_UNNAMED_1
        + b"D\0\0\0\6P\0"
        + b"E\0\0\0\t\0\0\0\0\1"
        + b"H\0\0\0\4",
    ),
    (lambda: Close("x"), b"C\0\0\0\7Sx\0" + SYNC),
    (lambda: Close("x", is_portal=True), b"C\0\0\0\7Px\0" + SYNC),
    (lambda: Script(("BEGIN",)), BEGIN + SYNC),
    (lambda: SimpleQuery("select 'é'"), b"Q\0\0\0\x10select '\xc3\xa9'\0"),
    (lambda: CopyIn("copy a"), b"Q\0\0\0\x0bcopy a\0"),
    (lambda: CopyOut("copy a"), b"Q\0\0\0\x0bcopy a\0"),
]


@pytest.mark.parametrize(("make", "golden"), GOLDEN)
def test_an_operation_is_these_bytes(make, golden):
    assert sent_by(make()) == golden


@pytest.mark.parametrize(
    ("make", "golden"), [(m, g) for m, g in GOLDEN if g[:1] not in b"QC" and m().__class__ is not Script]
)
def test_an_extended_operation_carries_its_prelude_in_front(make, golden):
    op = make()
    op.prelude = ("BEGIN", "BEGIN")
    assert sent_by(op) == BEGIN * 2 + golden


def test_a_simple_query_carries_its_prelude_in_front_and_a_sync_behind():
    op = SimpleQuery("vacuum")
    op.prelude = ("BEGIN", "BEGIN")
    assert sent_by(op) == BEGIN * 2 + b"Q\0\0\0\x0bvacuum\0" + SYNC


@pytest.mark.parametrize("operation", [SimpleQuery, CopyIn, CopyOut])
def test_in_front_of_what_may_copy_the_sync_waits_for_its_end(operation):
    op = operation("copy a")
    op.prelude = ("BEGIN",)
    assert sent_by(op) == BEGIN + b"Q\0\0\0\x0bcopy a\0"


def test_a_startup_message_tells_version_and_parameters():
    frontend = ready_frontend()
    op = Startup({"user": "u", "database": ""}, None, version=PROTOCOL_3_2)
    frontend.submit(op)
    assert frontend.take_output() == b"\0\0\0\x1a\0\3\0\2user\0u\0database\0\0\0"


def test_messages_outside_an_operation_are_these_bytes():
    assert ssl_request() == b"\0\0\0\x08\x04\xd2\x16\x2f"
    assert cancel_request(258, b"abcd") == b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\1\2abcd"
    assert cancel_request(1, b"k" * 256) == b"\0\0\1\x0c\x04\xd2\x16\x2e\0\0\0\1" + b"k" * 256
    frontend = ready_frontend()
    frontend.put_terminate()
    assert frontend.take_output() == b"X\0\0\0\4"


@pytest.mark.parametrize("n", [0, 3, 257])
def test_a_cancel_key_of_an_illegal_length_is_refused(n):
    with pytest.raises(InterfaceError, match=f"a cancel key has 4 to 256 bytes, this one {n}"):
        cancel_request(1, bytes(n))


def refused(op, match):
    """Submitting `op` is refused, and neither the send buffer nor the queue holds anything of it."""
    frontend = ready_frontend()
    frontend.submit(Close("front"))
    before = frontend.pending()
    with pytest.raises(InterfaceError, match=match):
        frontend.submit(op)
    assert frontend.take_output() == b"C\0\0\0\x0bSfront\0" + SYNC
    assert frontend.pending() == before
    assert (op.debts_left, op.is_open, op.has_sync, op.is_written) == ([], False, False, False)
    assert not frontend.is_gated


def test_a_name_longer_than_the_server_compares_is_refused():
    refused(Prepare("select 1", "n" * 64), "can have 63 bytes, 'n+' has 64")
    refused(Close("é" * 32), "can have 63 bytes")
    refused(FetchPortal(statement(), "p" * 64, Records()), "can have 63 bytes")
    assert kinds(sent_by(Prepare("select 1", "n" * 63))) == "PDS"


def test_a_zero_byte_in_a_text_is_refused():
    refused(Prepare("select 1", "a\0b"), "a zero byte cannot be part of the name of a statement or portal: 'a\\\\x00b'")
    refused(Prepare("select\0 1"), "a zero byte cannot be part of a string that is sent to the server")
    refused(SimpleQuery("select\0 1"), "a zero byte cannot be part of a string")
    refused(CopyIn("copy\0"), "a zero byte")
    refused(Startup({"user": "a\0b"}, None), "a zero byte cannot be part of the startup parameter 'user'")
    refused(Startup({"": "a"}, None), "a zero byte cannot be part of the startup parameter ''")
    refused(Startup({"us\0er": "a"}, None), "startup parameter")


def test_a_startup_packet_longer_than_the_server_reads_is_refused():
    refused(Startup({"user": "u" * 10_000}, None), "can hold 10000 bytes, this one needs 10015")
    frontend = ready_frontend()
    frontend.submit(Startup({"user": "u" * (10_000 - 15)}, None))
    assert len(frontend.take_output()) == 10_000
    refused(Startup({"user": "u" * (10_000 - 14)}, None), "can hold 10000 bytes, this one needs 10001")


def test_more_types_than_a_parse_can_hold_are_refused():
    refused(Prepare("select 1", types=(0,) * 65_536), "the number of query arguments cannot exceed 65535")
    assert kinds(sent_by(Prepare("select 1", types=(0,) * 65_535))) == "PDS"


def test_a_type_that_is_no_oid_is_refused():
    frontend = ready_frontend()
    with pytest.raises(OverflowError):
        frontend.submit(Prepare("select 1", types=(-1,)))
    assert (frontend.take_output(), frontend.pending()) == (b"", [])


# What the backend sends. Each case: operations in the queue, the answer up to the message, its body, what it leads to.


def described(op):
    return [(c.name, c.table_oid, c.attribute_number, c.type_oid, c.type_size, c.typmod, c.format) for c in op.columns]


def test_a_row_description_is_read_field_by_field():
    frontend = ready_frontend()
    op = Prepare("select 1")
    frontend.submit(op)
    body = (
        struct.pack("!H", 2)
        + cstring("a")
        + struct.pack("!IhIhih", 4_000_000_000, 3, 4_100_000_000, -1, 54, 1)
        + column("", TEXT)
    )
    assert frontend.receive(PARSED + parameter_description(1, 4_200_000_000) + message("T", body) + ready()) == [op]
    assert op.parameter_oids == (1, 4_200_000_000)
    assert described(op) == [("a", 4_000_000_000, 3, 4_100_000_000, -1, 54, 1), ("", 0, 0, TEXT, 4, -1, 0)]
    assert repr(op.columns[0]) == "<Column 'a' oid=4100000000 format=1>"


def test_a_statement_without_rows_has_no_columns():
    frontend = ready_frontend()
    op = Prepare("insert", "i")
    frontend.submit(op)
    assert frontend.receive(PARSED + parameter_description() + NO_DATA + ready()) == [op]
    assert (op.parameter_oids, op.columns, op.sql, op.name, op.types) == ((), None, "insert", "i", ())


def prepare():
    return Prepare("select 1")


def copy_in():
    op = CopyIn("copy a")
    op.is_abandoned = True
    return op


MANY = {"keep_tags": True}
BODIES = [
    (prepare, PARSED, "t", struct.pack("!HII", 2, 23, 25)),
    (prepare, PARSED + parameter_description(), "T", struct.pack("!H", 2) + column("a") + column("bc")),
    (lambda: Execute(statement()), BOUND, "C", cstring("SELECT 1")),
    (lambda: ExecuteMany(statement(), [()], keep_tags=True), BOUND, "C", cstring("SELECT 1")),
    (lambda: Execute(statement()), BOUND + complete(), "Z", b"I"),
    (lambda: Execute(statement(), (), Records()), BOUND, "D", struct.pack("!Hi", 1, 4) + b"abcd"),
    (lambda: SimpleQuery("x"), b"", "C", cstring("SELECT 1")),
    (copy_in, b"", "G", struct.pack("!bHhh", 0, 2, 0, 1)),
    (copy_in, b"", "C", cstring("COPY 1")),
    (lambda: CopyOut("copy a"), b"", "H", struct.pack("!bHhh", 1, 2, 1, 1)),
    (lambda: CopyOut("copy a"), b"", "C", cstring("COPY 1")),
    (lambda: Close("x"), b"", "S", cstring("a") + cstring("b")),
    (lambda: Close("x"), b"", "A", struct.pack("!i", 7) + cstring("a") + cstring("b")),
    (lambda: Close("x"), b"", "N", fields(S="NOTICE", M="text")),
    (lambda: Close("x"), b"", "E", fields(S="ERROR", M="text")),
]


@pytest.mark.parametrize(("make", "before", "kind", "body"), BODIES)
def test_a_body_that_is_cut_or_too_long_ends_the_session(make, before, kind, body):
    def feed(body):
        frontend = ready_frontend()
        frontend.submit(make())
        frontend.receive(before)
        frontend.receive(message(kind, body))
        return frontend

    assert feed(body).dead is None
    for n in range(len(body)):
        with pytest.raises(ProtocolError):
            feed(body[:n])
    with pytest.raises(
        ProtocolError, match="left over|a row has 1 bytes left|announces 2 bytes, which is not legal|'Z'"
    ):
        feed(body + b"\0")


@pytest.mark.parametrize(
    ("make", "before", "kind", "body"),
    [
        (prepare, PARSED, "t", struct.pack("!H", 65_535)),
        (prepare, PARSED + parameter_description(), "T", struct.pack("!H", 65_535) + column("a")),
        (prepare, PARSED + parameter_description(), "T", struct.pack("!H", 2) + column("a" * 19)),
        (copy_in, b"", "G", struct.pack("!bH", 0, 65_535)),
        (lambda: Execute(statement(), (), Records()), BOUND, "D", struct.pack("!Hi", 2, -1) + b"\xff\xff\xff\xff"),
        (lambda: Execute(statement(), (), Records()), BOUND, "D", struct.pack("!H", 0)),
        (lambda: Execute(statement(), (), Records()), BOUND, "D", struct.pack("!Hi", 1, -2)),
        (lambda: Execute(statement(), (), Records()), BOUND, "D", struct.pack("!Hi", 1, 2**31 - 1)),
        (lambda: Execute(statement(columns=None), (), Records()), BOUND, "D", b""),
        (lambda: Execute(statement(columns=None), (), Records()), BOUND, "D", b"\0"),
    ],
)
def test_a_count_that_lies_ends_the_session(make, before, kind, body):
    frontend = ready_frontend()
    frontend.submit(make())
    frontend.receive(before)
    with pytest.raises(ProtocolError):
        frontend.receive(message(kind, body))
    assert frontend.dead is not None


def test_a_lying_count_is_refused_before_its_columns_are_read():
    frontend = ready_frontend()
    frontend.submit(prepare())
    with pytest.raises(
        ProtocolError, match=f"message 'T' is malformed: {65_535 * 19} bytes were expected, 20 are left"
    ):
        frontend.receive(PARSED + parameter_description() + message("T", struct.pack("!H", 65_535) + column("ab")[:20]))


@pytest.mark.parametrize("format", [-1, 2])
def test_a_column_in_an_unknown_format_ends_the_session(format):
    frontend = ready_frontend()
    frontend.submit(prepare())
    with pytest.raises(ProtocolError, match=f"column 'a' has the format {format}"):
        frontend.receive(PARSED + parameter_description() + row_description(("a", 23, format)))


@pytest.mark.parametrize("status", [b"X", b"\0", b"i"])
def test_an_unknown_transaction_status_ends_the_session(status):
    frontend = ready_frontend()
    frontend.submit(Close("x"))
    with pytest.raises(ProtocolError, match="is no transaction status"):
        frontend.receive(CLOSED + message("Z", status))


@pytest.mark.parametrize("status", "ITE")
def test_the_transaction_status_is_the_last_one_told(status):
    frontend = ready_frontend("E" if status == "I" else "I")
    op = Close("x")
    frontend.submit(op)
    assert frontend.receive(CLOSED + ready(status)) == [op]
    assert frontend.transaction_status == status


def test_the_first_of_two_equal_error_fields_counts_and_unknown_ones_are_dropped():
    frontend = ready_frontend()
    op = Close("x")
    frontend.submit(op)
    body = b"SERROR\0C42P01\0Mfirst\0Msecond\0zwhat\0P12\0\0"
    assert frontend.receive(message("E", body) + ready()) == [op]
    assert (op.error.args, op.error.sqlstate, op.error.position) == (("first",), "42P01", "12")


def test_text_that_is_not_utf8_is_read_with_replacement():
    frontend = ready_frontend()
    op = Close("x")
    frontend.submit(op)
    frontend.receive(
        message("N", b"SN\xffTICE\0Mcaf\xe9\0\0")
        + parameter_status(b"p\xff", b"v\xfe")
        + message("A", int4(5) + b"ch\xff\0pay\xff\0")
        + message("E", b"SERROR\0Mcaf\xe9\0\0")
        + ready()
    )
    assert frontend.notices == [{"S": "N\ufffdTICE", "M": "caf\ufffd"}]
    assert frontend.parameters == {"p\ufffd": "v\ufffd"}
    assert frontend.notifications == [(5, "ch\ufffd", "pay\ufffd")]
    assert op.error.args == ("caf\ufffd",)


def test_a_tag_longer_than_any_of_the_servers_is_cut():
    frontend = ready_frontend()
    op = Execute(statement())
    frontend.submit(op)
    assert frontend.receive(BOUND + complete("T" * 100) + ready()) == [op]
    assert op.tag == "T" * 63


def test_an_empty_query_has_no_tag():
    frontend = ready_frontend()
    op = Execute(statement(""))
    frontend.submit(op)
    assert frontend.receive(BOUND + EMPTY + ready()) == [op]
    assert (op.tag, op.error, op.is_suspended) == (None, None, False)


def test_a_notification_and_a_parameter_tell_the_session():
    frontend = ready_frontend()
    assert frontend.receive(notification(-5, "c", "p") + parameter_status("TimeZone", "UTC") + notice("n")) == []
    assert frontend.notifications == [(-5, "c", "p")]
    assert (frontend.parameters, frontend.n_status_changes) == ({"TimeZone": "UTC"}, 1)
    assert frontend.notices == [{"S": "NOTICE", "V": "NOTICE", "C": "00000", "M": "n"}]


def test_copy_formats_are_told():
    frontend = ready_frontend()
    op = CopyOut("copy a")
    frontend.submit(op)
    frontend.receive(copy_response("H", 1, 0, overall=1) + COPY_DONE + complete("COPY 0") + ready())
    assert (op.formats, op.tag) == ((1, 0), "COPY 0")


def test_support_splits_what_a_frontend_sends_into_messages():
    assert split_messages(BIND_PLAIN + SYNC) == [("B", b"\0" * 8), ("S", b"")]
    assert rows_answer(1) + SUSPENDED + error() + negotiate(3) + authentication() + backend_key_data() + data_row()
    assert new_startup().debts_left == []
