"""An HAProxy in front of the embedded server: it passes bytes on, so nothing about statements changes behind it."""
from tests.support.apt_packages import find_program
from tests.support.behind import Daemon
from tests.support.cluster import Cluster

CONFIG = """
defaults
    mode tcp
    timeout connect 5s
    timeout client 1m
    timeout server 1m
listen postgresql
    bind 127.0.0.1:{port}
    option pgsql-check user {user}
    server one 127.0.0.1:{server_port} check inter 500ms
"""


class HAProxy(Daemon):
    """One proxy to one server, whose health it asks for as `user`."""

    def __init__(self, cluster: Cluster, user: str) -> None:
        super().__init__("haproxy", find_program("haproxy", "usr/sbin/haproxy"))
        config = self.directory / "haproxy.cfg"
        config.write_text(CONFIG.format(port=self.port, server_port=cluster.port, user=user))
        self.start("-db", "-f", str(config))
