"""asyncpg.pgproto. The protocol core is the package `pgproto`; these are the names that asyncpg shows."""
