"""What one measured stretch costs this process: wall time, CPU time and user-mode instructions.

Runs inside the worker, around the measured part alone. The counter is perf_event_open(2) through ctypes; where the
kernel, the machine or the platform refuses it, the reason is kept and instructions are None: nothing is estimated in
its place.
"""
from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import ModuleType

resource: ModuleType | None
try:
    import resource
except ImportError:
    resource = None

# The number of perf_event_open differs by architecture: arch/*/entry/syscalls and include/uapi/asm-generic/unistd.h.
SYSCALL_PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241, "riscv64": 241, "ppc64le": 319, "s390x": 331}

TYPE_HARDWARE = 0
TYPE_SOFTWARE = 1
HARDWARE_INSTRUCTIONS = 1
SOFTWARE_PAGE_FAULTS = 2

ATTR_SIZE_VERSION_0 = 64
ATTR_DISABLED = 1 << 0
ATTR_EXCLUDE_KERNEL = 1 << 5
ATTR_EXCLUDE_HYPERVISOR = 1 << 6
FORMAT_TOTAL_TIME_ENABLED = 1 << 0
FORMAT_TOTAL_TIME_RUNNING = 1 << 1
FLAG_CLOSE_ON_EXEC = 1 << 3

IOCTL_ENABLE = 0x2400
IOCTL_DISABLE = 0x2401
IOCTL_RESET = 0x2403


def usage() -> tuple[int, int, int] | None:
    """Return this process's minor faults, voluntary and involuntary switches so far; None on Windows, that has none."""
    if resource is None:
        return None
    now = resource.getrusage(resource.RUSAGE_SELF)
    return now.ru_minflt, now.ru_nvcsw, now.ru_nivcsw


class CounterUnavailable(Exception):
    """The kernel, the machine or the platform gives no such counter; the text says which and why."""


def put_attributes(event_type: int, config: int) -> bytes:
    """Return a perf_event_attr for one event of this thread in user mode, not inherited, not running yet."""
    #  perf_event_attr: | type u32 | size u32 | config u64 | sample_period u64 | sample_type u64 | read_format u64 |
    #                   | flags u64 | wakeup_events u32 | bp_type u32 | config1 u64 |
    flags = ATTR_DISABLED | ATTR_EXCLUDE_KERNEL | ATTR_EXCLUDE_HYPERVISOR
    read_format = FORMAT_TOTAL_TIME_ENABLED | FORMAT_TOTAL_TIME_RUNNING
    return struct.pack("=IIQQQQQIIQ", event_type, ATTR_SIZE_VERSION_0, config, 0, 0, read_format, flags, 0, 0, 0)


class Counter:
    """A perf event that counts the thread which made it, in user mode, between `start` and `stop`."""

    def __init__(self, event_type: int = TYPE_HARDWARE, config: int = HARDWARE_INSTRUCTIONS) -> None:
        number = SYSCALL_PERF_EVENT_OPEN.get(platform.machine())
        if not sys.platform.startswith("linux") or number is None:
            raise CounterUnavailable(f"no perf_event_open on {sys.platform} {platform.machine()}")
        self.libc = ctypes.CDLL(None, use_errno=True)
        attributes = ctypes.create_string_buffer(put_attributes(event_type, config), ATTR_SIZE_VERSION_0)
        this_thread, any_cpu, no_group = 0, -1, -1
        self.fd: int = self.libc.syscall(ctypes.c_long(number), attributes, this_thread, any_cpu, no_group,
                                         ctypes.c_ulong(FLAG_CLOSE_ON_EXEC))
        if self.fd < 0:
            raise CounterUnavailable(f"perf_event_open: {os.strerror(ctypes.get_errno())}")

    def start(self) -> None:
        self.libc.ioctl(self.fd, ctypes.c_ulong(IOCTL_RESET), 0)
        self.libc.ioctl(self.fd, ctypes.c_ulong(IOCTL_ENABLE), 0)

    def stop(self) -> int | None:
        """Return the count since `start`, or None if the counter was shared and ran only part of the time."""
        self.libc.ioctl(self.fd, ctypes.c_ulong(IOCTL_DISABLE), 0)
        count, time_enabled, time_running = struct.unpack("=QQQ", os.read(self.fd, 24))
        # RESET clears the count and not the two times, so after one stretch of sharing the counter stays distrusted.
        return count if time_running == time_enabled else None

    def close(self) -> None:
        os.close(self.fd)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one measured stretch took. `instructions` is None where they cannot be counted.

    The last three explain the others: minor faults, and context switches that were the process's own or forced upon it.
    """

    wall_seconds: float
    cpu_seconds: float
    instructions: int | None
    page_faults: int | None = None
    sleeps: int | None = None
    preemptions: int | None = None


class Meter:
    """Measures awaitables of this thread; `refusal` says why instructions are not counted, or is None."""

    def __init__(self) -> None:
        self.counter: Counter | None = None
        self.refusal: str | None = None
        try:
            self.counter = Counter()
        except CounterUnavailable as exc:
            self.refusal = str(exc)

    async def measure(self, run: Callable[[int], Awaitable[Cost | None]], n_ops: int) -> Cost:
        """Await `run(n_ops)` once and return its cost, or what it says itself; CPU is user + system of the process."""
        instructions = None
        used_before = usage()
        cpu = time.process_time()
        wall = time.perf_counter()
        if self.counter is not None:
            self.counter.start()
        told = await run(n_ops)
        if self.counter is not None:
            instructions = self.counter.stop()
        wall_seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
        used = usage()
        if told is not None:
            return told
        if used is None or used_before is None:
            return Cost(wall_seconds, cpu_seconds, instructions)
        return Cost(wall_seconds, cpu_seconds, instructions,
                    *(after - before for before, after in zip(used_before, used, strict=True)))
