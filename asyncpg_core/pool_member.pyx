"""A pool's connection, and the faces that borrowers see of it.

The member's own Connection is made once; `init` and a user's reset get it. What a borrower gets is a new object of the
same class on the same session: cheap, and dead after its release whoever has the session then. A subclass that keeps
attributes on its instances finds them on every face.
"""
import contextlib

cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from asyncpg_core.call_maker import CallMaker
from asyncpg_core.released import ReleasedEndpoint, prelude_of
from asyncpg_core.watchers import end_hearing, move_hearing
from pgproto.codecs.catalogue import TypeCache

cdef extern from "Python.h":
    ctypedef struct PyTypeObject:
        object (*tp_new)(PyTypeObject *cls, object arguments, PyObject *keywords)
    object PyWeakref_NewRef(object referred, PyObject *callback)

cdef extern from "atomic_count.h":
    int64_t count "apc_count" (int64_t *count, int64_t change) noexcept

CLOSE_SECONDS = 5.0
# A member that was idle longer than this is looked at before it is lent: a loop that was busy has not seen its end.
# Under load nobody is idle for so long, so the system call costs nothing there.
cdef double UNSEEN_SECONDS = 0.05

RELEASED = ReleasedEndpoint()
RELEASED_CALLS = CallMaker(RELEASED)
# Members that were connected. Not itertools.count(): without the GIL it can go back (3.13).
cdef int64_t n_members = 0
cdef tuple no_arguments = ()


@cython.final
cdef class PoolMember(Member):
    """One connection of a pool, as the pool knows it."""

    def __init__(self, connection, Session session not None, double now, Py_ssize_t generation=0):
        self.connection = connection
        self.session = session
        self.idle_since = now
        self.generation = generation
        self.number = count(&n_members, 1)
        self.trip_seconds = getattr(session, "round_trip", 0.0)
        self.has_attributes = hasattr(connection, "__dict__")

    @property
    def is_resetting(self):
        return self.session.is_resetting

    @property
    def round_trip(self):
        return self.trip_seconds

    cdef double trip(self) except? -1:
        return self.trip_seconds

    cdef bint resets(self) except -1:
        return self.session.reset.op is not None or self.session.reset.awaited is not None

    cdef bint may_have_changed_role(self) except -1:
        """Whether something that was said since this was asked last may mean that the server has another role."""
        cdef Py_ssize_t n = self.session.frontend.n_status_changes
        if not self.is_doubted and n == self.n_changes_known:
            return False
        self.n_changes_known = n
        return True

    cdef bint is_dead(self, double now) except -1:
        """Whether the server has hung up; asked without waiting, and only after some time unseen."""
        if self.session.is_closed or self.session.frontend.farewell is not None:
            return True
        if now - self.idle_since <= UNSEEN_SECONDS:
            return False
        # A byte may be the answer to the reset; when nothing is owed it is a farewell, or something unasked for.
        byte = self.session.transport.peek()
        return byte == b"" or (byte is not None and self.session.frontend.n_pending == 0)

    cdef object new_face(self, object pool):
        """Return a borrower's connection on the session."""
        cdef type cls = type(self.connection)
        # As cls.__new__(cls): asked for in Python, the method is looked up and wrapped each time.
        face = (<PyTypeObject *>cls).tp_new(<PyTypeObject *>cls, no_arguments, NULL)
        self.connection._share_with(face, self, pool)
        if self.has_attributes:
            object.__setattr__(face, "__dict__", self.connection.__dict__)
        self.face = PyWeakref_NewRef(face, NULL)
        return face

    cdef tuple reset_query(self):
        """The statements of the connection's reset query."""
        if self.reset_statements is None:
            self.reset_statements = self.connection._reset_statements()
        return self.reset_statements

    def lend(self, face):
        """Remember who has the member."""
        self.face = PyWeakref_NewRef(face, NULL)

    def face_alive(self):
        """Return the face of the current lease, None if there is none."""
        face = self.face() if self.face is not None else None
        return face if face is not None and face._lease is self else None

    async def close(self):
        """Close gracefully within 5 s, else at once."""
        with contextlib.suppress(Exception):    # what closing cannot do, aborting has done
            await self.connection.close(timeout=CLOSE_SECONDS)


cdef int cut_off(object face) except -1:
    """Cut a borrower's connection off from its session."""
    session = face._session
    if type(session) is not Session or (<Session>session).on_told is not None:
        end_hearing(session)
    face._part_from_session(RELEASED, RELEASED_CALLS)
    return 0


def release_face(face):
    """Cut a borrower's connection off from its session."""
    cut_off(face)


def is_managed(transaction):
    """Whether a transaction is entered by `async with`: its block is told what becomes of it."""
    return transaction is not None and bool(transaction._managed)


def can_move(Session session not None, list strays not None):
    """Whether what the borrower has begun on a session, unsent, can begin on another one: at most one BEGIN."""
    if session.pipeline is not None:
        return False
    owed = [sql for call in strays for sql in prelude_of(call)] + session.preludes.statements
    return not owed or (len(owed) == 1 and owed[0].startswith("BEGIN"))


def transfer(face, PoolMember member not None):
    """Let a borrower's connection, and the transaction that it has begun, go on with another member."""
    move_hearing(face._session, member.session)
    face._lease = member
    face._session = member.session
    face._calls = member.session.calls
    member.lend(face)
    transaction = face._top_transaction
    if transaction is not None:
        transaction.move_to(member.session)


def share_types(dict caches not None, connection):
    """Let what one connection of a pool asks about types go for all of the same database."""
    session = connection._session
    types = caches.setdefault((connection._addr, connection._params.database or connection._params.user), TypeCache())
    session.registry.adopt(types)
    for cache in types.dependents:
        if cache.has_lost_names:
            session.statements.avoid_names(cache.reason)
            break
    types.dependents.add(session.statements)
    session.statements.siblings = types.dependents
