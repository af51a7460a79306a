"""Where the data of a COPY comes from and goes to: files by name, file objects, iterables, callables.

Sources are async iterators of buffers, sinks are async callables that take bytes; both are context managers, since a
file that is opened here is closed here. A file's own methods run in the loop's executor.
"""
from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeAlias

# As much as one read of a file asks for.
READ_SIZE = 524288

Output: TypeAlias = "os.PathLike[Any] | str | bytes | Any"
Source: TypeAlias = "os.PathLike[Any] | str | bytes | bytearray | memoryview | AsyncIterable[Any] | Iterable[Any] | Any"


async def run_in_executor(function: Callable[..., Any], *args: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, function, *args)


@asynccontextmanager
async def opened(path: Any, mode: str) -> AsyncIterator[Any]:
    """Open a file, and close it whatever happens; what closing has to say is heard unless something else is."""
    file = await run_in_executor(open, path, mode)
    try:
        yield file
    except BaseException:
        await run_in_executor(file.close)
        raise
    await run_in_executor(file.close)


# Sinks

@asynccontextmanager
async def sink_of(output: Output) -> AsyncIterator[Callable[[bytes], Awaitable[Any]]]:
    """Return what takes the data: a path, an object with `write`, or a callable; TypeError otherwise."""
    if isinstance(output, (str, bytes, os.PathLike)):
        async with opened(output, "wb") as file:
            yield writer_to(file.write)
    elif hasattr(output, "write"):
        yield writer_to(output.write)
    elif callable(output):
        yield caller_of(output)
    else:
        raise TypeError("output is expected to be a file-like object, a path-like object or a coroutine function, not "
                        f"{type(output).__name__}")


def writer_to(write: Callable[[bytes], Any]) -> Callable[[bytes], Awaitable[Any]]:
    """Return what calls the method of a file in the executor; an `async def` one is awaited."""
    if inspect.iscoroutinefunction(write):
        return write

    async def write_in_executor(chunk: bytes) -> None:
        await run_in_executor(write, chunk)

    return write_in_executor


def caller_of(output: Callable[[bytes], Any]) -> Callable[[bytes], Awaitable[Any]]:
    async def call(chunk: bytes) -> None:
        result = output(chunk)
        if inspect.isawaitable(result):
            await result

    return call


# Sources

@asynccontextmanager
async def source_of(source: Source) -> AsyncIterator[AsyncIterator[Any]]:
    """Return what gives the data.

    bytes and other buffers are the data itself; a str or path-like object names a file; then an object with `read`, an
    async iterable and an iterable of buffers. TypeError for anything else.
    """
    if isinstance(source, (str, os.PathLike)):
        async with opened(source, "rb") as file, aclosing(reader_of(file.read)) as chunks:
            yield chunks
    elif hasattr(source, "__aiter__") and not hasattr(source, "read"):
        yield source.__aiter__()
    else:
        async with aclosing(chunks_of(source)) as chunks:
            yield chunks


def chunks_of(source: Any) -> AsyncGenerator[Any, None]:
    if hasattr(source, "read"):
        return reader_of(source.read)
    if is_buffer(source):
        return each_of([source])
    if hasattr(source, "__iter__"):
        return each_of(source)
    raise TypeError("source is expected to be a path-like object, a file-like object, bytes, or an iterable or async "
                    f"iterable of bytes, not {type(source).__name__}")


async def reader_of(read: Callable[[int], Any]) -> AsyncGenerator[Any, None]:
    """Give what a file's `read` gives until that is nothing."""
    is_async = inspect.iscoroutinefunction(read)
    while chunk := await (read(READ_SIZE) if is_async else run_in_executor(read, READ_SIZE)):
        yield chunk


async def each_of(chunks: Iterable[Any]) -> AsyncGenerator[Any, None]:
    for chunk in chunks:
        yield chunk


def is_buffer(thing: object) -> bool:
    try:
        memoryview(thing)  # type: ignore[arg-type]
    except TypeError:
        return False
    return True


def view_of(chunk: Any) -> memoryview:
    """Return the bytes of a chunk; TypeError if it is no buffer, a str above all."""
    try:
        view = memoryview(chunk)
    except TypeError:
        raise TypeError(f"the source of a COPY must give bytes, it gave {type(chunk).__name__}") from None
    return view if view.contiguous and view.format == "B" and view.ndim == 1 else memoryview(view.tobytes())
