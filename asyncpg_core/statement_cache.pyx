"""Statements by their text: least recently used, with a lifetime, names that are unique across processes.

An entry exists from the moment somebody asks for its text; until the server has described it, calls wait in
`waiting`, so ten tasks that miss at once share one Prepare. Mode `always` names a statement at its first use, `never`
keeps only the description and parses with every execution, `auto` names it at the n-th use. A statement that is
described already gets its name from the Parse that travels with an execution of it. What falls out of the cache
is listed in `evicted` and closed with the session's next write. A name that the server does not know although nobody
has dropped it betrays a pooler: from then on nothing is named, unless the user has chosen otherwise.
"""
import os
import re
import secrets

cimport cython
from cpython.time cimport monotonic
from libc.stdint cimport int64_t

from pgproto.operations.extended cimport Execute, ExecuteMany, FetchPortal
from pgproto.operations.operation cimport SETTLED

from asyncpg_core.healing import STALE_NAMED

cdef extern from "atomic_count.h":
    int64_t count "apc_count" (int64_t *count, int64_t change) noexcept

cdef tuple MODES = ("", "always", "auto", "never")
# Names that were given. Not itertools.count(): without the GIL it gives a number twice (3.13).
cdef int64_t n_names = 0
# Two processes behind one pooler must never use each other's names, nor must a process and its fork.
cdef str process_mark = secrets.token_hex(8)

# A statement is plain if it starts with one of these and mentions none of those (DESIGN: what cannot change a session).
cdef object plain_start = re.compile(r"\s*(?:select|values|table|insert|update|delete|merge|with)\b",
                                     re.IGNORECASE).match
cdef object not_plain = re.compile(r"set_config|setseed|advisory|temp|dblink|\binto\b(?=\s+(?:temp|unlogged))",
                                   re.IGNORECASE).search


def new_name():
    """Return a statement or portal name that no other process uses."""
    return f"__apc_{process_mark}_{count(&n_names, 1):x}"


def mark_process():
    """This is a forked child: the names that it gives are not those of its parent."""
    global process_mark
    process_mark = secrets.token_hex(8)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=mark_process)


def is_plain_statement(str sql, session_functions=()):
    """Whether an execution of the text in the extended protocol cannot change the session."""
    if plain_start(sql) is None or not_plain(sql) is not None:
        return False
    lowered = sql.lower()
    return not any(name.lower() in lowered for name in session_functions)


cdef int number_of_mode(object mode) except -1:
    """Return the number of a mode, 0 for None; ValueError if there is no such mode."""
    if mode is None:
        return AS_EVER
    if mode not in MODES[ALWAYS:]:
        raise ValueError(f"invalid prepare: one of {', '.join(MODES[ALWAYS:])} was expected, got {mode!r}")
    return MODES.index(mode)


cdef Statement statement_of(Operation op):
    """Return the statement that an operation executes, as the server has described it last; None if it is of another
    kind."""
    if type(op) is Execute:
        return (<Execute>op).statement
    if type(op) is ExecuteMany:
        return (<ExecuteMany>op).reader
    return (<FetchPortal>op).statement if type(op) is FetchPortal else None


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
        self.name = statement.name
        self.describing = None
        return 0

    cpdef int learn(self, Statement statement) except -1:
        """An execution that was parsed has brought its own description, and perhaps a name."""
        if statement.name:
            self.naming = None
        elif self.name:
            return 0
        return self.set_statement(statement)


@cython.final
cdef class StatementCache:
    def __cinit__(self, *, Py_ssize_t max_size=100, double lifetime=300, Py_ssize_t max_statement_size=15360,
                  str mode=None, Py_ssize_t threshold=5, session_functions=()):
        """`lifetime` in seconds from the insertion, 0 for ever; `max_statement_size` in characters, 0 unlimited.

        Without a `mode` it will be `always` or `never`, as `decide` is told; nothing is named until then."""
        self.entries = {}
        self.evicted = []
        self.max_size = max_size
        self.lifetime = lifetime
        self.max_statement_size = max_statement_size
        self.preparing = NEVER if max_size == 0 else number_of_mode(mode) or ALWAYS
        self.is_chosen = max_size == 0 or mode is not None
        self.is_undecided = not self.is_chosen
        self.reason = (
            "statement_cache_size=0" if max_size == 0 else f"prepare={mode!r}" if self.is_chosen else
            "the default; which process answers is asked with the first statement")
        self.threshold = threshold
        self.session_functions = frozenset(session_functions)

    def __len__(self):
        return len(self.entries)

    def __contains__(self, sql):
        return sql in self.entries

    @property
    def mode(self):
        """always, auto or never."""
        return MODES[self.preparing]

    @property
    def may_name(self):
        """Whether a statement can have a name at its first use."""
        return self.preparing == ALWAYS and not self.is_undecided

    @property
    def names_own(self):
        """Whether a statement that the user prepares gets a name."""
        return self.preparing != NEVER and not self.is_undecided

    cdef CachedStatement find(self, str sql, bint may_name):
        """Return the entry of a text, made if it is not there: by name, if it `may_name` it at once."""
        cdef CachedStatement entry = self.entries.get(sql)
        self.n_ticks += 1
        if entry is not None:
            if entry.expires_at == 0 or entry.statement is None or monotonic() < entry.expires_at:
                entry.last_used = self.n_ticks
                entry.n_uses += 1
                self.n_hits += 1
                return entry
            self.forget(entry)
        self.n_misses += 1
        is_cached = self.max_statement_size == 0 or len(sql) <= self.max_statement_size
        may_name = may_name and self.preparing == ALWAYS and not self.is_undecided
        name = new_name() if is_cached and may_name else ""
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
        if entry.naming is not None and entry.naming.is_written:
            self.evicted.append(statement_of(entry.naming).name)
            entry.naming = None
        if entry.statement is not None:
            entry.statement.is_closed = True
            if entry.name and server_knows:
                self.evicted.append(entry.name)

    # Names

    cdef bint wants_name(self, CachedStatement entry, int asked):
        """Whether a described statement without a name is to get one; `asked` is the call's own mode, or AS_EVER."""
        cdef int preparing = asked if asked != AS_EVER else self.preparing
        if not entry.is_cached or (self.is_undecided and asked == AS_EVER):
            return False
        return preparing == ALWAYS or (preparing == AUTO and entry.n_uses >= self.threshold)

    cdef int name_with(self, CachedStatement entry, Operation op) except -1:
        """Let an execution that is about to be written, with its Parse, give the statement its name.

        One at a time: until its name is sure, others are parsed without one."""
        cdef Statement named
        if entry.name or (entry.naming is not None and entry.naming.is_written and entry.naming.event != SETTLED):
            return 0
        self.end_naming(entry)
        if entry.name:
            return 0
        named = statement_of(op).renamed(new_name())
        if type(op) is Execute:
            (<Execute>op).statement = named
        else:
            (<ExecuteMany?>op).statement = (<ExecuteMany>op).reader = named
        entry.naming = op
        return 0

    cdef int end_naming(self, CachedStatement entry) except -1:
        """See what has become of the execution that was to name the statement."""
        cdef Operation op = entry.naming
        entry.naming = None
        if op is None or not op.is_written:
            return 0
        if op.error is None:
            return entry.set_statement(statement_of(op))
        # The server may have got as far as that.
        self.evicted.append(statement_of(op).name)
        return 0

    cdef int unname(self, CachedStatement entry, bint server_knows) except -1:
        """Keep what is known of a statement, but not its name."""
        if entry.name and entry.statement is not None:
            if server_knows:
                self.evicted.append(entry.name)
            entry.statement.is_closed = True
            entry.set_statement(entry.statement.without_name())
        return 0

    cdef int unname_all(self) except -1:
        """The server has forgotten all names, or is not the one that was told them."""
        cdef CachedStatement entry, fresh
        for entry in list(self.entries.values()):
            if entry.naming is None:
                self.unname(entry, False)
            else:
                # What is under way must not name it after all.
                fresh = CachedStatement(entry.sql, "", True, entry.is_plain)
                fresh.n_uses = entry.n_uses
                fresh.last_used = entry.last_used
                fresh.expires_at = entry.expires_at
                fresh.statement = entry.statement.without_name()
                self.entries[entry.sql] = fresh
        return 0

    cdef int lose_name(self, CachedStatement entry, Operation op, object sqlstate,
                       Py_ssize_t n_deallocations) except -1:
        """The server does not know the name that an operation has used, or knew the one that it gave.

        Names vanish by DISCARD ALL and by DEALLOCATE; without one of these there is a pooler between us and servers
        that change, where a name is never safe. `n_deallocations` counts those of the session. A name that was given
        up already is no news."""
        if entry.naming is op or entry.name == statement_of(op).name:
            is_explained = n_deallocations != self.n_deallocations
            self.n_deallocations = n_deallocations
            self.on_lost_names(sqlstate, is_explained)
            self.unname(entry, False)
        return 0

    cpdef int lose_own_name(self, Statement statement, object sqlstate, Py_ssize_t n_deallocations) except -1:
        """The server does not know a statement that the user has prepared: from now on it is parsed each time."""
        if statement.stand_in is None:
            statement.stand_in = statement.without_name()
            self.on_lost_names(sqlstate, n_deallocations != statement.n_deallocations)
        return 0

    cdef CachedStatement described(self, CachedStatement entry):
        """Return the entry that has the text of another one now, if it is described, else that one."""
        cdef CachedStatement current = self.entries.get(entry.sql)
        return entry if current is None or current.statement is None else current

    def on_lost_names(self, str sqlstate not None, bint is_explained):
        """What the session has named cannot be relied on, `is_explained` by something that it has executed."""
        self.unname_all()
        if is_explained or self.is_chosen:
            return
        reason = (f"the server did not know a statement as it should ({sqlstate}), although the session has dropped "
                  "none: a pooler stands between")
        for cache in {self, *(self.siblings or ())}:
            cache.avoid_names(reason)

    def on_failed_reset(self, error):
        """The reset of a session has failed; its statements have names too."""
        if getattr(error, "sqlstate", None) in STALE_NAMED:
            self.on_lost_names(error.sqlstate, False)

    def avoid_names(self, str reason not None):
        """A pooler stands between: name nothing from now on, unless the user has chosen otherwise."""
        if not self.is_chosen:
            self.decide("never", reason)
            self.has_lost_names = True
            self.unname_all()

    def decide(self, str mode not None, str reason not None):
        """What to do where the user has not chosen is known now."""
        if not self.is_chosen and not self.has_lost_names:
            self.preparing = number_of_mode(mode)
            self.is_undecided = False
            self.reason = reason

    cdef int on_outdated_plan(self, CachedStatement entry) except -1:
        """A plan no longer fits: tables have changed, for the other sessions of a pool too. What becomes of the columns
        comes with the next execution of this one, the others are described anew."""
        self.unname(entry, True)
        if self.siblings is not None:
            is_kept = self.entries.get(entry.sql) is entry
            if is_kept:
                del self.entries[entry.sql]
            for sibling in list(self.siblings):
                sibling.clear()
            if is_kept:
                self.entries[entry.sql] = entry
        return 0

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
            self.preparing = NEVER
            self.is_chosen = True
            self.is_undecided = False
            self.reason = "the statement cache has the size 0"
            self.clear()
        while len(self.entries) > max_size and self.evict_one():
            pass

    def limit_lifetime(self, double seconds):
        """Remember each statement for `seconds` from now on, 0 for ever."""
        cdef CachedStatement entry
        self.lifetime = seconds
        for entry in self.entries.values():
            entry.expires_at = monotonic() + seconds if seconds > 0 else 0
