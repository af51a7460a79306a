"""Story 24: the exceptions that people catch."""
import asyncio
import errno

import pytest

import asyncpg_core as asyncpg
from tests.support.cluster import SCRAM_USER, free_port


async def test_a_wrong_user_is_an_authorization_error(cluster):
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="nobody_here"):
        await asyncpg.connect(cluster.dsn("nobody_here", tcp=False))


async def test_a_wrong_password_is_an_invalid_password_error(cluster):
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(user=SCRAM_USER, password="wrong", host="127.0.0.1", port=cluster.port,
                              database="postgres")


async def test_a_missing_database_is_an_invalid_catalog_name_error(cluster):
    with pytest.raises(asyncpg.InvalidCatalogNameError, match="not_there"):
        await asyncpg.connect(cluster.dsn(database="not_there"))


async def test_no_server_is_a_refused_connection():
    with pytest.raises(OSError) as caught:
        await asyncpg.connect(host="127.0.0.1", port=free_port(), user="postgres")
    assert isinstance(caught.value, ConnectionRefusedError)
    assert caught.value.errno == errno.ECONNREFUSED


async def test_a_terminated_backend_is_a_connection_that_does_not_exist(conn, dsn):
    sleeping = asyncio.create_task(conn.fetch("SELECT pg_sleep(60)"))
    other = await asyncpg.connect(dsn)
    asleep = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'"
    while not await other.fetchval(asleep, conn.get_server_pid()):
        pass
    await other.fetchval("SELECT pg_terminate_backend($1)", conn.get_server_pid())
    with pytest.raises(asyncpg.ConnectionDoesNotExistError, match="terminating connection"):
        await sleeping
    assert conn.is_closed()
    with pytest.raises(asyncpg.InterfaceError, match="connection is closed"):
        await conn.fetchval("SELECT 1")
    await other.close()


async def test_a_unique_violation_says_which_constraint(users):
    with pytest.raises(asyncpg.UniqueViolationError) as caught:
        await users.execute("INSERT INTO users (name, email) VALUES ('Ann', $1)", "ann@example.com")
    error = caught.value
    assert (error.sqlstate, error.table_name, error.constraint_name) == ("23505", "users", "users_email_key")
    assert error.detail == "Key (email)=(ann@example.com) already exists."
    assert isinstance(error, asyncpg.PostgresError)
    assert isinstance(error, asyncpg.IntegrityConstraintViolationError)


async def test_a_foreign_key_violation_and_the_base_class(users):
    await users.execute("CREATE TABLE posts (user_id int REFERENCES users)")
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await users.execute("INSERT INTO posts VALUES ($1)", 99)
    with pytest.raises(asyncpg.PostgresError):
        await users.execute("SELECT * FROM no_such_table")
    assert asyncpg.exceptions.UniqueViolationError is asyncpg.UniqueViolationError
    assert await users.fetchval("SELECT 1") == 1
