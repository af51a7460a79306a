"""A program that stands between the tests and the embedded server: started, waited for, stopped, its files removed."""
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from tests.support.apt_packages import Program
from tests.support.cluster import free_port, unprivileged_account

START_SECONDS = 10.0


class Daemon:
    """One process of a program in a directory of its own; `port` is where it listens on loopback."""

    def __init__(self, name: str, program: Program) -> None:
        self.name = name
        self.directory = Path(tempfile.mkdtemp(prefix="between", dir="/tmp"))
        self.directory.chmod(0o755)
        self.port = free_port()
        self.command, self.variables = program.place(self.directory)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str) -> None:
        """Start it and return when it listens."""
        account = unprivileged_account()
        if account:
            os.chown(self.directory, account["user"], account["group"])     # type: ignore[arg-type]
        with open(self.directory / "log", "wb") as log:
            self.process = subprocess.Popen(
                [*self.command, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, **self.options())  # type: ignore[call-overload]
        self.wait_until_it_listens(self.process)

    def options(self) -> dict[str, object]:
        return {"cwd": self.directory, "env": {**self.variables, "PATH": os.defpath}, **unprivileged_account()}

    def wait_until_it_listens(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    log = (self.directory / "log").read_text(errors="replace")
                    self.stop()
                    raise RuntimeError(f"{self.name} does not start:\n{log[-2000:]}") from None
                time.sleep(0.01)

    def stop(self) -> None:
        if self.process is not None:
            # With its children: it leads a session of its own.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> "Daemon":
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
