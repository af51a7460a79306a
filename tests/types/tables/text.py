from tests.types.tables import Refused, Row

ROWS = [
    Row("text", "", ""),
    Row("text", "héllo €", "héllo €"),
    Row("text", "NULL", "NULL"),
    Row("text", 'a "quoted", {braced} \\ text', 'a "quoted", {braced} \\ text'),
    Row("text", "it's\n\ttwo", "it's\n\ttwo"),
    Row("text", "\U0001f600" * 3, "\U0001f600" * 3),
    Row("varchar", "abc", "abc"),
    Row("varchar(3)", "abc", "abcdef", "abc"),
    Row("bpchar", "ab  ", "ab  "),
    Row("char(4)", "ab  ", "ab", "ab  "),
    Row("name", "abc", "abc"),
    Row("xml", "<a/>", "<a/>"),
    Row("jsonpath", '$."a"', "$.a", '$."a"'),
    Row("refcursor", "c 1", "c 1"),
    Row("cstring", "abc", "abc", in_array=False),
    Row("unknown", "abc", "abc", writes=False, in_array=False),
]
REFUSED = [
    Refused("text", 5, "expected str, got int"),
    Refused("text", b"x", "expected str, got bytes"),
    Refused("text", "\ud800", "surrogates"),
    Refused("name", 5, "expected str, got int"),
    Refused("jsonpath", b"$", "expected str, got bytes"),
]
