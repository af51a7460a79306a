"""Every body that a hostile server may send ends in a typed error or a value, with memory bounded."""
import random
import struct
import tracemalloc

import pytest

from pgproto.codecs.registry import builtin_codec
from pgproto.errors import MalformedBody
from tests.unit.codecs.golden import GOLDEN, READ_ONLY, TEXT_ONLY, TEXT_ONLY_READ

BODIES = [(oid, 1, bytes.fromhex(body)) for oid, body, _, _ in GOLDEN + READ_ONLY]
BODIES += [(oid, 0, text.encode()) for oid, _, text, _ in GOLDEN + READ_ONLY]
BODIES += [(oid, 0, text.encode()) for oid, text in TEXT_ONLY + TEXT_ONLY_READ]
DECODERS = sorted({(oid, format) for oid, format, _ in BODIES})
MUTATIONS = 10_000      # of each decoder's bodies
FIXED = {16: 1, 21: 2, 23: 4, 20: 8, 26: 4, 28: 4, 29: 4, 5069: 8, 700: 4, 701: 8, 18: 1, 2950: 16, 1082: 4, 1114: 8,
         1184: 8, 1083: 8, 1266: 12, 1186: 16, 829: 6, 774: 8, 600: 16, 603: 32,
         601: 32, 628: 24, 718: 24, 27: 6, 3220: 8}


def read(oid, format, body):
    """Read a body that may be anything; errors of the expected kinds are an answer."""
    try:
        return builtin_codec(oid).decode_value(body, format)
    except (ValueError, OverflowError) as error:
        return error


@pytest.mark.parametrize("oid", FIXED)
def test_a_body_of_another_length_is_malformed(oid):
    for n in (*range(FIXED[oid]), FIXED[oid] + 1, FIXED[oid] + 100):
        with pytest.raises(MalformedBody):
            builtin_codec(oid).decode_value(bytes(n))


@pytest.mark.parametrize("oid", [22, 602, 604, 650, 869, 1007, 1009, 1020, 1560, 1700, 2970, 5038])
def test_a_structured_body_that_is_cut_or_has_a_rest_is_malformed(oid):
    for golden, body, _, _ in GOLDEN:
        if golden == oid:
            whole = bytes.fromhex(body)
            for n in range(len(whole)):
                with pytest.raises(MalformedBody):
                    builtin_codec(oid).decode_value(whole[:n])
            with pytest.raises(MalformedBody):
                builtin_codec(oid).decode_value(whole + b"\0")


def test_truncated_bodies_end_in_a_value_or_a_typed_error():
    for oid, format, body in BODIES:
        for n in range(len(body)):
            read(oid, format, body[:n])


def mutated(tape, body):
    """`body` with one to three bytes changed or a few put in."""
    changed = bytearray(body)
    for _ in range(int(tape.random() * 3) + 1):
        at = int(tape.random() * (len(changed) + 1))
        if at == len(changed) or tape.random() < 0.25:
            changed[at:at] = tape.randbytes(1 + at % 4)
        else:
            changed[at] = (0, 0x7F, 0x80, 0xFF, int(tape.random() * 256))[int(tape.random() * 5)]
    return bytes(changed)


@pytest.mark.parametrize(("oid", "format"), DECODERS)
def test_mutated_bodies_end_in_a_value_or_a_typed_error(oid, format):
    tape = random.Random(20000101)
    bodies = [body for at, way, body in BODIES if (at, way) == (oid, format)]
    for i in range(MUTATIONS):
        read(oid, format, mutated(tape, bodies[i % len(bodies)]))


def test_mutated_bodies_take_no_more_memory_than_their_values():
    tape = random.Random(20000102)
    tracemalloc.start()
    for oid, format, body in BODIES:
        for _ in range(200):
            read(oid, format, mutated(tape, body))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


@pytest.mark.parametrize("dimensions", [[2**31 - 1], [65536, 65536], [2**31 - 1, 2**31 - 1], [2] * 6, [1, 2**30], [-1],
                                        [1] * 7])
def test_an_array_that_claims_more_than_its_bytes_is_malformed_before_memory_is_taken(dimensions):
    head = struct.pack("!iii", len(dimensions), 0, 23) + b"".join(struct.pack("!ii", n, 1) for n in dimensions)
    tracemalloc.start()
    with pytest.raises(MalformedBody):
        builtin_codec(1007).decode_value(head + bytes(8))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 16


def test_array_bounds_that_overflow_are_malformed():
    with pytest.raises(MalformedBody):
        builtin_codec(1007).decode_value(struct.pack("!iiiiiii", 1, 0, 23, 2, 2**31 - 1, -1, -1))


def test_an_array_of_another_element_type_is_malformed():
    with pytest.raises(MalformedBody, match="elements of oid 23 were expected, got 25"):
        builtin_codec(1007).decode_value(struct.pack("!iii", 0, 0, 25))


def test_a_negative_element_length_other_than_minus_one_is_malformed():
    with pytest.raises(MalformedBody):
        builtin_codec(1007).decode_value(struct.pack("!iiiiii", 1, 0, 23, 1, 1, -2))


@pytest.mark.parametrize("ndigits", [1, 32767, 32768, 65535])
def test_a_numeric_that_claims_more_digits_than_its_bytes_is_malformed(ndigits):
    with pytest.raises(MalformedBody):
        builtin_codec(1700).decode_value(struct.pack("!HhHH", ndigits, 0, 0, 0))


@pytest.mark.parametrize("weight", [-32768, 32767])
def test_a_numeric_at_the_ends_of_its_weight_is_read_within_a_megabyte(weight):
    tracemalloc.start()
    value = builtin_codec(1700).decode_value(struct.pack("!HhHHh", 1, weight, 0, 0x3FFF, 7))
    assert value.adjusted() == 4 * weight
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize(("sign", "dscale", "digit"), [(1, 0, 1), (0x8000, 0, 1), (0, 0x4000, 1), (0, 0, 10000),
                                                     (0, 0, -1)])
def test_a_numeric_with_a_bad_sign_scale_or_digit_is_malformed(sign, dscale, digit):
    with pytest.raises(MalformedBody):
        builtin_codec(1700).decode_value(struct.pack("!HhHHh", 1, 0, sign, dscale, digit))


@pytest.mark.parametrize("oid", [3802, 4072])
def test_another_version_byte_is_malformed(oid):
    with pytest.raises(MalformedBody, match="version 1 was expected, got 2"):
        builtin_codec(oid).decode_value(b"\x02{}")


def test_bytes_that_are_no_utf8_are_a_value_error_that_names_the_array_index():
    with pytest.raises(UnicodeDecodeError):
        builtin_codec(25).decode_value(b"ab\xff")
    with pytest.raises(ValueError, match="invalid array element at index 0"):
        builtin_codec(1009).decode_value(struct.pack("!iiiiii", 1, 0, 25, 1, 1, 1) + b"\xff")


@pytest.mark.parametrize(("oid", "body"), [
    (869, "01200004c0a80001"), (869, "02200010c0a80001"), (869, "02210004c0a80001"), (869, "0381001000" + "00" * 15),
    (650, "02180104c0a80001"), (602, "02000000013ff00000000000004000000000000000"), (602, "00ffffffff"),
    (604, "7fffffff" + "00" * 16), (1562, "ffffffff"), (1562, "7fffffff00"), (1562, "00000009b1"),
    (5038, "ffffffff" + "00" * 16), (5038, "7fffffff" + "00" * 24), (22, "00000001000000000000001700000000" "00000000"),
])
def test_a_body_whose_parts_contradict_each_other_is_malformed(oid, body):
    with pytest.raises(MalformedBody):
        builtin_codec(oid).decode_value(bytes.fromhex(body))


@pytest.mark.parametrize("text", ["", "{", "{1", "{1,}", "{,1}", "{1}}", "{{1},{2,3}}", "{{1},2}", "{1,{2}}", '{"1}',
                                  "[0:1]={1}", "[1:0]={}", "[0:1]{1,2}", "{1}x", "{{{{{{{1}}}}}}}", "{1 2}",
                                  "[0:0][0:0]={1}", "{}{}"])
def test_malformed_array_text_is_refused(text):
    with pytest.raises(MalformedBody):
        builtin_codec(1007).decode_value(text.encode(), 0)


@pytest.mark.parametrize(("oid", "text"), [
    (1082, "01/02/2024"), (1082, "2024-02-30"), (1082, "2024-13-01"), (1082, "24-01-01"),
    (1114, "Mon Jan 01 00:00:00 2024"), (1114, "2024-01-01 00:00:00+00"), (1184, "2024-01-01 00:00:00"),
    (1083, "25:00:00"), (1083, "10:00"),
    (1266, "10:00:00"), (1186, "P1Y2M"), (1186, "@ 1 year"), (1186, "1 fortnight"), (1186, "9999999999 years"),
    (23, "2147483648"), (23, "1.0"),
    (23, " 1"), (20, "-9223372036854775809"), (5069, "18446744073709551616"), (701, "1_0"), (701, "x"), (1700, "1,5"),
    (2950, "0011"), (16, "yes"), (17, "\\x0"), (17, "\\xzz"), (17, "\\9"), (17, "\\400"),
    (600, "(1,2"), (600, "1,2"), (600, "(1;2)"), (600, "(1,2)x"), (600, "(a,2)"), (603, "(1,2)"), (601, "(1,2),(3,4)"),
    (628, "{1,2}"), (718, "<(1,2)>"), (602, "()"), (602, "[(1,2))"), (604, "[(1,2)]"), (1562, "102"), (27, "(1,65536)"),
    (27, "1,2"), (3220, "1"), (3220, "1/123456789"), (3220, "/1"), (3220, "g/1"), (5038, "1:2"), (5038, "1:2:3,"),
    (5038, "1:2:,3"), (22, "1  2"), (22, "1 2 "), (22, "1,2"),
])
def test_text_in_another_style_is_a_clear_error(oid, text):
    with pytest.raises(MalformedBody, match=r"expected|beyond"):
        builtin_codec(oid).decode_value(text.encode(), 0)
