"""Codecs whose functions are the user's, in one of three exchange formats."""
from collections.abc import Callable
from typing import Any

from pgproto.codecs.codec import Codec

def custom_codec(base: Codec, format: str, encoder: Callable[[Any], Any], decoder: Callable[[Any], Any]) -> Codec: ...
