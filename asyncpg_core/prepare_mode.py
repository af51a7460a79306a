"""What a connection says of its way to prepare statements."""
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PrepareMode:
    """`mode` is always (by name, at the first use), auto (at the n-th use) or never (parsed with each execution);
    `reason` says who has decided that. As a str it is the mode."""

    mode: str
    reason: str

    def __str__(self) -> str:
        return self.mode
