"""Startup: StartupMessage, authentication, and what the server tells before it is ready.

It asks for what only the outside has (the password, a derived SCRAM key): `event` is ASK, `question` the step of
auth.py, and `answer` goes on.

https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP
"""
cimport cython

from pgproto.messages.backend cimport read_backend_key_data, read_negotiate_protocol_version
from pgproto.messages.frontend cimport put_password, put_startup
from pgproto.operations.operation cimport ASK, STARTUP
from pgproto.wire cimport take_int32

from pgproto import auth
from pgproto.errors import InterfaceError, ProtocolError

PROTOCOL_3_0 = 0x30000
PROTOCOL_3_2 = 0x30002


@cython.final
cdef class Startup(Operation):
    def __cinit__(self, dict parameters not None, authentication, *, int version=PROTOCOL_3_0,
                  int least_version=PROTOCOL_3_0):
        """`parameters` are those of StartupMessage, user first; `authentication` is an auth.Authentication.

        `version` is asked for; the server may offer an older one, not below `least_version`.
        """
        self.parameters = parameters
        self.authentication = authentication
        self.version = version
        self.least_version = least_version

    cdef int put(self, WriteBuffer out) except -1:
        put_startup(out, self.version, self.parameters)
        self.owe(STARTUP)
        self.out = out
        self.has_sync = True
        return 0

    cdef int on_message(self, unsigned char kind, Slice *body, WriteBuffer out) except -1:
        cdef int code
        if kind == c'R':
            code = take_int32(body)
            self.receive(code, body.at[:body.n])
        elif kind == c'K':
            if self.backend_key is not None:
                raise ProtocolError("BackendKeyData has come twice")
            self.backend_pid, self.backend_key = read_backend_key_data(body[0])
        elif kind == c'v':
            self.negotiated = read_negotiate_protocol_version(body[0])
            self.check_negotiated()
        return 0

    cdef int receive(self, int code, bytes body) except -1:
        try:
            self.perform(self.authentication.receive(code, body))
        except InterfaceError as refusal:
            # The peer keeps to the protocol, it is our side that refuses to go on: that is what the caller is told.
            self.error = refusal
            raise ProtocolError(f"authentication was refused: {refusal}") from refusal
        return 0

    def check_negotiated(self):
        version, unknown = self.negotiated
        if unknown:
            raise ProtocolError(f"the server does not know the protocol options {', '.join(unknown)}")
        # PostgreSQL sends the whole version; the documentation speaks of the minor one.
        if version > self.version or (version >> 16 not in (0, 3)):
            raise ProtocolError(f"the server offers the protocol version {version:#x}, {self.version:#x} was asked for")
        newest = PROTOCOL_3_0 | (version & 0xFFFF)
        if newest < self.least_version:
            raise ProtocolError(f"the server speaks protocol 3.{newest & 0xFFFF} at most, min_protocol_version is "
                                f"3.{self.least_version & 0xFFFF}")

    cdef int perform(self, object step) except -1:
        if isinstance(step, auth.Send):
            put_password(self.out, step.payload)
        elif isinstance(step, auth.Authenticated):
            self.is_authenticated = True
        elif not isinstance(step, auth.Nothing):
            self.question = step
            self.is_full = True
            self.event = ASK
        return 0

    def answer(self, value):
        """Give what `question` asks for; `Frontend.resume` then goes on."""
        self.question = None
        self.is_full = False
        self.perform(self.authentication.answer(value))
