"""int2vector and oidvector, whose values are lists: an array of them cannot be told from a deeper list."""
from tests.types.tables import Refused, Row

ROWS = [
    Row("int2vector", [1, -2, 3], "1 -2 3", also=((1, -2, 3),), in_array=False),
    Row("int2vector", [], "", in_array=False),
    Row("oidvector", [1, 2**32 - 1], "1 4294967295", in_array=False),
    Row("oidvector", [], "", in_array=False),
]
REFUSED = [
    Refused("int2vector", "1 2", "sized iterable container expected"),
    Refused("int2vector", [40000], "value out of int16 range"),
    Refused("oidvector", [-1], "value out of uint32 range"),
]
