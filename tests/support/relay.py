"""A TCP relay that keeps what clients send: shows what an onlooker on the network would see."""
import asyncio

from tests.support.startup_server import StartupServer


class Relay(StartupServer):
    """Relays 127.0.0.1:`port` to the target inside `async with`; `sent` has the bytes of each client, in order."""

    def __init__(self, target_port: int) -> None:
        super().__init__(self.relay)
        self.target_port = target_port
        self.sent: list[bytearray] = []

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen = bytearray()
        self.sent.append(seen)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        await asyncio.gather(copy(reader, far_writer, seen), copy(far_reader, writer, bytearray()))


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: bytearray) -> None:
    """Copy until the end, which is passed on."""
    try:
        while chunk := await reader.read(65536):
            seen += chunk
            writer.write(chunk)
            await writer.drain()
    finally:
        writer.close()
