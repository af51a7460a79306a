"""A primary with two streaming standbys, and what a tool for high availability does with them.

    with Trio(is_synchronous=True) as trio:
        trio.fail_over("killed")
        trio.primary        # is another one now
"""
import contextlib
import time
from collections.abc import Callable

from tests.support.cluster import TRUST_USER, Cluster
from tests.support.standby import Standby

# Commits are flushed before they are acknowledged; standbys look for their primary often.
SETTINGS = {"synchronous_commit": "on", "wal_retrieve_retry_interval": "100ms", "log_min_messages": "warning"}
SECONDS = 15.0


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def position(text: str | None) -> int:
    """A place in the write-ahead log as a number."""
    high, low = (text or "0/0").split("/")
    return int(high, 16) << 32 | int(low, 16)


class Trio:
    """`primary` and `standbys` as they are at the moment, `servers` all of them in the order in which they began."""

    def __init__(self, *, is_synchronous: bool) -> None:
        self.is_synchronous = is_synchronous
        self.stack = contextlib.ExitStack()

    def __enter__(self) -> "Trio":
        try:
            self.primary: Cluster = self.stack.enter_context(Cluster(SETTINGS))
            self.standbys = [self.stack.enter_context(Standby(self.primary, SETTINGS)) for _ in range(2)]
            self.servers: list[Cluster] = [self.primary, *self.standbys]
            self.wait_streaming()
            if self.is_synchronous:
                for server in self.servers:
                    self.demand(server, "ANY 1 (*)")
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.stack.close()

    def dsn(self, servers: list[Cluster] | None = None, **query: str) -> str:
        places = ",".join(f"127.0.0.1:{server.port}" for server in servers or self.servers)
        return f"postgresql://{TRUST_USER}@{places}/postgres?" + "&".join(f"{k}={v}" for k, v in query.items())

    def wait_streaming(self) -> None:
        wait_until(lambda: self.primary.sql("select count(*) from pg_stat_replication where state = 'streaming'")
                   == [(str(len(self.standbys)),)])

    def demand(self, server: Cluster, names: str) -> None:
        """Let commits wait for standbys of these names, from now on or from the promotion on."""
        server.sql(f"alter system set synchronous_standby_names = '{names}'")
        server.sql("select pg_reload_conf()")

    def fail_over(self, how: str) -> float:
        """End the primary's time in one of four ways, promote the best standby; return when that was a primary.

        "killed": all its processes at once; "switchover": in good order; "demoted": it takes no writes any more and
        keeps its connections; "cut off": it lives, but somebody else has cut the clients off.
        """
        old = self.primary
        if how == "killed":
            old.stop(immediate=True)
        elif how == "switchover":
            old.stop()
        elif how == "demoted":
            self.demote(old)
        self.standbys.sort(key=self.received)
        new = self.standbys.pop()
        if not self.standbys:
            self.demand(new, "")
        new.promote()
        promoted = time.monotonic()
        self.primary = new
        for standby in self.standbys:
            standby.follow(new)
        self.wait_streaming()
        return promoted

    def demote(self, server: Cluster) -> None:
        """As a provider does it; returns when no write is under way and a standby has all of them."""
        server.sql("alter system set default_transaction_read_only = on")
        server.sql("select pg_reload_conf()")
        time.sleep(0.2)     # the signal reaches every process; nothing tells
        writing = "select count(*) from pg_stat_activity where backend_xid is not null"
        wait_until(lambda: server.sql(writing) == [("0",)])
        end = position(server.sql("select pg_current_wal_flush_lsn()")[0][0])
        wait_until(lambda: max(self.received(standby) for standby in self.standbys) >= end)

    def received(self, standby: Standby) -> int:
        """What is durable on a standby: an acknowledgement that waited for it waited for this."""
        return position(standby.sql("select pg_last_wal_receive_lsn()")[0][0])
