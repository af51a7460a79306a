"""The parent's side of the workers: start them, ask with a bound, replace the lost, interleave the rounds."""
from __future__ import annotations

import contextlib
import functools
import json
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.figures import Failure, Round, rotated
from benchmarks.workloads import Workload

ROOT = Path(__file__).resolve().parent.parent
EXIT_SECONDS = 5.0

Tell = Callable[[str], None]
T = TypeVar("T")


class WorkerLost(Exception):
    """A worker died, hung or answered with an error; the text says which, with the end of what it wrote."""


class WorkerProcess:
    """One running worker. An answer may take `timeout_seconds`; a worker that fails is ended by its pid."""

    def __init__(self, command: Sequence[str], timeout_seconds: float) -> None:
        self.timeout_seconds = timeout_seconds
        self.stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process; closed by `end`
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.stderr, cwd=ROOT)
        self.answers: queue.Queue[bytes] = queue.Queue()
        # A thread, not select: pipes cannot be selected on Windows.
        self.reader = threading.Thread(target=self.read_answers, daemon=True)
        self.reader.start()

    def read_answers(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.answers.put(line)
        self.answers.put(b"")

    def take_answer(self) -> dict[str, Any]:
        try:
            line = self.answers.get(timeout=self.timeout_seconds)
        except queue.Empty:
            raise self.lost(f"no answer within {self.timeout_seconds:g} s") from None
        if not line:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(EXIT_SECONDS)
            raise self.lost(f"died with status {self.process.poll()}")
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            raise self.lost(f"answered {line[:80]!r}")
        if "error" in message:
            raise self.lost(message["error"])
        return message

    def ask(self, **order: object) -> dict[str, Any]:
        """Return the worker's answer to `order`; WorkerLost if there is none, and then the worker is gone."""
        assert self.process.stdin is not None
        # A broken pipe is told by the answer that does not come.
        with contextlib.suppress(OSError):
            self.process.stdin.write(json.dumps(order).encode() + b"\n")
            self.process.stdin.flush()
        return self.take_answer()

    def lost(self, why: str) -> WorkerLost:
        last_words = self.end().decode(errors="replace").strip().splitlines()[-1:]
        return WorkerLost("; ".join([" ".join(why.split()), *last_words]))

    def end(self) -> bytes:
        """End the process, by the end of its stdin or by a kill if that does not do; return what it wrote to stderr."""
        assert self.process.stdin is not None and self.process.stdout is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.join(EXIT_SECONDS)
        with self.process.stdout, self.stderr:
            self.stderr.seek(0)
            return self.stderr.read()


@dataclass(slots=True)
class Seat:
    """The place of one driver on one loop; its worker is replaced when lost, except where none ever started."""

    driver: str
    loop: str
    uri: str
    timeout_seconds: float
    routes: dict[str, str] = field(default_factory=dict)
    hello: dict[str, Any] = field(default_factory=dict)
    worker: WorkerProcess | None = None

    def start(self) -> WorkerProcess:
        """Return the running worker, started if there is none; WorkerLost if it does not come up."""
        if self.worker is None:
            worker = WorkerProcess(
                [sys.executable, "-m", "benchmarks.worker", self.driver, self.loop, self.uri,
                 *[f"{route}={uri}" for route, uri in self.routes.items()]], self.timeout_seconds)
            self.hello = worker.take_answer()
            self.worker = worker
        return self.worker

    def ask(self, **order: object) -> dict[str, Any]:
        worker = self.start()
        try:
            return worker.ask(**order)
        except WorkerLost:
            self.worker = None
            raise

    def end(self) -> None:
        if self.worker is not None:
            self.worker.end()
            self.worker = None


class Crew:
    """The workers of one comparison; whoever fails in a workload is out for the rest of it, and noted in `failures`.

    Who has not the verbs that a workload needs is no failure: `absences` says by workload and driver what is missing.
    """

    def __init__(self, seats: Sequence[Seat], tell: Tell) -> None:
        self.tell = tell
        self.failures: list[Failure] = []
        self.absences: dict[tuple[str, str], str] = {}
        self.seats = [seat for seat in seats if self.attempt(seat, None, seat.start) is not None]

    def attempt(self, seat: Seat, workload: str | None, step: Callable[[], T]) -> T | None:
        """Return what the step gives, or None if the worker failed it."""
        try:
            return step()
        except WorkerLost as exc:
            self.failures.append(Failure(workload, seat.loop, seat.driver, str(exc)))
            self.tell(f"{workload or 'start'}: {seat.driver} on {seat.loop} failed: {exc}")
            return None

    def any_answer(self, **order: object) -> dict[str, Any]:
        """Return the answer of the first worker that can give one: what concerns the server, not a driver."""
        for seat in self.seats:
            answer = self.attempt(seat, None, functools.partial(seat.ask, **order))
            if answer is not None:
                return answer
        raise WorkerLost("no driver could be started, or none could do the preparation")

    def rounds_of(self, workload: Workload, n_ops: int, numbers: range) -> Iterator[Round]:
        """Open the workload everywhere, warm up, and give the rounds of these numbers as they are measured."""
        def doing(seat: Seat, **order: object) -> dict[str, Any] | None:
            return self.attempt(seat, workload.name, functools.partial(seat.ask, **order))

        def opened(seat: Seat) -> bool:
            answer = doing(seat, do="open", workload=workload.run_name, route=workload.route, needs=workload.needs)
            if answer is not None and "lacks" in answer:
                self.absences[workload.name, seat.driver] = answer["lacks"]
                return False
            return answer is not None and doing(seat, do="round", n_ops=workload.n_ops_warm_up) is not None

        present = [seat for seat in self.seats if opened(seat)]
        for number in numbers:
            for seat in rotated(present, number):
                cost = doing(seat, do="round", n_ops=n_ops)
                if cost is None:
                    present.remove(seat)
                else:
                    yield Round(workload.name, seat.loop, seat.driver, number, n_ops, **cost)
        for seat in present:
            doing(seat, do="close")

    def end(self) -> None:
        """End all workers; whoever is asked again gets a fresh one."""
        for seat in self.seats:
            seat.end()
