"""pgvector: vectors through the codecs that it registers, on a connection and in a pool."""
import asyncpg
import numpy as np
import pytest
from pgvector import HalfVector, SparseVector, Vector
from pgvector.asyncpg import register_vector

from tests.support.cluster import Cluster
from tests.support.postgres_binaries import from_pixeltable


@pytest.fixture(scope="session")
def cluster():
    """A server whose programs come with pgvector, which those that the other tests use lack."""
    with Cluster(bin_dir=from_pixeltable()) as running:
        yield running


@pytest.fixture
def dsn(cluster, dsn, database):
    cluster.sql("CREATE EXTENSION vector", database=database)
    return dsn


async def test_vectors_are_written_read_and_compared(dsn):
    connection = await asyncpg.connect(dsn)
    await register_vector(connection)
    await connection.execute(
        "CREATE TABLE items (id bigserial PRIMARY KEY, embedding vector(3), half halfvec(3), sparse sparsevec(3),"
        " bits bit(3), many vector[])")
    embedding, sparse = np.array([1.5, 2, 3]), SparseVector([1.5, 0, 3])
    await connection.execute(
        "INSERT INTO items (embedding, half, sparse, bits, many) VALUES ($1, $2, $3, $4, $5), ($6, $2, $3, $4, NULL)",
        embedding, HalfVector([1, 2, 3]), sparse, asyncpg.BitString("101"),
        [Vector([1, 2, 3]), Vector([4, 5, 6])], [4, 5, 6])
    row = await connection.fetchrow("SELECT * FROM items ORDER BY embedding <-> $1 LIMIT 1", embedding)
    read = row["embedding"].to_numpy() if isinstance(row["embedding"], Vector) else row["embedding"]
    assert read.tolist() == embedding.tolist()
    assert row["half"].to_list() == [1, 2, 3] and row["sparse"].to_list() == [1.5, 0, 3]
    assert row["bits"].as_string() == "101" and len(row["many"]) == 2
    await connection.close()


async def test_a_pool_registers_its_connections(dsn):
    async with asyncpg.create_pool(dsn, init=register_vector, min_size=1, max_size=2) as pool:
        read = await pool.fetchval("SELECT $1::vector", [1, 2, 3])
        assert (read.to_list() if isinstance(read, Vector) else read.tolist()) == [1, 2, 3]


async def test_an_unknown_type_is_told_as_asyncpg_does(cluster, dsn, database):
    cluster.sql("DROP EXTENSION vector", database=database)
    connection = await asyncpg.connect(dsn)
    with pytest.raises(ValueError, match="^unknown type:"):
        await register_vector(connection)
    await connection.close()
