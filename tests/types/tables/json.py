from tests.types.tables import Refused, Row

ROWS = [
    Row("json", '{"a": 1}', '{"a": 1}', also=({"a": 1},)),
    Row("json", ' [1,  "é"]', ' [1,  "é"]'),
    Row("json", "null", "null"),
    Row("jsonb", '{"a": [1, null]}', '{"a":[1,null]}', '{"a": [1, null]}', also=({"a": [1, None]},)),
    Row("jsonb", '"text"', '"text"'),
]
REFUSED = [
    Refused("json", 5, "expected str, dict or list"),
    Refused("jsonb", {1, 2}, "expected str, dict or list"),
    Refused("json", {"a": object()}, "not JSON serializable"),
]
