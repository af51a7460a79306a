"""`python -m asyncpg_core.run_as_asyncpg app.py ARGS` or `.. -m package ARGS`: run a program with our `asyncpg`."""
from asyncpg_core.compat.runner import main

if __name__ == "__main__":
    main()
