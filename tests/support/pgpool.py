"""A pgpool-II in front of the embedded server, in streaming replication mode: a session has one server process for as
long as it lives.

Not in raw mode: there pgpool 4.3 leaves a transaction open behind several INSERTs that share one Sync.
"""
from tests.support.apt_packages import find_program
from tests.support.behind import Daemon
from tests.support.cluster import Cluster, free_port

CONFIG = """
listen_addresses = '127.0.0.1'
port = {port}
socket_dir = '{directory}'
pcp_listen_addresses = '127.0.0.1'
pcp_port = {pcp_port}
pcp_socket_dir = '{directory}'
pid_file_name = '{directory}/pgpool.pid'
logdir = '{directory}'
work_dir = '{directory}'
backend_clustering_mode = 'streaming_replication'
sr_check_period = 0
sr_check_user = '{user}'
sr_check_database = 'postgres'
search_primary_node_timeout = 2
health_check_period = 0
backend_hostname0 = '127.0.0.1'
backend_port0 = {server_port}
backend_weight0 = 1
enable_pool_hba = off
num_init_children = 24
max_pool = 1
connection_cache = on
failover_on_backend_error = off
"""


class Pgpool(Daemon):
    """One pgpool of 24 children, which is how many clients it serves at once; it looks for the primary as `user`."""

    def __init__(self, cluster: Cluster, user: str) -> None:
        super().__init__("pgpool", find_program("pgpool2", "usr/sbin/pgpool"))
        config = self.directory / "pgpool.conf"
        config.write_text(CONFIG.format(
            port=self.port, pcp_port=free_port(), directory=self.directory, server_port=cluster.port,
            user=user))
        for empty in ("pcp.conf", "pool_hba.conf"):
            (self.directory / empty).touch()
        self.start("-n", "-f", str(config), "-F", str(self.directory / "pcp.conf"),
                   "-a", str(self.directory / "pool_hba.conf"))
