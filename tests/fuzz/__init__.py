"""Seeded random input for everything that reads bytes or objects of other people.

A target makes a `Case` from a seed: what is fed, and what must be true afterwards. `harness` runs it with the bounds
that every target shares, `child` runs many in a process of its own, `__main__` (`make fuzz`) starts those processes and
tells a crash or a freeze by the seed it happened at. `seeds.txt` keeps what has failed once; `make test` repeats it.
"""
