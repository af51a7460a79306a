from decimal import Decimal

from tests.types.tables import Refused, Row

ROWS = [
    Row("float4", 0.0, "0", also=(0,)),
    Row("float4", 1.5, "1.5"),
    Row("float4", 1.100000023841858, "1.1", also=(1.1,)),
    Row("float4", float("-inf"), "-Infinity"),
    Row("float4", float("nan"), "NaN"),
    Row("float8", 1.1, "1.1"),
    Row("float8", -0.0, "-0"),
    Row("float8", 1.7976931348623157e308, "1.7976931348623157e+308"),
    Row("float8", 5e-324, "5e-324"),
    Row("float8", 5.0, "5", also=(5, Decimal(5))),
    Row("float8", 1.0, "1", also=(True,)),
    Row("float8", float("inf"), "Infinity"),
    Row("float8", float("nan"), "NaN"),
]
REFUSED = [
    Refused("float4", 1e39, "value out of float32 range"),
    Refused("float8", "1.0", "must be real number"),
    Refused("float8", 10**400, "too large"),
]
