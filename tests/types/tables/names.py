"""What travels as the server's own text."""
from tests.types.tables import Refused, Row

ROWS = [
    Row("money", "$12.34", "12.34", "$12.34", also=("12.34", "$12.34")),
    Row("money", "-$1,234,567.89", "-1234567.89", "-$1,234,567.89"),
    Row("tsvector", "'a':1 'fat':2A,3", "a:1 fat:2A,3", "'a':1 'fat':2A,3", also=("fat:3,2A a:1",)),
    Row("tsvector", "", ""),
    Row("tsquery", "'fat' & ( 'rat' | !'cat' )", "fat & (rat | !cat)", "'fat' & ( 'rat' | !'cat' )"),
    Row("regproc", "now", "now"),
    Row("regprocedure", "sum(integer)", "sum(int4)", "sum(integer)"),
    Row("regoper", "||/", "||/"),
    Row("regoperator", "+(integer,integer)", "+(int4,int4)", "+(integer,integer)"),
    Row("regclass", "pg_class", "pg_class", also=("1259",)),
    Row("regclass", "-", "-"),
    Row("regtype", "integer", "int4", "integer"),
    Row("regconfig", "english", "english"),
    Row("regdictionary", "simple", "simple"),
    Row("regnamespace", "pg_catalog", "pg_catalog"),
    Row("regrole", "postgres", "postgres"),
    Row("regcollation", '"C"', '"C"'),
    Row("aclitem", "postgres=r/postgres", "postgres=r/postgres"),
]
REFUSED = [
    Refused("money", 12, "expected str, got int"),
    Refused("tsvector", ["a"], "expected str, got list"),
    Refused("regclass", 1259, "expected str, got int"),
]
