from decimal import Decimal

from tests.types.tables import Refused, Row

ROWS = [
    Row("numeric", Decimal("0"), "0", also=(0, "0", 0.0)),
    Row("numeric", Decimal("0.00"), "0.00"),
    Row("numeric", Decimal("1.50"), "1.50", also=("1.50",)),
    Row("numeric", Decimal("10000"), "10000", also=(10000, Decimal("1E+4"))),
    Row("numeric", Decimal("100000"), "100000", also=(10**5,)),
    Row("numeric", Decimal("-0.0001"), "-0.0001"),
    Row("numeric", Decimal("9999.9999"), "9999.9999"),
    Row("numeric", Decimal("1" + "0" * 40 + "." + "0" * 40 + "1"), "1" + "0" * 40 + "." + "0" * 40 + "1"),
    Row("numeric", Decimal("0.5"), "0.5", also=(0.5,)),
    Row("numeric", Decimal("NaN"), "NaN"),
    Row("numeric", Decimal("Infinity"), "Infinity", since=14),
    Row("numeric", Decimal("-Infinity"), "-Infinity", since=14),
]
REFUSED = [
    Refused("numeric", "abc", "a number was expected"),
    Refused("numeric", [], "a number was expected"),
    Refused("numeric", "1e131072", "131072 digits before the point"),
    Refused("numeric", "1e-16384", "16383 digits after the point"),
]
