"""PostgreSQL's protocol without I/O: bytes and operations go in, bytes and events come out."""
from pgproto import once as _once

_once.restore(__name__)
_once.keep(__name__)
