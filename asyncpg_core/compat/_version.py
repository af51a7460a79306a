"""asyncpg._version: the asyncpg whose API this is. The driver's own version is `asyncpg_core.__version__`."""
__version__ = "0.32.0"
__all__ = ("__version__",)
