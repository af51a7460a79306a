from uuid import UUID

from tests.types.tables import Refused, Row

TEXT = "00112233-4455-6677-8899-aabbccddeeff"

ROWS = [
    Row("uuid", UUID(TEXT), TEXT, also=(TEXT, TEXT.upper(), TEXT.replace("-", ""))),
    Row("uuid", UUID(int=0), str(UUID(int=0))),
    Row("uuid", UUID(int=2**128 - 1), str(UUID(int=2**128 - 1))),
]
REFUSED = [
    Refused("uuid", "zz", "invalid UUID"),
    Refused("uuid", "{" + TEXT + "}", "invalid UUID"),
    Refused("uuid", 5, "a UUID or its text was expected"),
]
