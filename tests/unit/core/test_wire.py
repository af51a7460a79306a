"""The bounded reads and the two buffers."""

import struct

import pytest

from pgproto.errors import InterfaceError, MalformedBody, ProtocolError
from pgproto.frontend import Frontend
from pgproto.read_buffer import ReadBuffer
from pgproto.wire import take
from pgproto.write_buffer import WriteBuffer
from tests.support.backend_bytes import data_row, header, message, notice, ready_frontend

FIXED = [
    ("byte", "!B", [0, 1, 254, 255]),
    ("int16", "!h", [-32768, -1, 0, 258, 32767]),
    ("uint16", "!H", [0, 258, 32768, 65535]),
    ("int32", "!i", [-(2**31), -1, 0, 0x01020304, 2**31 - 1]),
    ("uint32", "!I", [0, 0x01020304, 2**31, 2**32 - 1]),
    ("int64", "!q", [-(2**63), -1, 0, 0x0102030405060708, 2**63 - 1]),
    ("float8", "!d", [-1.0, 0.0, 1.5, float("inf")]),
    ("float4", "!f", [-1.0, 0.0, 1.5, float("-inf")]),
]


@pytest.mark.parametrize(("what", "layout", "values"), FIXED)
def test_take_reads_a_field_and_leaves_what_is_behind_it(what, layout, values):
    for value in values:
        for rest in (b"", b"x", b"xyz"):
            assert take(what, struct.pack(layout, value) + rest) == (value, rest)


@pytest.mark.parametrize(("what", "layout", "values"), FIXED)
def test_take_refuses_every_shorter_body(what, layout, values):
    whole = struct.pack(layout, values[0])
    for n in range(len(whole)):
        with pytest.raises(MalformedBody, match=f"^{len(whole)} bytes were expected, {n} are left$"):
            take(what, whole[:n])


def test_take_slice_takes_exactly_the_bytes_announced():
    assert take("slice", b"abc", 2) == (b"ab", b"c")
    assert take("slice", b"abc", 3) == (b"abc", b"")
    assert take("slice", b"", 0) == (b"", b"")
    with pytest.raises(MalformedBody, match="^4 bytes were expected, 3 are left$"):
        take("slice", b"abc", 4)
    with pytest.raises(MalformedBody, match="^a length of -1 was announced$"):
        take("slice", b"abc", -1)


def test_take_cstring_ends_at_the_first_zero_byte_and_takes_it():
    assert take("cstring", b"ab\0c\0") == (b"ab", b"c\0")
    assert take("cstring", b"\0") == (b"", b"")
    for body in (b"", b"ab"):
        with pytest.raises(MalformedBody, match="^a string without its terminating zero byte$"):
            take("cstring", body)


def test_take_end_refuses_what_is_left_over():
    assert take("end", b"") == (None, b"")
    with pytest.raises(MalformedBody, match="^2 bytes are left over$"):
        take("end", b"ab")


def test_a_slice_of_nothing_takes_nothing():
    assert take("slice", b"ab") == (b"", b"ab")


def test_need_compares_without_taking():
    assert take("need", b"ab", 2) == (None, b"ab")
    assert take("need", b"ab", 0) == (None, b"ab")
    with pytest.raises(MalformedBody, match="^3 bytes were expected, 2 are left$"):
        take("need", b"ab", 3)
    with pytest.raises(MalformedBody, match="^a length of -5 was announced$"):
        take("need", b"ab", -5)


# The receive buffer


def test_a_read_buffer_has_the_usual_room_before_the_first_byte():
    buffer = ReadBuffer()
    assert (len(buffer), buffer.capacity, len(buffer.writable())) == (0, 65536, 65536)
    buffer.extend(b"abc")
    assert (len(buffer), buffer.capacity, len(buffer.writable())) == (3, 65536, 65533)


def test_a_read_buffer_keeps_every_byte_while_it_grows():
    frontend = ready_frontend()
    sent = bytes(range(256)) * 1200
    frames = notice("x" * 100_000) + notice("y" * 200_000) + notice(sent.hex())
    for at in range(0, len(frames), 9973):
        assert frontend.receive(frames[at : at + 9973]) == []
    assert [n["M"] for n in frontend.notices] == ["x" * 100_000, "y" * 200_000, sent.hex()]
    assert len(frontend.input) == 0


def test_a_read_buffer_grows_with_what_has_come_and_not_with_what_is_announced():
    frontend = ready_frontend()
    frontend.receive(header("D", 0x3FFFFFFF))
    came = 5
    for size in (1000, 20_000, 60_000, 60_000, 200_000, 1_000_000):
        frontend.receive(bytes(size))
        came += size
        assert frontend.input.capacity <= 2 * came + 65536
        assert len(frontend.input) == came


def test_a_read_buffer_takes_no_more_than_a_message_of_known_length_needs():
    frontend = ready_frontend()
    whole = notice("m" * 150_000)
    for at in range(0, len(whole), 16_384):
        frontend.receive(whole[at : at + 16_384])
        frontend.input.writable()
    assert frontend.input.capacity <= len(whole) + 16_384
    assert len(frontend.notices) == 1


def test_a_large_read_buffer_shrinks_once_it_is_empty():
    frontend = ready_frontend()
    frontend.receive(notice("m" * 600_000))
    assert frontend.input.capacity > 4 * 65536
    assert len(frontend.input.writable()) == 65536
    assert frontend.input.capacity == 65536


def test_a_read_buffer_of_little_more_than_four_times_its_usual_size_shrinks_too():
    frontend = ready_frontend()
    whole = notice("m" * 280_000)
    for at in range(0, len(whole), 16_384):
        frontend.receive(whole[at : at + 16_384])
    assert 4 * 65536 < frontend.input.capacity < 5 * 65536
    frontend.input.writable()
    assert frontend.input.capacity == 65536


def test_a_middling_read_buffer_is_kept_when_it_is_empty():
    buffer = ReadBuffer()
    buffer.extend(bytes(120_000))
    grown = buffer.capacity
    assert 120_000 < grown <= 4 * 65536
    frontend = ready_frontend()
    frontend.receive(notice("m" * 100_000))
    grown = frontend.input.capacity
    assert grown > 65536
    assert len(frontend.input.writable()) == grown == frontend.input.capacity


def test_a_view_of_a_read_buffer_outlives_its_growth():
    buffer = ReadBuffer()
    view = buffer.writable()
    view[:3] = b"abc"
    buffer.extend(bytes(300_000))
    view[0] = 1
    assert len(view) == 65536
    assert len(buffer) == 300_000
    assert len(buffer.writable()) >= 16_384


def test_a_read_buffer_always_offers_room_for_a_receive():
    buffer = ReadBuffer()
    for size in (1, 49_151, 1, 16_000, 60_000, 5, 100_000):
        buffer.extend(bytes(size))
        assert len(buffer.writable()) >= 16_384


def test_a_read_buffer_grows_only_when_a_receive_would_find_less_than_16_kib():
    buffer = ReadBuffer()
    buffer.extend(bytes(65_536 - 16_384))
    assert len(buffer.writable()) == 16_384
    buffer.extend(b"x")
    assert len(buffer.writable()) == buffer.capacity - len(buffer)
    assert buffer.capacity == 2 * (65_536 - 16_384 + 1)


def test_a_read_buffer_that_is_half_empty_is_compacted_and_a_fuller_one_grows():
    for n_left, capacity in [(32_768, 65_536), (32_769, 65_538)]:
        frontend = ready_frontend()
        first = notice("m" * (50_000 - n_left - len(notice(""))))
        second = notice("t" * 60_000)
        frontend.receive(first + second[:n_left])
        assert len(frontend.input) == n_left
        assert len(frontend.input.writable()) == capacity - n_left
        assert frontend.input.capacity == capacity
        frontend.receive(second[n_left:])
        assert [len(told["M"]) for told in frontend.notices] == [len(first) - len(notice("")), 60_000]


def test_a_read_buffer_takes_room_for_a_message_of_known_length_and_one_receive():
    frontend = ready_frontend()
    whole = notice("m" * 200_000)
    frontend.receive(whole[:100_000])
    assert frontend.input.capacity == 131_072
    frontend.receive(whole[100_000:131_072])
    frontend.input.writable()
    assert frontend.input.capacity == len(whole) + 16_384
    frontend.receive(whole[131_072:])
    assert len(frontend.notices) == 1


def test_a_read_buffer_of_four_times_its_usual_size_is_kept():
    frontend = ready_frontend()
    whole = notice("m" * (262_144 - 16_384 - len(notice(""))))
    for at in range(0, len(whole), 16_384):
        frontend.receive(whole[at : at + 16_384])
        frontend.input.writable()
    assert len(frontend.notices) == 1
    assert frontend.input.capacity == len(frontend.input.writable()) == 262_144


def test_what_a_transport_has_received_must_fit_into_what_it_was_given():
    buffer = ReadBuffer()
    view = buffer.writable()
    view[:3] = b"abc"
    buffer.received(3)
    buffer.received(0)
    for n in (-1, 65_534):
        with pytest.raises(ValueError, match=f"{n} bytes cannot have been received into 65533"):
            buffer.received(n)
    assert len(buffer) == 3
    buffer.received(65_533)
    assert len(buffer) == 65_536


def test_a_read_buffer_is_compacted_when_little_is_left_in_it():
    frontend = ready_frontend()
    frontend.receive(notice("m" * 55_000) + notice("n")[:-3])
    assert len(frontend.input.writable()) > 65_000
    assert frontend.input.capacity == 65536
    frontend.receive(notice("n")[-3:])
    assert [len(n["M"]) for n in frontend.notices] == [55_000, 1]


@pytest.mark.parametrize("length", range(4))
def test_a_message_length_below_four_is_refused(length):
    frontend = ready_frontend()
    with pytest.raises(ProtocolError, match=f"announces a length of {length}, the least is 4"):
        frontend.receive(header("D", length))
    assert frontend.dead is not None


def test_the_bad_length_behind_a_good_message_is_the_one_that_is_told():
    frontend = ready_frontend()
    with pytest.raises(ProtocolError, match="message b'D' announces a length of 3, the least is 4"):
        frontend.receive(notice("x" * 300) + header("D", 3))
    assert len(frontend.notices) == 1


def test_a_message_length_of_four_is_an_empty_body():
    frontend = ready_frontend()
    with pytest.raises(ProtocolError, match="'3' has come although nothing is owed"):
        frontend.receive(message("3"))


@pytest.mark.parametrize(("kind", "length"), [("D", 0x40000000), ("D", 0xFFFFFFFF), ("C", 30_001), ("Z", 6)])
def test_a_message_longer_than_its_type_ever_is_is_refused_by_its_header(kind, length):
    frontend = ready_frontend()
    with pytest.raises(ProtocolError, match=f"message '{kind}' announces {length - 4} bytes, which is not legal here"):
        frontend.receive(header(kind, length))


@pytest.mark.parametrize("length", [30_001, 30_005, 30_009])
def test_a_message_longer_than_its_type_ever_is_is_refused_when_it_comes_whole(length):
    frontend = ready_frontend()
    with pytest.raises(ProtocolError, match=f"message 'C' announces {length - 4} bytes, which is not legal here"):
        frontend.receive(message("C", bytes(length - 4)))


@pytest.mark.parametrize(
    ("kind", "length"), [("D", 0x3FFFFFFF), ("C", 30_000), ("Z", 5)] + [(kind, 1_000_000) for kind in "TtDdENA"]
)
def test_a_message_as_long_as_its_type_may_be_is_waited_for(kind, length):
    frontend = ready_frontend()
    assert frontend.receive(header(kind, length)) == []
    assert frontend.dead is None


def test_a_fresh_frontend_has_nothing_to_say():
    frontend = Frontend()
    assert (frontend.receive(b""), frontend.pending(), frontend.take_output()) == ([], [], b"")
    assert (frontend.n_pending, frontend.is_gated, frontend.is_ready, frontend.transaction_status) == (
        0,
        False,
        False,
        "I",
    )


def test_a_read_buffer_takes_any_buffer():
    frontend = ready_frontend()
    frontend.receive(bytearray(notice("a")))
    frontend.receive(memoryview(notice("b")))
    assert [n["M"] for n in frontend.notices] == ["a", "b"]


# The send buffer


def test_a_write_buffer_keeps_its_bytes_while_it_grows():
    buffer = WriteBuffer()
    parts = [bytes([i % 256]) * (i * 7 % 3000) for i in range(200)]
    for part in parts:
        buffer.append(part)
    whole = b"".join(parts)
    assert len(buffer) == len(whole)
    assert buffer.allocated <= 2 * len(whole) + 2048
    assert buffer.take() == whole
    assert len(buffer) == 0


def test_a_write_buffer_doubles_or_takes_what_is_asked_for():
    buffer = WriteBuffer()
    assert buffer.allocated == 1024
    buffer.append(bytes(1024))
    assert buffer.allocated == 1024
    buffer.append(b"x")
    assert buffer.allocated == 2048
    buffer.append(bytes(10_000))
    assert buffer.allocated == 1025 + 10_000 + 1024


PUTS = [
    ("byte", 200, b"\xc8"),
    ("int16", -2, b"\xff\xfe"),
    ("int32", 0x01020304, b"\1\2\3\4"),
    ("int64", -3, b"\xff" * 7 + b"\xfd"),
    ("float8", 1.5, struct.pack("!d", 1.5)),
    ("float4", 1.5, struct.pack("!f", 1.5)),
    ("text", "h\xe9", b"h\xc3\xa9\0"),
    ("message", 7, b"M\0\0\0\5\7"),
    ("value", 7, b"\0\0\0\1\7"),
]


@pytest.mark.parametrize(("what", "value", "sent"), PUTS)
def test_a_put_takes_the_room_that_it_needs_and_no_more(what, value, sent):
    for n_free in range(len(sent) + 3):
        buffer = WriteBuffer()
        front = bytes(1024 - n_free)
        buffer.append(front)
        buffer.put(what, value)
        assert buffer.allocated == (1024 if n_free >= len(sent) else 2048)
        assert buffer.take() == front + sent


def test_a_write_buffer_that_doubles_just_enough_takes_no_more():
    for n, allocated in [(1048, 2048), (1049, 1000 + 1049 + 1024)]:
        buffer = WriteBuffer()
        buffer.append(bytes(1000))
        buffer.append(bytes(n))
        assert buffer.allocated == allocated


@pytest.mark.parametrize("text", ["\0", "a\0", "\0a"])
def test_a_zero_byte_anywhere_in_a_text_is_refused(text):
    buffer = WriteBuffer()
    with pytest.raises(InterfaceError, match="a zero byte cannot be part of a string"):
        buffer.put("text", text)
    buffer.put("text", "")
    assert buffer.take() == b"\0"


def test_cutting_a_write_buffer_forgets_what_was_put_since_the_mark():
    buffer = WriteBuffer()
    buffer.append(b"kept")
    mark = buffer.append(b"dropped")
    buffer.cut_to(mark)
    buffer.append(b"!")
    assert buffer.take() == b"kept!"


def test_a_transport_can_take_a_write_buffer_in_parts():
    buffer = WriteBuffer()
    buffer.append(b"abcdef")
    assert buffer.take_front(2) == b"ab"
    assert len(buffer) == 4
    buffer.append(b"gh")
    assert buffer.take_front(3) == b"cde"
    assert buffer.take() == b"fgh"
    assert (len(buffer), buffer.take()) == (0, b"")


def test_a_large_write_buffer_shrinks_once_it_is_sent():
    buffer = WriteBuffer()
    buffer.append(bytes(1_000_000))
    buffer.take_front(999_999)
    assert buffer.allocated >= 1_000_000
    buffer.take_front(1)
    assert buffer.allocated == 16_384
    buffer.append(b"abc")
    assert buffer.take() == b"abc"


def test_a_small_write_buffer_is_kept_as_it_is():
    buffer = WriteBuffer()
    buffer.append(bytes(16_384 - 1024))
    kept = buffer.allocated
    buffer.take()
    assert buffer.allocated == kept <= 16_384


@pytest.mark.parametrize("what", ["bytes", "room", "value"])
def test_more_than_a_message_can_hold_is_refused_before_a_byte_is_copied(what):
    buffer = WriteBuffer()
    buffer.append(b"kept")
    with pytest.raises(InterfaceError, match="can hold 1073741822 bytes, this one needs 1073741823"):
        buffer.pretend(what, 0x3FFFFFFF)
    assert buffer.allocated == 1024
    assert buffer.take() == b"kept"


def test_a_message_that_is_too_long_is_refused_as_it_ends():
    buffer = WriteBuffer()
    with pytest.raises(
        InterfaceError, match="of this type to the server can hold 1073741822 bytes, this one needs 1073741823"
    ):
        buffer.pretend("message", 0x3FFFFFFF)


def test_rows_dripped_byte_by_byte_are_the_rows():
    from pgproto.operations.extended import Execute
    from pgproto.row_sinks import RawRows
    from tests.support.backend_bytes import BOUND, complete, int4, ready, statement

    frontend = ready_frontend()
    op = Execute(statement(), (), RawRows())
    frontend.submit(op)
    settled = []
    for byte in BOUND + data_row(int4(1)) + data_row(None) + complete("SELECT 2") + ready():
        settled += frontend.receive(bytes([byte]))
    assert settled == [op]
    assert op.take_rows() == [b"\0\1\0\0\0\4\0\0\0\1", b"\0\1\xff\xff\xff\xff"]
