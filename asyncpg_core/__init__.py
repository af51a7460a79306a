"""An async PostgreSQL driver with asyncpg's API, pipelining, and a protocol core at C speed."""
# ruff: noqa: E402  # what is first has to be
from pgproto import once as _once

_once.restore(__name__)

from asyncpg_core.compat import modules as _modules
from asyncpg_core.compat.install import install_as_asyncpg
from asyncpg_core.connection import Connection, connect
from asyncpg_core.exceptions import *  # noqa: F403
from asyncpg_core.exceptions import __all__ as _exception_names
from asyncpg_core.pool import Pool, create_pool
from asyncpg_core.types import *  # noqa: F403
from pgproto.record import Record
from pgproto.sqlstate import *  # noqa: F403  # a second time: mypy does not follow how exceptions.__all__ is made

__version__ = "0.1.0"
__all__ = ("connect", "create_pool", "Pool", "Record", "Connection", "install_as_asyncpg", *_exception_names)
_modules.register()
_once.keep(__name__)
