"""Bodies as PostgreSQL 15's send functions give them, with the values that they stand for.

`(oid, body in hex, body in text, value)`; both bodies are read, and the value is written as the first one.
"""
import datetime
import uuid
from decimal import Decimal

from pgproto.codecs import infinity

UTC = datetime.timezone.utc
WEST = datetime.timezone(-datetime.timedelta(hours=1, minutes=2, seconds=3))

GOLDEN = [
    (16, "01", "t", True),
    (16, "00", "f", False),
    (21, "8000", "-32768", -32768),
    (21, "7fff", "32767", 32767),
    (23, "80000000", "-2147483648", -(2**31)),
    (23, "0000002a", "42", 42),
    (20, "8000000000000000", "-9223372036854775808", -(2**63)),
    (20, "7fffffffffffffff", "9223372036854775807", 2**63 - 1),
    (26, "ffffffff", "4294967295", 2**32 - 1),
    (28, "00000005", "5", 5),
    (29, "00000005", "5", 5),
    (5069, "ffffffffffffffff", "18446744073709551615", 2**64 - 1),
    (700, "3fc00000", "1.5", 1.5),
    (700, "ff800000", "-Infinity", float("-inf")),
    (701, "3ff199999999999a", "1.1", 1.1),
    (701, "7ff0000000000000", "Infinity", float("inf")),
    (1700, "0000000000000000", "0", Decimal("0")),
    (1700, "0000000000000002", "0.00", Decimal("0.00")),
    (1700, "000200000000000200011388", "1.50", Decimal("1.50")),
    (1700, "0001000100000000000a", "100000", Decimal("100000")),
    (1700, "00010001000000000001", "10000", Decimal("10000")),
    (1700, "0001ffff400000080001", "-0.00010000", Decimal("-0.00010000")),
    (1700, "0002000000000004270f270f", "9999.9999", Decimal("9999.9999")),
    (25, "", "", ""),
    (25, "68c3a96c6c6f20e282ac", "héllo €", "héllo €"),
    (1043, "616263", "abc", "abc"),
    (1042, "61622020", "ab  ", "ab  "),
    (19, "616263", "abc", "abc"),
    (142, "3c612f3e", "<a/>", "<a/>"),
    (705, "78", "x", "x"),
    (2275, "78", "x", "x"),
    (4072, "01242e226122", '$."a"', '$."a"'),
    (114, "7b2261223a20317d", '{"a": 1}', '{"a": 1}'),
    (3802, "017b2261223a20317d", '{"a": 1}', '{"a": 1}'),
    (17, "00ff10", "\\x00ff10", b"\x00\xff\x10"),
    (17, "", "\\x", b""),
    (18, "61", "a", b"a"),
    (18, "ff", "\\377", b"\xff"),
    (18, "00", "", b"\0"),
    (2950, "00112233445566778899aabbccddeeff", "00112233-4455-6677-8899-aabbccddeeff",
     uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")),
    (1082, "00000000", "2000-01-01", datetime.date(2000, 1, 1)),
    (1082, "fff4dbf9", "0001-01-01", datetime.date.min),
    (1082, "002c95d3", "9999-12-31", datetime.date.max),
    (1082, "7fffffff", "infinity", infinity.DATE_INFINITY),
    (1082, "80000000", "-infinity", infinity.DATE_NEGATIVE_INFINITY),
    (1114, "ffffffffffffffff", "1999-12-31 23:59:59.999999", datetime.datetime(1999, 12, 31, 23, 59, 59, 999999)),
    (1114, "7fffffffffffffff", "infinity", infinity.DATETIME_INFINITY),
    (1114, "8000000000000000", "-infinity", infinity.DATETIME_NEGATIVE_INFINITY),
    (1184, "0000000000000001", "2000-01-01 05:30:00.000001+05:30", datetime.datetime(2000, 1, 1, 0, 0, 0, 1, UTC)),
    (1184, "7fffffffffffffff", "infinity", infinity.DATETIMETZ_INFINITY),
    (1184, "8000000000000000", "-infinity", infinity.DATETIMETZ_NEGATIVE_INFINITY),
    (1083, "000000141dd75fff", "23:59:59.999999", datetime.time.max),
    (1266, "000000000000000000000e8b", "00:00:00-01:02:03", datetime.time(0, tzinfo=WEST)),
    (1266, "000000000000000000000000", "00:00:00+00", datetime.time(0, tzinfo=UTC)),
    (1186, "fffffffd7c4514000000000000000000", "-03:00:00", datetime.timedelta(hours=-3)),
    (1186, "00000000000000010000000000000000", "00:00:00.000001", datetime.timedelta(microseconds=1)),
    (1007, "000000000000000000000017", "{}", []),
    (1007, "000000010000000100000017" "0000000300000001" "0000000400000001" "ffffffff" "0000000400000003",
     "{1,NULL,3}", [1, None, 3]),
    (1007, "00000002" "00000000" "00000017" "00000002" "00000001" "00000001" "00000001" "00000004" "00000001" "00000004"
     "00000002", "{{1},{2}}", [[1], [2]]),
    (1009, "00000001" "00000001" "00000019" "00000003" "00000001" "00000004" "4e554c4c" "ffffffff" "00000004"
     "7b225c7d", '{"NULL",NULL,"{\\"\\\\}"}', ["NULL", None, '{"\\}']),
]

# Read only: what is written differs from it, or does not exist.
READ_ONLY = [
    (1186, "0000000000000000" "00000000" "0000000e", "1 year 2 mons", datetime.timedelta(days=425)),
    (1186, "0000000000000000" "00000003" "ffffffef", "-1 years -5 mons +3 days", datetime.timedelta(days=-512)),
    (1007, "00000001" "00000000" "00000017" "00000001" "00000000" "00000004" "00000007", "[0:0]={7}", [7]),
    (1007, "00000001" "00000000" "00000017" "00000000" "00000001", "{}", []),
    (1700, "000200000000000000011388", "1.5000", Decimal("1.5000")),
    (1700, "00000000d0000020", "Infinity", Decimal("Infinity")),
    (17, "5c00", "\\\\\\000", b"\\\0"),
]
