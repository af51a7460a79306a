"""Apply the *.sql files of a directory, in the order of their names, each once and in a transaction of its own.

    DATABASE_URL=postgresql://localhost/shop python migrate.py migrations/
"""
import asyncio
import os
import pathlib
import sys

import asyncpg_core as asyncpg


async def migrate(dsn: str, directory: pathlib.Path) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute("CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, at timestamptz)")
        # Two deployments at once: the second one waits here and then finds nothing to do.
        await conn.execute("SELECT pg_advisory_lock(7256283)")
        done = {row["name"] for row in await conn.fetch("SELECT name FROM migrations")}
        for path in sorted(directory.glob("*.sql")):  # noqa: ASYNC240
            if path.name not in done:
                print(f"applying {path.name}")
                async with conn.transaction():
                    await conn.execute(path.read_text(encoding="utf-8"))
                    await conn.execute("INSERT INTO migrations VALUES ($1, now())", path.name)
    finally:
        await conn.close()


if __name__ == "__main__":
    asyncio.run(migrate(os.environ["DATABASE_URL"], pathlib.Path(sys.argv[1])))
