from pgproto.types import Box, Circle, Line, LineSegment, Path, Point, Polygon
from tests.types.tables import Refused, Row

ROWS = [
    Row("point", Point(1, 2.5), "(1,2.5)", also=((1, 2.5), [1, 2.5])),
    Row("point", Point("nan", "inf"), "(NaN,Infinity)"),
    Row("point", Point(-0.0, 1e300), "(-0,1e+300)"),
    Row("box", Box((3, 4), (1, 2)), "(1,2),(3,4)", "(3,4),(1,2)", also=(((1, 2), (3, 4)), [[3, 4], [1, 2]])),
    Row("lseg", LineSegment((1, 2), (3, 4)), "[(1,2),(3,4)]", also=(((1, 2), (3, 4)),)),
    Row("line", Line(1.0, 2.0, 3.0), "{1,2,3}", also=((1, 2, 3),)),
    Row("circle", Circle(Point(1, 2), 3.0), "<(1,2),3>", also=(((1, 2), 3), [[1, 2], 3])),
    Row("path", Path((1, 2), (3, 4)), "[(1,2),(3,4)]", also=([(1, 2), [3, 4]],)),
    Row("path", Path((1, 2), (3, 4), is_closed=True), "((1,2),(3,4))",
        also=(((1, 2), (3, 4)), Polygon((1, 2), (3, 4)))),
    Row("path", Path((1, 2)), "[(1,2)]"),
    Row("polygon", Polygon((1, 2), (3, 4), (5, 6)), "((1,2),(3,4),(5,6))",
        also=([(1, 2), (3, 4), (5, 6)], Path((1, 2), (3, 4), (5, 6)))),
]
REFUSED = [
    Refused("point", (1, 2, 3), "was expected, got 3 items"),
    Refused("point", (1,), "was expected, got 1 items"),
    Refused("point", ("1", "2"), "must be real number, not str"),
    Refused("point", "(1,2)", "was expected, got str"),
    Refused("box", (1, 2), "a point (x, y) was expected, got int"),
    Refused("line", (1, 2), "was expected, got 2 items"),
    Refused("circle", (1, 2, 3), "was expected, got 3 items"),
    Refused("path", "((1,2))", "was expected, got str"),
    Refused("path", ((1, 2, 3),), "was expected, got 3 items"),
    Refused("polygon", 5, "was expected, got int"),
]
