"""Statements by their text: least recently used, with a lifetime, names that are unique across processes.

An entry exists from the moment somebody asks for its text; until the server has described it, calls wait in
`waiting`, so ten tasks that miss at once share one Prepare. Mode `always` names a statement at its first use, `never`
keeps only the description and parses with every execution, `auto` names it at the n-th use. What falls out of the cache
is listed in `evicted` and closed with the session's next write. A name that the server does not know although nobody
has dropped it betrays a pooler: from then on nothing is named.
"""
import itertools
import re
import secrets

cimport cython
from cpython.time cimport monotonic

cdef object numbers = itertools.count(1)
# Two processes behind one pooler must never use each other's names.
cdef str process_mark = secrets.token_hex(8)

# A statement is plain if it starts with one of these and mentions none of those (DESIGN: what cannot change a session).
cdef object plain_start = re.compile(r"\s*(?:select|values|table|insert|update|delete|merge|with)\b",
                                     re.IGNORECASE).match
cdef object not_plain = re.compile(r"set_config|setseed|advisory|temp|dblink|\binto\b(?=\s+(?:temp|unlogged))",
                                   re.IGNORECASE).search


def new_name():
    """Return a statement or portal name that no other process uses."""
    return f"__apc_{process_mark}_{next(numbers):x}"


def is_plain_statement(str sql, session_functions=()):
    """Whether an execution of the text in the extended protocol cannot change the session."""
    if plain_start(sql) is None or not_plain(sql) is not None:
        return False
    lowered = sql.lower()
    return not any(name.lower() in lowered for name in session_functions)


@cython.final
cdef class CachedStatement:
    def __cinit__(self, str sql not None, str name not None, bint is_cached, bint is_plain):
        self.sql = sql
        self.name = name
        self.is_cached = is_cached
        self.is_plain = is_plain
        self.waiting = []

    cdef int set_statement(self, Statement statement) except -1:
        self.statement = statement
        self.describing = None
        return 0


@cython.final
cdef class StatementCache:
    def __cinit__(self, *, Py_ssize_t max_size=100, double lifetime=300, Py_ssize_t max_statement_size=15360,
                  str mode="always", Py_ssize_t threshold=5, session_functions=()):
        """`lifetime` in seconds from the insertion, 0 for ever; `max_statement_size` in characters, 0 unlimited."""
        self.entries = {}
        self.evicted = []
        self.max_size = max_size
        self.lifetime = lifetime
        self.max_statement_size = max_statement_size
        self.mode = "never" if max_size == 0 else mode
        self.threshold = threshold
        self.session_functions = frozenset(session_functions)

    def __len__(self):
        return len(self.entries)

    def __contains__(self, sql):
        return sql in self.entries

    cdef CachedStatement find(self, str sql):
        """Return the entry of a text, made if it is not there."""
        cdef CachedStatement entry = self.entries.get(sql)
        self.n_ticks += 1
        if entry is not None:
            if entry.expires_at == 0 or entry.statement is None or monotonic() < entry.expires_at:
                entry.last_used = self.n_ticks
                entry.n_uses += 1
                self.n_hits += 1
                if entry.n_uses == self.threshold and self.mode == "auto" and not entry.name:
                    return self.replace(entry)
                return entry
            self.forget(entry)
        self.n_misses += 1
        is_cached = self.max_statement_size == 0 or len(sql) <= self.max_statement_size
        name = new_name() if is_cached and self.mode == "always" else ""
        entry = CachedStatement(sql, name, is_cached, is_plain_statement(sql, self.session_functions))
        entry.n_uses = 1
        self.insert(entry)
        return entry

    def insert(self, CachedStatement entry not None):
        entry.last_used = self.n_ticks
        if entry.is_cached:
            # Without a size of its own (mode never by statement_cache_size=0) descriptions are still worth keeping.
            if len(self.entries) >= (self.max_size or 100):
                self.evict_one()
            if self.lifetime > 0:
                entry.expires_at = monotonic() + self.lifetime
            self.entries[entry.sql] = entry

    def replace(self, CachedStatement old not None):
        """Name a statement that was parsed with every execution so far; return the new entry."""
        entry = CachedStatement(old.sql, new_name(), True, old.is_plain)
        entry.n_uses = old.n_uses
        self.entries.pop(old.sql, None)
        self.insert(entry)
        return entry

    cdef int evict_one(self) except -1:
        """Drop the entry that was used longest ago; one that is being prepared stays. Whether there was one."""
        cdef CachedStatement entry, oldest = None
        for entry in self.entries.values():
            if entry.statement is not None and (oldest is None or entry.last_used < oldest.last_used):
                oldest = entry
        if oldest is None:
            return 0
        self.forget(oldest)
        return 1

    def forget(self, CachedStatement entry not None, *, bint server_knows=True):
        """Drop an entry; the server is told unless it does not know the name."""
        if self.entries.get(entry.sql) is entry:
            del self.entries[entry.sql]
        if entry.statement is not None:
            entry.statement.is_closed = True
            if entry.name and server_knows:
                self.evicted.append(entry.name)

    def forget_after(self, sqlstate, CachedStatement entry not None, Py_ssize_t n_deallocations):
        """Drop the entry that failed, or all of them when the server has forgotten names.

        Names vanish by DISCARD ALL and by DEALLOCATE; without one of these there is a pooler between us and servers
        that change, where a name is never safe. `n_deallocations` counts those of the session. An entry that is closed
        was dropped already: its error is no news. A plan that no longer fits says that tables have changed, for the
        other sessions of a pool too.
        """
        if sqlstate != "26000" and sqlstate != "42P05":
            self.forget(entry)
            if sqlstate == "0A000" and self.siblings is not None:
                for sibling in list(self.siblings):
                    sibling.clear()
            return
        if entry.statement is None or not entry.statement.is_closed:
            if n_deallocations == self.n_deallocations:
                self.mode = "never"
            self.n_deallocations = n_deallocations
            self.clear(server_knows=False)
        self.forget(entry, server_knows=False)

    def clear(self, *, bint server_knows=True):
        """Drop everything."""
        for entry in list(self.entries.values()):
            if entry.statement is not None:
                self.forget(entry, server_knows=server_knows)

    def listed(self):
        """Return the entries, those that are being prepared included."""
        return list(self.entries.values())

    def resize(self, Py_ssize_t max_size):
        """Remember `max_size` statements from now on; with 0 none is prepared by a name any more."""
        self.max_size = max_size
        if max_size == 0:
            self.mode = "never"
            self.clear()
        while len(self.entries) > max_size and self.evict_one():
            pass

    def limit_lifetime(self, double seconds):
        """Remember each statement for `seconds` from now on, 0 for ever."""
        cdef CachedStatement entry
        self.lifetime = seconds
        for entry in self.entries.values():
            entry.expires_at = monotonic() + seconds if seconds > 0 else 0
