"""A pytest plugin for continuous integration: a skip must name a feature that is really missing, or the run fails."""
import pytest

from tests.support.features import unexpected_skips


class SkipWatch:
    """`server_has` and `server_major` are set by the fixture that starts the server."""

    def __init__(self, *, enabled: bool) -> None:
        self.enabled = enabled
        self.server_has: frozenset[str] = frozenset()
        self.server_major = 99
        self.skips: list[tuple[str, str]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.note(report)

    def note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail") and isinstance(report.longrepr, tuple):
            self.skips.append((report.nodeid, report.longrepr[2].removeprefix("Skipped: ")))

    def unexpected(self) -> list[str]:
        return unexpected_skips(self.skips, self.server_has, self.server_major) if self.enabled else []

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.unexpected() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter) -> None:
        wrong = self.unexpected()
        if wrong:
            terminalreporter.section("unexpected skips", red=True)
            for line in wrong:
                terminalreporter.line(line)
