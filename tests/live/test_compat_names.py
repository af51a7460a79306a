"""What the modules with asyncpg's names say to a server."""
import asyncpg_core
from asyncpg_core import introspection
from asyncpg_core.pool import PoolConnectionProxy
from asyncpg_core.protocol import protocol


async def test_types_are_found_by_name_and_by_oid(connection):
    row = await connection.fetchrow(introspection.TYPE_BY_NAME, "int4", "pg_catalog")
    assert (row["oid"], row["elemtype"], row["kind"]) == (23, 0, b"b")
    assert introspection.is_scalar_type(row)
    version = connection.get_server_version()
    query = introspection.INTRO_LOOKUP_TYPES if version >= (14,) else introspection.INTRO_LOOKUP_TYPES_13
    for text in (query, introspection.INTRO_LOOKUP_TYPES_13):
        rows = {row["name"]: row for row in await connection.fetch(text, [1007, 3904, 83])}
        assert rows["_int4"]["elemtype"] == 23 and rows["int4range"]["range_subtype"] == 23
        assert rows["pg_class"]["attrnames"][:2] == ["oid", "relname"] and rows["pg_class"]["attrtypoids"][0] == 26


async def test_settings_know_the_codecs_of_every_built_in_type(connection):
    settings = connection.get_settings()
    missing = [name for oid, name in protocol.BUILTIN_TYPE_OID_MAP.items() if settings.get_data_codec(oid) is None]
    assert missing == []
    assert settings.get_data_codec(23).name == "int4"
    assert settings.get_data_codec(4_000_000) is None


async def test_a_lent_connection_is_a_pools_and_one_of_its_own_is_not(connection, dsn):
    assert not isinstance(connection, PoolConnectionProxy)
    async with asyncpg_core.create_pool(dsn, min_size=1, max_size=1) as pool, pool.acquire() as lent:
        assert isinstance(lent, PoolConnectionProxy)
        assert isinstance(lent, asyncpg_core.Connection)
