"""SQLAlchemy 2 (story 22): the dialect of our own and, after install_as_asyncpg, SQLAlchemy's asyncpg dialect."""
import asyncio
import datetime
import decimal
import enum
import importlib.metadata
import ipaddress
import pathlib
import re
import uuid

import pytest
from sqlalchemy import ARRAY, ForeignKey, Integer, MetaData, String, any_, func, inspect, literal, select, text
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql import INET, INT4MULTIRANGE, INT4RANGE, JSON, JSONB, Range, insert
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncAttrs, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

import asyncpg_core

PROJECT = (pathlib.Path(__file__).parents[2] / "pyproject.toml").read_text()
DRIVERS = ("asyncpg_core", "asyncpg")


@pytest.fixture(scope="module", autouse=True)
def dialect_is_registered():
    """The entry point, as pyproject.toml states it: what runs in place is not installed."""
    name, value = re.search(r'entry-points."sqlalchemy.dialects"\]\n"(.*)" = "(.*)"', PROJECT).groups()
    point = importlib.metadata.EntryPoint(name, value, "sqlalchemy.dialects")
    registry.register(name, point.module, point.attr)


class Base(AsyncAttrs, DeclarativeBase):
    pass


class Mood(enum.Enum):
    glad = 1
    sad = 2


class Author(Base):
    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)
    mood: Mapped[Mood] = mapped_column(default=Mood.glad)
    facts: Mapped[dict] = mapped_column(JSONB, default=dict)
    raw: Mapped[list | None] = mapped_column(JSON, default=None)
    tags: Mapped[list[str]] = mapped_column(ARRAY(String), default=list)
    years: Mapped[Range[int] | None] = mapped_column(INT4RANGE, default=None)
    breaks: Mapped[list[Range[int]] | None] = mapped_column(INT4MULTIRANGE, default=None)
    address: Mapped[str | None] = mapped_column(INET, default=None)
    key: Mapped[uuid.UUID] = mapped_column(default=uuid.uuid4)
    price: Mapped[decimal.Decimal | None] = mapped_column(default=None)
    born: Mapped[datetime.date | None] = mapped_column(default=None)
    seen: Mapped[datetime.datetime] = mapped_column(server_default=func.now())
    nap: Mapped[datetime.timedelta | None] = mapped_column(default=None)
    books: Mapped[list["Book"]] = relationship(back_populates="author", cascade="all, delete-orphan")


class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author] = relationship(back_populates="books")


@pytest.fixture(params=DRIVERS)
def url(request, dsn):
    return dsn.replace("postgresql://", f"postgresql+{request.param}://")


@pytest.fixture
async def make_engine(url):
    engines = []

    def make(**settings):
        engines.append(create_async_engine(url, **settings))
        return engines[-1]

    yield make
    for engine in engines:
        await engine.dispose()


@pytest.fixture
async def engine(make_engine):
    engine = make_engine()
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    return engine


@pytest.fixture
def session(engine):
    return async_sessionmaker(engine, expire_on_commit=False)


async def test_the_driver_is_ours(engine, request):
    name = request.node.callspec.params["url"]
    assert (engine.dialect.name, engine.dialect.driver) == ("postgresql", name)
    async with engine.connect() as connection:
        raw = await connection.get_raw_connection()
        assert isinstance(raw.driver_connection, asyncpg_core.Connection)
        assert await connection.scalar(text("select 1")) == 1


async def test_objects_with_relations_are_written_and_read(session):
    async with session() as db, db.begin():
        db.add_all([Author(name="Ann", books=[Book(title="One"), Book(title="Two")]), Author(name="Bob")])
    async with session() as db:
        authors = (await db.scalars(select(Author).order_by(Author.name).options(selectinload(Author.books)))).all()
        assert [(author.name, sorted(book.title for book in author.books)) for author in authors] == [
            ("Ann", ["One", "Two"]), ("Bob", [])]
        ann = authors[0]
        ann.name = "Anna"
        await db.delete(ann.books[0])
        await db.commit()
        assert await db.scalar(select(func.count()).select_from(Book)) == 1
        book = await db.scalar(select(Book))
        assert (await book.awaitable_attrs.author).name == "Anna"


async def test_values_of_many_types_come_back_as_they_went(session):
    given = {
        "mood": Mood.sad, "facts": {"a": [1, None, {"b": "ü"}]}, "raw": [1, "x", None], "tags": ["x", 'y"', ""],
        "years": Range(1, 5), "breaks": [Range(1, 3), Range(7, 9)], "address": "10.0.0.1", "key": uuid.uuid4(),
        "price": decimal.Decimal("12.50"), "born": datetime.date(1999, 12, 31),
        "seen": datetime.datetime(2020, 1, 2, 3, 4, 5, 6),
        "nap": datetime.timedelta(minutes=90)}
    async with session() as db, db.begin():
        db.add(Author(name="Ann", **given))
    async with session() as db:
        author = await db.scalar(select(Author).where(Author.facts["a"][0].as_integer() == 1))
        read = {name: getattr(author, name) for name in given}
        read["address"] = str(read["address"])
        assert read == given
        assert await db.scalar(select(Author.name).where(Author.years.contains(3))) == "Ann"
        assert await db.scalar(select(Author.name).where(literal("x") == any_(Author.tags))) == "Ann"
        assert await db.scalar(select(Author.name).where(Author.mood == Mood.sad)) == "Ann"
        assert await db.scalar(select(Author.name).where(Author.facts.contains({"a": [1]}))) == "Ann"


async def test_addresses_are_text_on_request(make_engine):
    async with make_engine(native_inet_types=False).connect() as connection:
        assert await connection.scalar(text("select '10.0.0.1'::inet")) == "10.0.0.1"
    async with make_engine().connect() as connection:
        assert await connection.scalar(text("select '10.0.0.1'::inet")) == ipaddress.ip_address("10.0.0.1")


async def test_own_json_functions_are_used(make_engine):
    engine = make_engine(json_serializer=lambda value: '{"made": 1}', json_deserializer=lambda value: ("read", value))
    async with engine.connect() as connection:
        assert await connection.scalar(select(literal({"x": 2}, JSONB))) == ("read", '{"made": 1}')
        assert await connection.scalar(select(literal({"x": 2}, JSON))) == ("read", '{"made": 1}')


@pytest.mark.parametrize("statement, error, origin", [
    ("insert into authors (name, mood, facts, tags, key) values ('Ann', 'glad', '{}', '{}', gen_random_uuid())",
     IntegrityError, asyncpg_core.UniqueViolationError),
    ("insert into books (title, author_id) values ('x', 77)", IntegrityError, asyncpg_core.ForeignKeyViolationError),
    ("insert into books (author_id) values (1)", IntegrityError, asyncpg_core.NotNullViolationError),
    ("select nothing", ProgrammingError, asyncpg_core.UndefinedColumnError),
    ("selec 1", ProgrammingError, asyncpg_core.PostgresSyntaxError),
    ("select 1/0", DBAPIError, asyncpg_core.DivisionByZeroError),
])
async def test_errors_are_sqlalchemys(session, statement, error, origin):
    async with session() as db:
        db.add(Author(name="Ann"))
        await db.commit()
        with pytest.raises(error) as caught:
            await db.execute(text(statement))
        assert caught.value.orig.sqlstate == origin.sqlstate
        assert isinstance(caught.value.orig.__cause__, origin)
        await db.rollback()
        assert await db.scalar(text("select 1")) == 1


async def test_an_argument_that_does_not_fit_is_a_dbapi_error(engine):
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError) as caught:
            await connection.execute(select(literal("x", Integer)))
        assert isinstance(caught.value.orig.__cause__, asyncpg_core.DataError)
        await connection.rollback()
        assert await connection.scalar(text("select 1")) == 1


async def test_a_lost_connection_is_replaced_before_it_is_lent(make_engine, cluster, database):
    engine = make_engine(pool_pre_ping=True, pool_size=1)
    async with engine.connect() as connection:
        pid = await connection.scalar(text("select pg_backend_pid()"))
    cluster.sql(f"select pg_terminate_backend({pid})")
    async with engine.connect() as connection:
        assert await connection.scalar(text("select pg_backend_pid()")) != pid


async def test_a_connection_lost_in_use_is_told_and_replaced(make_engine, cluster):
    engine = make_engine(pool_size=1)
    async with engine.connect() as connection:
        pid = await connection.scalar(text("select pg_backend_pid()"))
        cluster.sql(f"select pg_terminate_backend({pid})")
        with pytest.raises((DBAPIError, InterfaceError)) as caught:
            for _ in range(10):
                await connection.execute(text("select pg_sleep(0.05)"))
        assert caught.value.connection_invalidated
    async with engine.connect() as connection:
        assert await connection.scalar(text("select 1")) == 1


async def test_rows_are_streamed_through_a_server_side_cursor(engine):
    async with engine.connect() as connection:
        result = await connection.stream(text("select n from generate_series(1, 1000) as n"))
        assert [n async for (n,) in result] == list(range(1, 1001))
        result = await connection.stream_scalars(
            text("select n from generate_series(1, 500) as n").execution_options(yield_per=7))
        assert [n async for batch in result.partitions() for n in batch] == list(range(1, 501))
        result = await connection.stream(text("select n from generate_series(1, 1000) as n"))
        assert (await result.fetchone()).n == 1
        await result.close()
        assert await connection.scalar(text("select 7")) == 7


async def test_objects_are_streamed(session):
    async with session() as db, db.begin():
        db.add_all([Author(name=f"a{n}") for n in range(120)])
    async with session() as db:
        names = {author.name async for author in await db.stream_scalars(select(Author))}
        assert names == {f"a{n}" for n in range(120)}


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE", "AUTOCOMMIT"])
async def test_isolation_levels(make_engine, level):
    engine = make_engine(isolation_level=level)
    async with engine.connect() as connection:
        expected = "read committed" if level == "AUTOCOMMIT" else level.lower()
        assert await connection.scalar(text("show transaction_isolation")) == expected
        assert (await connection.get_raw_connection()).driver_connection.is_in_transaction() == (level != "AUTOCOMMIT")
    async with make_engine().connect() as connection:
        await connection.execution_options(isolation_level=level, postgresql_readonly=True)
        assert await connection.scalar(text("show transaction_isolation")) == expected


async def test_savepoints_keep_what_was_before_them(session):
    async with session() as db, db.begin():
        db.add(Author(name="Ann"))
        await db.flush()
        with pytest.raises(IntegrityError):
            async with db.begin_nested():
                db.add(Author(name="Ann"))
                await db.flush()
        db.add(Author(name="Bob"))
    async with session() as db:
        assert set(await db.scalars(select(Author.name))) == {"Ann", "Bob"}


async def test_an_error_in_a_block_rolls_it_back(session):
    with pytest.raises(ZeroDivisionError):
        async with session.begin() as db:
            db.add(Author(name="Ann"))
            await db.flush()
            raise ZeroDivisionError
    async with session() as db:
        assert await db.scalar(select(func.count()).select_from(Author)) == 0


async def test_many_rows_are_inserted_and_returned(session):
    async with session() as db, db.begin():
        ids = (await db.scalars(insert(Author).returning(Author.id), [
            {"name": f"a{n}", "facts": {}, "tags": [], "mood": Mood.glad, "key": uuid.uuid4()}
            for n in range(2500)])).all()
        assert len(set(ids)) == 2500
        again = insert(Author).values(name="a1", facts={}, tags=[], mood=Mood.sad, key=uuid.uuid4())
        result = await db.execute(again.on_conflict_do_update(index_elements=["name"], set_={"mood": Mood.sad}))
        assert result.rowcount == 1
        result = await db.execute(text("update authors set price = 1 where name like 'a1%'"))
        assert result.rowcount == 1 + 10 + 100 + 1000


@pytest.mark.parametrize("settings", [{}, {"statement_cache_size": 0}])
async def test_without_a_cache_of_prepared_statements(url, settings):
    engine = create_async_engine(url + "?prepared_statement_cache_size=0", connect_args=settings)
    async with engine.connect() as connection:
        for n in range(5):
            assert await connection.scalar(text("select :n + 1").bindparams(n=n)) == n + 1
        await connection.rollback()
        raw = (await connection.get_raw_connection()).driver_connection
        held = await raw.fetchval("select count(*) from pg_prepared_statements where statement like '%+ 1%'")
    # Statements that SQLAlchemy has dropped are closed with the next one that is prepared.
    assert held <= 1
    await engine.dispose()


async def test_a_changed_table_is_read_right_by_the_next_transaction(engine):
    async with engine.begin() as connection:
        await connection.execute(text("create table t (a int)"))
        await connection.execute(text("insert into t values (1)"))
    for column, width in ((None, 1), ("b int", 2), ("c text", 3)):
        if column:
            async with engine.begin() as connection:
                await connection.execute(text(f"alter table t add {column}"))
        for attempt in range(2):
            try:
                async with engine.connect() as connection:
                    assert len((await connection.execute(text("select * from t"))).one()) == width
                break
            except DBAPIError:
                assert attempt == 0


async def test_tasks_with_sessions_of_their_own_run_side_by_side(session):
    async def add(n):
        async with session() as db, db.begin():
            db.add(Author(name=f"a{n}", books=[Book(title="x")]))

    await asyncio.gather(*(add(n) for n in range(30)))
    async with session() as db:
        assert await db.scalar(select(func.count()).select_from(Book)) == 30


async def test_a_cancelled_query_leaves_the_engine_usable(make_engine):
    engine = make_engine(pool_size=1, max_overflow=0)

    async def sleep():
        async with engine.connect() as connection:
            await connection.execute(text("select pg_sleep(30)"))

    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(sleep(), 0.3)
    async with engine.connect() as connection:
        assert await connection.scalar(text("select 1")) == 1


async def test_tables_are_reflected(engine):
    async with engine.connect() as connection:
        found = MetaData()
        await connection.run_sync(found.reflect)
        assert set(found.tables) == {"authors", "books"}
        columns = await connection.run_sync(lambda sync: {c["name"] for c in inspect(sync).get_columns("authors")})
        assert columns == set(Author.__table__.columns.keys())
