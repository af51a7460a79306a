"""SASLprep: one form for passwords that look alike, so that the client and the server hash the same bytes.

https://www.rfc-editor.org/rfc/rfc4013
"""
from __future__ import annotations

import stringprep
import unicodedata

_PROHIBITED = (
    stringprep.in_table_a1,  # unassigned in Unicode 3.2
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def saslprep(text: str) -> str | None:
    """Return the prepared text; None where RFC 4013 prohibits it or nothing is left of it.

    Normalised with today's Unicode, as PostgreSQL does, and not with that of 3.2: they differ in the corrigenda only.
    """
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char for char in text if not stringprep.in_table_b1(char)
    )
    prepared = unicodedata.normalize("NFKC", mapped)
    if not prepared or any(prohibits(char) for char in prepared for prohibits in _PROHIBITED):
        return None
    return prepared if _is_one_direction(prepared) else None


def _is_one_direction(text: str) -> bool:
    """Tell whether the text mixes no right-to-left with left-to-right (RFC 3454, section 6)."""
    if not any(map(stringprep.in_table_d1, text)):
        return True
    starts_and_ends = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    return starts_and_ends and not any(map(stringprep.in_table_d2, text))
