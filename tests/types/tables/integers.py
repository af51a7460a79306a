from decimal import Decimal

from tests.types.tables import Refused, Row

ROWS = [
    Row("int2", 0, "0", also=(False, 0.0, Decimal(0))),
    Row("int2", -32768, "-32768"),
    Row("int2", 32767, "32767"),
    Row("int4", 5, "5", also=(5.0, Decimal("5.00"))),
    Row("int4", -(2**31), "-2147483648"),
    Row("int4", 2**31 - 1, "2147483647"),
    Row("int8", 1, "1", also=(True,)),
    Row("int8", -(2**63), "-9223372036854775808"),
    Row("int8", 2**63 - 1, "9223372036854775807"),
    Row("oid", 0, "0"),
    Row("oid", 2**32 - 1, "4294967295"),
    Row("xid", 5, "5"),
    Row("xid", 2**32 - 1, "4294967295"),
    Row("cid", 2**32 - 1, "4294967295"),
    Row("xid8", 2**64 - 1, "18446744073709551615"),
]
REFUSED = [
    Refused("int2", 32768, "value out of int16 range"),
    Refused("int4", -(2**31) - 1, "value out of int32 range"),
    Refused("int8", 2**63, "value out of int64 range"),
    Refused("oid", -1, "value out of uint32 range"),
    Refused("xid8", 2**64, "value out of uint64 range"),
    Refused("int4", 1.5, "a whole number was expected"),
    Refused("int8", Decimal("1.5"), "a whole number was expected"),
    Refused("int4", "1", "an integer is required, got str"),
]
