"""Piccolo: tables, queries, transactions and its pool, as https://piccolo-orm.readthedocs.io shows them."""
import asyncio
import datetime
import decimal
import uuid
from urllib.parse import urlsplit

import pytest
from piccolo.columns import (
    JSONB,
    UUID,
    Array,
    Boolean,
    ForeignKey,
    Integer,
    Interval,
    Numeric,
    Serial,
    Text,
    Timestamptz,
    Varchar,
)
from piccolo.engine.postgres import PostgresEngine
from piccolo.query.functions import Count
from piccolo.table import Table, create_db_tables, drop_db_tables

import asyncpg_core


class Band(Table):
    id = Serial(primary_key=True)
    name = Varchar(length=50, unique=True)
    popularity = Integer(default=0)


class Concert(Table):
    key = UUID(primary_key=True)
    band = ForeignKey(references=Band)
    price = Numeric(digits=(6, 2))
    starts = Timestamptz()
    length = Interval()
    sold_out = Boolean(default=False)
    facts = JSONB(default="{}")
    tags = Array(base_column=Text())


@pytest.fixture
async def engine(dsn):
    where = urlsplit(dsn)
    made = PostgresEngine(config={"host": where.hostname, "port": where.port, "user": where.username,
                                  "database": where.path[1:]}, extensions=())
    for table in (Band, Concert):
        table._meta.db = made
    await create_db_tables(Band, Concert)
    yield made
    await drop_db_tables(Band, Concert)


async def test_rows_are_written_read_changed_and_deleted(engine):
    await Band.insert(Band(name="Pythonistas", popularity=1000), Band(name="Rustaceans", popularity=500))
    assert await Band.select(Band.name).where(Band.popularity > 700) == [{"name": "Pythonistas"}]
    await Band.update({Band.popularity: Band.popularity + 1}).where(Band.name == "Rustaceans")
    band = await Band.objects().get(Band.name == "Rustaceans")
    assert band.popularity == 501
    band.popularity = 7
    await band.save()
    assert await Band.select(Band.popularity).order_by(Band.popularity).output(as_list=True) == [7, 1000]
    await Band.delete().where(Band.popularity < 10)
    assert await Band.count() == 1 and await Band.exists().where(Band.name == "Pythonistas")


async def test_values_of_many_types_and_joins(engine):
    band = Band(name="Pythonistas")
    await band.save()
    concert = Concert(
        key=uuid.uuid4(), band=band.id, price=decimal.Decimal("12.50"), length=datetime.timedelta(hours=2),
        starts=datetime.datetime(2030, 1, 2, 3, tzinfo=datetime.timezone.utc), facts={"loud": True}, tags=["a", "b"])
    await concert.save()
    row = await Concert.select(Concert.all_columns(), Concert.band.name).first().output(load_json=True)
    assert row["band.name"] == "Pythonistas" and row["price"] == decimal.Decimal("12.50")
    assert (row["starts"], row["length"]) == (concert.starts, concert.length)
    assert (row["facts"], row["tags"], row["key"]) == ({"loud": True}, ["a", "b"], concert.key)
    assert await Band.select(Band.name, Count()).group_by(Band.name) == [{"name": "Pythonistas", "count": 1}]


async def test_transactions_and_savepoints(engine):
    with pytest.raises(LookupError):
        async with engine.transaction():
            await Band.insert(Band(name="gone"))
            raise LookupError
    async with engine.transaction() as transaction:
        await Band.insert(Band(name="kept"))
        savepoint = await transaction.savepoint()
        await Band.insert(Band(name="undone"))
        await savepoint.rollback_to()
    assert await Band.select(Band.name).output(as_list=True) == ["kept"]


async def test_batches_come_through_a_cursor(engine):
    await Band.insert(*[Band(name=f"b{n}") for n in range(25)])
    sizes = []
    async with await Band.select().batch(batch_size=10) as batches:
        async for batch in batches:
            sizes.append(len(batch))
    assert sizes == [10, 10, 5]


async def test_an_error_is_asyncpgs(engine):
    await Band.insert(Band(name="one"))
    with pytest.raises(asyncpg_core.UniqueViolationError):
        await Band.insert(Band(name="one"))


async def test_its_pool_serves_many_tasks(engine):
    await engine.start_connection_pool(min_size=1, max_size=3)
    assert type(engine.pool).__module__.startswith("asyncpg_core")
    try:
        await asyncio.gather(*(Band.insert(Band(name=f"band {n}")) for n in range(20)))
        assert await Band.count() == 20
    finally:
        await engine.close_connection_pool()
