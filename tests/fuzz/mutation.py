"""Wrong bytes made of right ones: inside a body, and in the order of messages."""
from __future__ import annotations

import random
import struct
from collections.abc import Sequence

from tests.support.backend_bytes import (
    BOUND,
    CLOSED,
    COPY_DONE,
    EMPTY,
    NO_DATA,
    PARSED,
    SUSPENDED,
    authentication,
    backend_key_data,
    complete,
    copy_response,
    data_row,
    error,
    message,
    negotiate,
    notice,
    notification,
    parameter_description,
    parameter_status,
    ready,
    row_description,
)

# Numbers at which lengths, counts and arithmetic go wrong.
EDGES_32 = (0, 1, 2, 3, 4, 5, 0x7F, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x3FFFFFFF, 0x40000000, 0x7FFFFFFE,
            0x7FFFFFFF,
            0x80000000, 0x80000001, 0xFFFFFFFE, 0xFFFFFFFF)
EDGES_16 = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF)
EDGES_8 = (0, 1, 0x22, 0x28, 0x29, 0x2C, 0x5C, 0x7B, 0x7D, 0x7F, 0x80, 0xC0, 0xF4, 0xFF)

FOREIGN = (PARSED, BOUND, CLOSED, NO_DATA, SUSPENDED, EMPTY, COPY_DONE, ready("I"), ready("T"), ready("E"), complete(),
           complete("COMMIT"), complete("DISCARD ALL"), data_row(), data_row(b"\0\0\0\1"), data_row(None, b"x"),
           copy_response("G"), copy_response("H", 0, 1), copy_response("W"), error(), error(severity="FATAL"),
           error(code="25P02"), error(code="0A000", R="RevalidateCachedQuery"), notice(), notice("y", "01000"),
           notification(1, "c", "p"), parameter_status("a", "b"), parameter_status("client_encoding", "LATIN1"),
           parameter_description(23), row_description(("a", 23)), row_description(("a", 25, 1), ("b", 23, 0)),
           authentication(), authentication(3), authentication(11, b"r=x"), backend_key_data(), negotiate(0x30000),
           message("d", b"data"), message("\0"), message("?"), message("V", b"\0\0\0\0"), b"HTTP/1.1 400 ",
           b"SSH-2.0-x\r\n", b"\x15\x03\x01\0\2\2\x28")


def mutated(rng: random.Random, body: bytes, most: int = 3) -> bytes:
    """Return bytes with one to `most` places changed, taken out, put in, doubled or cut off."""
    changed = bytearray(body)
    for _ in range(rng.randrange(most) + 1):
        at = rng.randrange(len(changed) + 1)
        way = rng.randrange(9)
        if way == 0:
            changed[at:at + 4] = struct.pack("!I", rng.choice(EDGES_32))
        elif way == 1:
            changed[at:at + 2] = struct.pack("!H", rng.choice(EDGES_16))
        elif way == 2:
            changed[at:at + 1] = bytes([rng.choice(EDGES_8)])
        elif way == 3 and at < len(changed):
            changed[at] ^= 1 << rng.randrange(8)
        elif way == 4:
            del changed[at:at + rng.randrange(1, 9)]
        elif way == 5:
            changed[at:at] = changed[at:at + rng.randrange(1, 33)] * rng.randrange(1, 4)
        elif way == 6:
            changed[at:at] = rng.randbytes(rng.randrange(1, 9))
        elif way == 7:
            # The same number, or one more or less: what lies by little.
            (number,) = struct.unpack("!I", bytes(changed[at:at + 4]).rjust(4, b"\0"))
            changed[at:at + 4] = struct.pack("!I", (number + rng.choice((-1, 0, 1, 256))) & 0xFFFFFFFF)
        else:
            del changed[at:]
    return bytes(changed)


def shuffled(rng: random.Random, messages: Sequence[bytes]) -> list[bytes]:
    """Return messages of which some are swapped, dropped, doubled, foreign, bent inside, or lie about their length."""
    bent = list(messages)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(len(bent) + 1)
        way = rng.randrange(8)
        if way == 0 or at == len(bent):
            bent.insert(at, rng.choice(FOREIGN))
        elif way == 1:
            del bent[at]
        elif way == 2:
            bent.insert(at, bent[at])
        elif way == 3:
            other = rng.randrange(len(bent))
            bent[at], bent[other] = bent[other], bent[at]
        elif way == 4:
            # A right frame around a wrong body.
            bent[at] = message(bent[at][0], mutated(rng, bent[at][5:])) if bent[at] else b""
        elif way == 5 and len(bent[at]) >= 5:
            (length,) = struct.unpack_from("!I", bent[at], 1)
            lie = rng.choice((rng.choice(EDGES_32), (length + rng.choice((-1, 1, -4, 4))) & 0xFFFFFFFF))
            bent[at] = bent[at][:1] + struct.pack("!I", lie) + bent[at][5:]
        elif way == 6:
            bent[at] = mutated(rng, bent[at])
        else:
            bent[at] = bent[at][:rng.randrange(len(bent[at]) + 1)]
            del bent[at + 1:]
    return bent
