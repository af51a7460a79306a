"""The targets by their names, in the order in which they are run."""
from __future__ import annotations

from tests.fuzz import arrow, catalogue, dsn, encode, messages, session, values

TARGETS = {target.name: target for target in (
    messages.FRAMING, session.TARGET, values.DECODE, values.COLUMNS, catalogue.TARGET, messages.DESCRIPTIONS,
    messages.ERRORS, messages.STARTUP, messages.CERTIFICATES, dsn.TARGET, encode.ENCODE, encode.COPY_IN,
    encode.COPY_OUT,
    arrow.TARGET)}
