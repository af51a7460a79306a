"""asyncpg's private names, and the names in texts and logs, without a server."""
import base64
import hashlib

import pytest

import asyncpg_core
from asyncpg_core import naming
from asyncpg_core.compat.protocol.protocol import SCRAMAuthentication
from asyncpg_core.statement_cache import StatementCache
from tests.unit.compat.test_install import python as python


@pytest.mark.parametrize("password", ["pencil", "p\u00e4ssw\u00f6rd"])
def test_the_salted_password_is_rfc_5802s_hi(password):
    salt = b"0123456789abcdef"
    salted = SCRAMAuthentication(b"SCRAM-SHA-256")._generate_salted_password(password, base64.b64encode(salt), 5)
    assert salted == hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 5)


def test_a_class_is_named_with_its_module():
    assert naming.name_of(int) == "int"
    assert naming.name_of(StatementCache) == "asyncpg_core.statement_cache.StatementCache"
    assert naming.name_of(asyncpg_core.Connection) == "asyncpg_core.connection.Connection"


def test_the_pools_logger_has_the_name_that_was_imported(python):
    python("""
import asyncpg_core
from asyncpg_core import naming
assert asyncpg_core.pool.logger is naming.logger("pool") and naming.logger("pool").name == "asyncpg_core.pool"
asyncpg_core.install_as_asyncpg()
assert asyncpg_core.pool.logger is naming.logger("pool") and naming.logger("pool").name == "asyncpg.pool"
assert naming.name_of(asyncpg_core.Connection) == "asyncpg.connection.Connection"
""")


def test_a_pool_that_is_not_open_has_room_only():
    pool = asyncpg_core.create_pool(min_size=1, max_size=3)
    assert [(holder._con, holder._in_use, holder._inactive_callback) for holder in pool._holders] == 3 * [
        (None, None, None)]
    assert pool._queue.qsize() == 3
    assert pool._maintenance_task is None
