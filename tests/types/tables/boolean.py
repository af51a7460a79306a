from tests.types.tables import Refused, Row

ROWS = [
    Row("bool", True, "t"),
    Row("bool", False, "f"),
]
REFUSED = [
    Refused("bool", 1, "a boolean is required"),
    Refused("bool", "true", "a boolean is required"),
]
