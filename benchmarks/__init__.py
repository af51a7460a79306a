"""Compare asyncpg_core with asyncpg and psycopg on one machine, fairly: `python -m benchmarks`; see README.md here."""
