"""Story 8: transactions, by block and by hand, nested, and what an error does to them."""
import pytest

import asyncpg_core as asyncpg

ADD = "INSERT INTO users (name, email) VALUES ($1, $2)"


async def names(conn):
    return [row["name"] for row in await conn.fetch("SELECT name FROM users WHERE id > 3 ORDER BY id")]


async def test_a_block_commits(users):
    async with users.transaction():
        await users.execute(ADD, "Dan", None)
        assert users.is_in_transaction()
    assert not users.is_in_transaction()
    assert await names(users) == ["Dan"]


async def test_any_exception_rolls_back(users):
    with pytest.raises(RuntimeError, match="changed my mind"):
        async with users.transaction():
            await users.execute(ADD, "Dan", None)
            raise RuntimeError("changed my mind")
    assert not users.is_in_transaction()
    assert await names(users) == []


async def test_by_hand(users):
    transaction = users.transaction()
    await transaction.start()
    await users.execute(ADD, "Dan", None)
    await transaction.commit()
    transaction = users.transaction()
    await transaction.start()
    await users.execute(ADD, "Eve", None)
    await transaction.rollback()
    assert await names(users) == ["Dan"]


async def test_an_error_caught_in_the_inner_block_leaves_the_outer_one_usable(users):
    async with users.transaction():
        await users.execute(ADD, "Dan", None)
        with pytest.raises(asyncpg.UniqueViolationError):
            async with users.transaction():
                await users.execute(ADD, "Eve", None)
                await users.execute(ADD, "Ann again", "ann@example.com")
        async with users.transaction():
            await users.execute(ADD, "Fay", None)
    assert await names(users) == ["Dan", "Fay"]


async def test_an_error_caught_outside_rolls_back_to_the_savepoint_only(users):
    async with users.transaction():
        await users.execute(ADD, "Dan", None)
        with pytest.raises(ZeroDivisionError):
            async with users.transaction():
                await users.execute(ADD, "Eve", None)
                raise ZeroDivisionError
        assert await names(users) == ["Dan"]


async def test_a_commit_that_became_a_rollback_raises(users):
    with pytest.raises(asyncpg.TransactionRolledBackError) as caught:
        async with users.transaction():
            await users.execute(ADD, "Dan", None)
            with pytest.raises(asyncpg.UniqueViolationError):
                await users.execute(ADD, "Ann again", "ann@example.com")
    assert isinstance(caught.value.__cause__, asyncpg.UniqueViolationError)
    assert not users.is_in_transaction()
    assert await names(users) == []


async def test_isolation_and_readonly_are_as_asked(users):
    async with users.transaction(isolation="serializable", readonly=True, deferrable=True):
        assert await users.fetchval("SHOW transaction_isolation") == "serializable"
        assert await users.fetchval("SHOW transaction_read_only") == "on"
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with users.transaction(readonly=True):
            await users.execute(ADD, "Dan", None)
    assert await names(users) == []


async def test_a_block_in_which_nothing_happens_is_empty(users):
    async with users.transaction():
        pass
    assert not users.is_in_transaction()
    assert await users.fetchval("SELECT 1") == 1
