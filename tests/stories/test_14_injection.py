"""Story 14: text for an integer parameter is refused here, before the server sees a byte of it."""
import pytest

import asyncpg_core as asyncpg


async def test_an_injection_attempt_is_a_data_error_that_names_the_argument(users):
    query = "SELECT * FROM users WHERE id = $1"
    with pytest.raises(asyncpg.DataError, match=r"query argument \$1: '1; DROP TABLE users; --'") as caught:
        await users.fetchrow(query, "1; DROP TABLE users; --")
    assert caught.value.parameter == 1
    assert not users.is_in_transaction()
    assert (await users.fetchrow(query, 1))["name"] == "Ann"


async def test_text_for_a_text_parameter_is_only_a_value(users):
    assert await users.fetchrow("SELECT * FROM users WHERE name = $1", "' OR '1'='1") is None


async def test_the_server_is_not_asked_to_bind_it(users):
    query = "SELECT * FROM users WHERE id = $1"
    await users.fetch(query, 1)
    n_before = users._session.n_executed
    with pytest.raises(asyncpg.DataError):
        await users.fetch(query, "1; DROP TABLE users; --")
    assert users._session.n_executed == n_before
    assert users._session.frontend.n_pending == 0
