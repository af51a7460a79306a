"""How much of something the tests about faults do, and what came of it.

`make test` runs quick forms; `make chaos` sets $ASYNCPG_CORE_CHAOS=full and shows what the tests have noted.
"""
import json
import os

IS_FULL = os.environ.get("ASYNCPG_CORE_CHAOS") == "full"


def times(full: int, quick: int) -> int:
    """How often: `full` in `make chaos`, `quick` otherwise."""
    return full if IS_FULL else quick


def note(what: str, **facts: object) -> None:
    """Keep what a test has counted for `make chaos` to show."""
    path = os.environ.get("ASYNCPG_CORE_CHAOS_NOTES")
    if path:
        with open(path, "a", encoding="utf-8") as notes:
            notes.write(json.dumps({"what": what, **facts}) + "\n")
