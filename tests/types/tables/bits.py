from pgproto.types import BitString
from tests.types.tables import Refused, Row

ROWS = [
    Row("bit(3)", BitString("101"), "101"),
    Row("bit(8)", BitString("10100101"), "10100101", also=(b"\xa5",)),
    Row("varbit", BitString(""), "", also=(b"",)),
    Row("varbit", BitString("1"), "1"),
    Row("varbit", BitString("1011 0001 1"), "101100011"),
    Row("varbit", BitString("1" * 77), "1" * 77),
    Row("varbit", BitString("01100001"), "01100001", also=(b"a", bytearray(b"a"), memoryview(b"a"))),
]
REFUSED = [
    Refused("varbit", "101", "bytes-like"),
    Refused("varbit", 5, "bytes-like"),
]
