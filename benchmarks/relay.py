"""A TCP relay that makes a server far away: `python -m benchmarks.relay TARGET_PORT ROUND_TRIP_MS` prints its port.

What comes in is passed on half a round trip later, in order, as much at a time as came; nothing else is simulated: no
loss, no limit of the bandwidth.
"""
from __future__ import annotations

import asyncio
import sys

CHUNK = 1 << 18


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Pass on what comes, each piece after its time, until the end, which is passed on too."""
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, piece = await pieces.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not piece:
                writer.close()
                return
            writer.write(piece)
    delivering = loop.create_task(deliver())
    try:
        while piece := await reader.read(CHUNK):
            pieces.put_nowait((loop.time() + seconds, piece))
    except ConnectionError:
        pass        # the other side is told as of an end
    pieces.put_nowait((loop.time() + seconds, b""))
    await delivering


async def run(target_port: int, seconds: float) -> None:
    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target_port)
        await asyncio.gather(pass_on(reader, far_writer, seconds), pass_on(far_reader, writer, seconds))

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]), float(sys.argv[2]) / 2000))
