"""The embedded server itself: roles, faults, and that nothing is left behind."""
import asyncio
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.support.cluster import HBA, Cluster


def test_every_role_of_pg_hba_exists(cluster):
    assert {name for (name,) in cluster.sql("SELECT rolname FROM pg_roles WHERE rolcanlogin")} == {"postgres", *HBA}


def test_passwords_are_stored_as_their_method_says(cluster):
    stored = dict(cluster.sql("SELECT usename, left(passwd, 5) FROM pg_shadow WHERE passwd IS NOT NULL"))
    assert stored["scram_user"] == stored["cleartext_user"] == "SCRAM"
    assert stored["md5_user"].startswith("md5")


def test_restart_and_kill_keep_the_port_and_committed_rows():
    # The shared server runs without fsync; a killed process loses nothing, only a lost machine would.
    with Cluster() as own:
        own.sql("CREATE TABLE kept (a int); INSERT INTO kept VALUES (1)")
        port = own.port
        own.restart()
        own.kill9()
        own.start()
        assert (own.port, own.sql("SELECT a FROM kept")) == (port, [("1",)])
        work_dir = own.root_dir
    assert not work_dir.exists()


def test_server_ends_when_the_process_that_started_it_is_killed():
    code = ("from tests.support.cluster import Cluster\n"
            "own = Cluster().start()\nprint(own.pid, own.root_dir, flush=True)\ninput()")
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as starter:
        pid, work_dir = starter.stdout.readline().split()
        starter.send_signal(signal.SIGKILL)
        starter.wait(10)
    deadline = time.monotonic() + 20
    while os.path.exists(work_dir) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not os.path.exists(work_dir)
    assert not os.path.exists(f"/proc/{pid}/exe") or "postgres" not in os.readlink(f"/proc/{pid}/exe")


async def test_live_tests_run_on_the_loop_they_are_named_after(request):
    loop = asyncio.get_running_loop()
    assert type(loop).__module__.startswith("uvloop" if "uvloop" in request.node.name else "asyncio")


@pytest.mark.expects_loop_errors
async def test_loop_errors_are_noticed(quiet_loop):
    asyncio.get_running_loop().call_exception_handler({"message": "provoked"})
    assert quiet_loop == ["provoked"]


@pytest.mark.requires("tls", "hstore")
def test_required_features_are_there(cluster):
    assert cluster.features >= {"tls", "hstore"}
