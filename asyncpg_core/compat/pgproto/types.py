"""asyncpg.pgproto.types: values of types that Python has none for."""
from pgproto.types import BitString, Box, Circle, Line, LineSegment, Path, Point, Polygon

__all__ = ("BitString", "Point", "Path", "Polygon", "Box", "Line", "LineSegment", "Circle")
