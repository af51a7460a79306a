"""The seam between a session, its calls and its transport: virtual methods, no state but the loop."""
from asyncio import AbstractEventLoop
from typing import Any

from typing_extensions import disjoint_base

@disjoint_base
class Endpoint:
    member: Any
    @property
    def loop(self) -> AbstractEventLoop: ...
    def start_asked(self) -> None: ...
