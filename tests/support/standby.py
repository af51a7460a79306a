"""A hot standby of a `Cluster`, made from a copy of its files: the embedded server has no pg_basebackup.

    with Cluster() as primary, Standby(primary) as standby:
        standby.promote()
"""
import os
import shutil
import time

from tests.support.cluster import SUPERUSER, Cluster

PROMOTE_SECONDS = 10.0


def place_of(primary: Cluster) -> str:
    return f"host={primary.socket_dir} port={primary.port} user={SUPERUSER}"


class Standby(Cluster):
    """Started like a Cluster; its primary is stopped for the moment of the copy and has the same port again."""

    def __init__(self, primary: Cluster, settings: dict[str, str] | None = None) -> None:
        super().__init__(settings, bin_dir=primary.bin_dir)
        self.primary = primary

    def create(self) -> None:
        """Make the cluster anew, then give it the primary's files and what makes a standby of them."""
        super().create()
        own = (self.data_dir / "postgresql.conf").read_text()
        with open(self.primary.data_dir / "pg_hba.conf", "a") as lines:
            lines.write("local replication all trust\n")
        self.primary.stop()
        shutil.rmtree(self.data_dir)
        shutil.copytree(self.primary.data_dir, self.data_dir, symlinks=True)
        self.primary.start()
        (self.data_dir / "postgresql.conf").write_text(f"{own}\nprimary_conninfo = '{place_of(self.primary)}'\n")
        (self.data_dir / "standby.signal").touch()
        for path in (self.data_dir, *self.data_dir.rglob("*")):
            self.give_to_server(path)
        os.chmod(self.data_dir, 0o700)

    def follow(self, primary: Cluster) -> None:
        """Stream from another server from now on."""
        self.sql(f"ALTER SYSTEM SET primary_conninfo = '{place_of(primary)}'")
        self.sql("SELECT pg_reload_conf()")
        self.primary = primary

    def create_roles(self) -> None:
        """They are the primary's."""

    def promote(self) -> None:
        """Make a primary of it, and return when it is one."""
        self.pg_ctl("promote")
        deadline = time.monotonic() + PROMOTE_SECONDS
        while self.sql("SELECT pg_is_in_recovery()") != [("f",)]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
