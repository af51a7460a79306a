"""Server processes that are ended behind the driver's back."""
import time
from collections.abc import Sequence

from tests.support.cluster import Cluster


def end_backends(cluster: Cluster, pids: Sequence[int]) -> None:
    """End these processes and wait, without letting any loop run, until they are gone."""
    wanted = ", ".join(str(pid) for pid in pids)
    cluster.sql(f"SELECT pg_terminate_backend(p) FROM unnest(array[{wanted}]) p")
    deadline = time.monotonic() + 10
    while cluster.sql(f"SELECT 1 FROM pg_stat_activity WHERE pid IN ({wanted})"):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the server processes {wanted} do not end")
        time.sleep(0.01)
    # The row goes before the socket is closed.
    time.sleep(0.05)
