"""A bounded load on an HTTP service: `python -m benchmarks.http_load PORT REQUESTS CLIENTS KEYS`.

Each client has one kept connection and waits for each answer. Prints the latencies' percentiles and the clients' wall
time as JSON; any status but 200 ends it.
"""
from __future__ import annotations

import asyncio
import json
import sys
import time

from benchmarks.runs import percentiles

CLOCK = time.perf_counter


async def request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: int) -> None:
    """Send one request and read its answer whole."""
    writer.write(f"GET /accounts/{key} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1").lower()
    if not head.startswith("http/1.1 200"):
        raise SystemExit(f"the service answered {head.splitlines()[0]}")
    length = next(int(line.partition(":")[2]) for line in head.splitlines() if line.startswith("content-length"))
    await reader.readexactly(length)


async def client(port: int, keys: range, n_keys: int, samples: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for n in keys:
        began = CLOCK()
        await request(reader, writer, n * 7919 % n_keys + 1)
        samples.append(CLOCK() - began)
    writer.close()


async def run(port: int, n_requests: int, n_clients: int, n_keys: int) -> dict[str, float]:
    samples: list[float] = []
    share = n_requests // n_clients
    began = CLOCK()
    await asyncio.gather(*[client(port, range(n * share, (n + 1) * share), n_keys, samples) for n in range(n_clients)])
    return {**percentiles(samples), "wall_seconds": CLOCK() - began}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(*map(int, sys.argv[1:])))))
