"""A package that is taken out of sys.modules and imported again is the one that it was.

The interpreter would make its Python modules anew and keep its compiled ones: two sets of classes, of which `except`
catches the wrong one. This module is compiled, so that what it remembers lives as long as the process.
"""
import sys
from types import ModuleType

cdef dict packages = {}
# Submodules whose name in the package is something else's, such as a function's.
cdef dict others = {}


def restore(str name not None):
    """Put back what was there when the package was imported first; its new module is thrown away."""
    package = packages.get(name)
    if package is not None and sys.modules.get(name) is not package:
        put_back(package, name)
        for full_name, module in others[name].items():
            sys.modules.setdefault(full_name, module)


def keep(str name not None):
    """Remember a package whose import has come to its end."""
    packages.setdefault(name, sys.modules[name])
    others.setdefault(name, {n: module for n, module in sys.modules.items() if n.startswith(f"{name}.")})


cdef int put_back(module, str name) except -1:
    sys.modules[name] = module
    for child, value in list(vars(module).items()):
        full_name = f"{name}.{child}"
        if isinstance(value, ModuleType) and value.__name__ == full_name:
            put_back(value, full_name)
    return 0
