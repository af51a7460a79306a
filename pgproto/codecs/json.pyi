"""json and jsonb: read as their text, unless a loads function is set."""
from collections.abc import Callable
from typing import Any

from pgproto.codecs.codec import Codec

def json_codec(
    oid: int, *, encoder: Callable[[Any], Any] | None = None, decoder: Callable[[Any], Any] | None = None,
    takes_bytes: bool = False,
) -> Codec: ...
