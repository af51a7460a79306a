"""Alembic: migrations over an async engine, upgraded, downgraded and found by comparison with the models."""
import asyncio
import pathlib
import textwrap

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import ForeignKey, String, inspect, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# What `alembic init -t async` writes, with the engine's URL and the models from the attributes of the configuration.
ENV = """
import asyncio

from alembic import context
from sqlalchemy import pool
from sqlalchemy.ext.asyncio import async_engine_from_config

config = context.config


def do_run_migrations(connection):
    context.configure(connection=connection, target_metadata=config.attributes["metadata"], compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


async def run_async_migrations():
    connectable = async_engine_from_config(
        config.get_section(config.config_ini_section, {}), prefix="sqlalchemy.", poolclass=pool.NullPool)
    async with connectable.connect() as connection:
        await connection.run_sync(do_run_migrations)
    await connectable.dispose()


asyncio.run(run_async_migrations())
"""
TEMPLATE = '''"""${message}"""
from alembic import op
import sqlalchemy as sa
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade():
    ${upgrades if upgrades else "pass"}


def downgrade():
    ${downgrades if downgrades else "pass"}
'''


class Base(DeclarativeBase):
    pass


class Shelf(Base):
    __tablename__ = "shelves"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20), unique=True)


class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    shelf_id: Mapped[int] = mapped_column(ForeignKey("shelves.id"), index=True)
    price: Mapped[float | None]


@pytest.fixture
def url(dsn):
    return dsn.replace("postgresql://", "postgresql+asyncpg://")


@pytest.fixture
def config(tmp_path, url):
    (tmp_path / "versions").mkdir()
    (tmp_path / "env.py").write_text(textwrap.dedent(ENV))
    (tmp_path / "script.py.mako").write_text(TEMPLATE)
    made = Config()
    made.set_main_option("script_location", str(tmp_path))
    made.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    made.set_main_option("path_separator", "os")
    made.attributes["metadata"] = Base.metadata
    return made


def tables(url):
    async def look():
        engine = create_async_engine(url)
        async with engine.connect() as connection:
            def columns(sync):
                inspector = inspect(sync)
                return {name: sorted(column["name"] for column in inspector.get_columns(name))
                        for name in inspector.get_table_names()}
            found = await connection.run_sync(columns)
        await engine.dispose()
        return found

    return asyncio.run(look())


def run(url, sql):
    async def execute():
        engine = create_async_engine(url)
        async with engine.begin() as connection:
            await connection.execute(text(sql))
        await engine.dispose()

    asyncio.run(execute())


def test_models_become_migrations_that_go_up_and_down(config, url):
    command.revision(config, "first", autogenerate=True, rev_id="1")
    command.upgrade(config, "head")
    assert tables(url) == {
        "alembic_version": ["version_num"], "books": ["id", "price", "shelf_id"], "shelves": ["id", "name"]}
    command.check(config)
    command.downgrade(config, "base")
    assert tables(url) == {"alembic_version": ["version_num"]}


def test_what_differs_from_the_models_is_found(config, url):
    command.revision(config, "first", autogenerate=True, rev_id="1")
    command.upgrade(config, "head")
    run(url, "ALTER TABLE books DROP COLUMN price")
    run(url, "ALTER TABLE shelves ALTER COLUMN name TYPE varchar(10)")
    script = command.revision(config, "second", autogenerate=True, rev_id="2")
    written = pathlib.Path(script.path).read_text()
    assert "add_column('books'" in written and "alter_column('shelves', 'name'" in written
    command.upgrade(config, "2")
    command.check(config)
    command.downgrade(config, "1")
    assert tables(url)["books"] == ["id", "shelf_id"]


def test_a_migration_that_fails_leaves_nothing_behind(config, url):
    command.revision(config, "first", autogenerate=True, rev_id="1")
    broken = pathlib.Path(command.revision(config, "broken", rev_id="2").path)
    broken.write_text(broken.read_text().replace(
        "    pass", "    op.create_table('half', sa.Column('a', sa.Integer))\n    op.execute('SELECT nonsense')", 1))
    with pytest.raises(Exception, match="nonsense"):
        command.upgrade(config, "head")
    assert tables(url) == {"alembic_version": ["version_num"]}
    command.upgrade(config, "1")
    assert "books" in tables(url)
