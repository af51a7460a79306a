"""A TCP relay that keeps what clients send: shows what an onlooker on the network would see."""
import asyncio


class Relay:
    """Relays 127.0.0.1:`port` to the target inside `async with`; `sent` has the bytes of each client, in order."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.sent: list[bytearray] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def __aenter__(self) -> "Relay":
        self.server = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.server.wait_closed()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        seen = bytearray()
        self.sent.append(seen)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
            await asyncio.gather(copy(reader, far_writer, seen), copy(far_reader, writer, bytearray()))
        except (ConnectionError, asyncio.CancelledError):
            writer.close()
        finally:
            self.tasks.discard(task)


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: bytearray) -> None:
    """Copy until the end, which is passed on."""
    try:
        while chunk := await reader.read(65536):
            seen += chunk
            writer.write(chunk)
            await writer.drain()
    finally:
        writer.close()
