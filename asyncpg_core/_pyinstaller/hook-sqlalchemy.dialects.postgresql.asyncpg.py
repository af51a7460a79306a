"""A bundle with SQLAlchemy has its dialect on this driver, which SQLAlchemy finds by an entry point."""
hiddenimports = ["asyncpg_core.sqlalchemy"]
