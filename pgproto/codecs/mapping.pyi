"""What a user maps a type of his own to, by its name: the codec that comes of it."""
from pgproto.codecs.catalogue import ARRAY as ARRAY
from pgproto.codecs.catalogue import ENUM as ENUM
from pgproto.codecs.catalogue import MULTIRANGE as MULTIRANGE
from pgproto.codecs.catalogue import RANGE as RANGE
from pgproto.codecs.catalogue import TypeFacts
from pgproto.codecs.codec import Codec
from pgproto.codecs.user_types import functions_of as functions_of

def mapped(codec: Codec, facts: TypeFacts, mapping: object) -> Codec: ...
