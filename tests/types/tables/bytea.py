from tests.types.tables import Refused, Row

ROWS = [
    Row("bytea", b"", "\\x"),
    Row("bytea", b"\x00\xff\x10", "\\x00ff10", also=(bytearray(b"\x00\xff\x10"), memoryview(b"\x00\xff\x10"))),
    Row('"char"', b"a", "a"),
    Row('"char"', b"\xff", "\\377", since=16),
    Row('"char"', b"\0", "", also=(b"",)),
]
REFUSED = [
    Refused("bytea", "x", "bytes-like"),
    Refused("bytea", 5, "bytes-like"),
    Refused("bytea", memoryview(b"abcd")[::2], "contiguous"),
    Refused('"char"', b"ab", "one byte was expected"),
    Refused('"char"', "a", "bytes-like"),
]
