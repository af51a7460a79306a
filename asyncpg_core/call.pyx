"""The awaitable that fetch, execute and their like return.

A Call is a coroutine to those who ask for one (`await`, create_task, TaskGroup, asyncio.run) and a future to those who
can use one (gather, wait_for, shield and as_completed make no task for it). It starts at its first await, send or
add_done_callback. When an await of it ends, the outcome is handed over and forgotten, so a large result lives no
longer than its user wants; `result()` keeps it, because tasks call it before they resume the awaiter.

The iteration slots are C functions put into the type below, so a result travels without a StopIteration object or a
traceback where the interpreter allows it.
"""
import warnings

cimport cython
from libc.string cimport strcmp
from cpython.exc cimport PyErr_Clear, PyErr_SetObject
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF

from asyncio import CancelledError, InvalidStateError
from asyncio import _get_running_loop as running_loop


cdef extern from "Python.h":
    int PyContext_Enter(object) noexcept
    int PyContext_Exit(object) except -1
    object PyContext_CopyCurrent()
    PyObject *PyObject_Vectorcall(PyObject *, PyObject *const *, size_t, PyObject *) except NULL
    object PyObject_CallOneArg(object callable, object argument)

cdef tuple context_keyword = ("context",)


cdef int call_in_context(object call_soon, object callback, Call call, object context) except -1:
    """call_soon(callback, call, context=context), without a dict for the keyword."""
    cdef PyObject *arguments[3]
    arguments[0] = <PyObject *>callback
    arguments[1] = <PyObject *>call
    arguments[2] = <PyObject *>context
    Py_DECREF(<object>PyObject_Vectorcall(<PyObject *>call_soon, arguments, 2, <PyObject *>context_keyword))
    return 0


cdef int run_hook(object hook, Call call) except -1:
    """Tell the pool's lender, or whatever else, that a call is done."""
    if isinstance(hook, Endpoint):
        return (<Endpoint>hook).on_call_done(call)
    hook(call)
    return 0


@cython.final
@cython.freelist(64)
cdef class Call:
    def __dealloc__(self):
        if self.phase == FRESH:
            if self.name is not None and not self.is_internal:
                warnings.warn(f"coroutine 'Connection.{self.name}' was never awaited", RuntimeWarning, stacklevel=2)
        elif self.phase == DONE and self.failure is not None and not self.is_seen and not self.is_internal:
            self.tell_loop(f"{self.name or 'a call'} failed and nobody looked at it")

    cdef int tell_loop(self, str message) except -1:
        """Let the loop's exception handler know of the failure."""
        # The collector may have cleared the owner or the loop, and that of a released connection has none.
        loop = None if self.owner is None else self.owner.loop
        if loop is not None:
            try:
                loop.call_exception_handler({"message": message, "exception": self.failure})
            except AttributeError:
                pass    # Nothing is left of a loop that is collected together with the call.
        return 0

    def __repr__(self):
        what = ("not started", "pending", "done", "done")[self.phase]
        if self.is_cancelled:
            what = "cancelled"
        return f"<Call {self.name} {what}>"

    # As a coroutine

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        if self.step():
            return self
        raise StopIteration(self.hand_over())

    def send(self, value):
        """Start, or go on: the future to wait for is the call itself."""
        if self.step():
            return self
        raise StopIteration(self.hand_over())

    def throw(self, kind, value=None, traceback=None):
        """Cancel what is under way and raise the exception."""
        error = value if value is not None else kind
        if isinstance(error, type):
            error = error()
        if traceback is not None:
            error = error.with_traceback(traceback)
        if self.phase == STARTED:
            self.cancel()
        elif self.phase == FRESH:
            self.is_cancelled = True
        self.is_seen = True
        self.phase = TAKEN
        self.value = None
        raise error

    def close(self):
        """Cancel what is under way; a call that was not started never will be."""
        if self.phase == STARTED:
            self.cancel()
        self.is_seen = True
        self.phase = TAKEN
        self.value = None

    cdef int await_member(self) except -1:
        """A member of a pipeline is awaited inside its block: the group is written now."""
        pipeline = self.owner.open_pipeline()
        if pipeline is not None and pipeline.holds(self.group):
            pipeline.flush()
        return 0

    cdef int step(self) except -1:
        """1 when there is something to wait for, 0 when the value is ready; a failure is raised."""
        if self.phase == FRESH:
            self.start()
        if self.phase == STARTED:
            if self.group is not None:
                self.await_member()
            self.is_blocking = True
            return 1
        if self.phase == TAKEN:
            raise RuntimeError(f"cannot reuse already awaited {self.name or 'call'}()")
        if self.failure is None and not self.is_cancelled:
            return 0
        self.phase = TAKEN
        self.outcome()
        return 0

    cdef object hand_over(self):
        """Return the value and forget it."""
        value = self.value
        self.value = None
        self.phase = TAKEN
        self.is_seen = True
        self.op = None
        return value

    # As a future

    @property
    def _asyncio_future_blocking(self):
        """That there is such an attribute makes it a future. Who reads it before the start is asyncio.isfuture."""
        if self.phase == FRESH:
            self.owner.start_soon(self)
        return self.is_blocking

    @_asyncio_future_blocking.setter
    def _asyncio_future_blocking(self, bint value):
        self.is_blocking = value

    def start_if_fresh(self):
        """Start the call unless it was started, cancelled or closed."""
        if self.phase == FRESH and not self.is_cancelled:
            self.start()

    def get_loop(self):
        return self.owner.loop

    def done(self):
        return self.phase >= DONE

    def cancelled(self):
        return self.is_cancelled

    def result(self):
        """Return the value or raise the failure; both stay."""
        if self.phase < DONE:
            raise InvalidStateError("Result is not set.")
        return self.outcome()

    def exception(self):
        """Return the failure, None if there is none."""
        if self.phase < DONE:
            raise InvalidStateError("Exception is not set.")
        self.is_seen = True
        if self.is_cancelled:
            raise self._make_cancelled_error()
        return self.failure

    cdef object outcome(self):
        self.is_seen = True
        if self.is_cancelled:
            raise self._make_cancelled_error()
        if self.failure is not None:
            raise self.failure
        return self.value

    def _make_cancelled_error(self):
        if self.failure is not None:
            return self.failure
        return CancelledError() if self._cancel_message is None else CancelledError(self._cancel_message)

    def add_done_callback(self, callback, *, context=None):
        """Start if that has not happened; call `callback(self)` from the loop when the call is done."""
        if context is None:
            context = PyContext_CopyCurrent()
        if self.phase == FRESH:
            if running_loop() is None and self.owner.loop is not None:
                # run_until_complete() adds its callback before it lets the loop run.
                self.owner.call_soon(self.start_if_fresh)
            else:
                self.start()
        elif self.group is not None and self.phase == STARTED:
            self.await_member()
        if self.phase >= DONE:
            self.owner.call_soon(callback, self, context=context)
        elif self.callback is None:
            self.callback = callback
            self.context = context
        else:
            if self.callbacks is None:
                self.callbacks = []
            self.callbacks.append((callback, context))

    def remove_done_callback(self, callback):
        """Return how many were removed."""
        cdef Py_ssize_t n = 0
        cdef list rest
        if self.callbacks is not None:
            rest = [pair for pair in self.callbacks if pair[0] != callback]
            n = len(self.callbacks) - len(rest)
            self.callbacks = rest or None
        if self.callback is not None and self.callback == callback:
            n += 1
            self.callback = None
            if self.callbacks is not None:
                self.callback, self.context = self.callbacks.pop(0)
                if not self.callbacks:
                    self.callbacks = None
        return n

    def cancel(self, msg=None):
        """Give the call up: its awaiter gets CancelledError now, what becomes of the statement is the session's."""
        if self.phase >= DONE:
            return False
        started = self.phase == STARTED
        self._cancel_message = msg
        self.is_cancelled = True
        self.is_seen = True
        self.phase = DONE
        if started:
            self.owner.cancel_call(self)
        self.wake()
        return True

    def begin(self):
        """Start without waiting: what the calls of a pipeline block do."""
        if self.phase == FRESH:
            self.start()

    def mark_end_of_transaction(self):
        """The statement is a top-level COMMIT or ROLLBACK."""
        self.ends_transaction = True

    def mark_unattended(self):
        """Nobody looks at the outcome; the reset of a pool may take its place."""
        self.is_internal = True

    def leave_tag_with(self, keeper):
        """Put the tag of the execution into `keeper._status` when the call is done."""
        self.keeper = keeper

    # What the session calls

    cdef int start(self) except -1:
        self.phase = STARTED
        try:
            return self.owner.start_call(self)
        except Exception as error:
            if self.phase == STARTED:
                self.fail(error)
            return 0

    cdef int finish(self, object value) except -1:
        if self.phase == STARTED:
            self.phase = DONE
            self.value = value
            self.wake()
        return 0

    cdef int fail(self, object error) except -1:
        if self.phase == STARTED:
            self.phase = DONE
            self.failure = error
            self.wake()
        return 0

    cdef int wake(self) except -1:
        """The call is done: tell the pool at once and whoever waits in his turn."""
        hook = self.hook
        if hook is not None:
            self.hook = None
            run_hook(hook, self)
            if self.phase < DONE:
                return 0        # It is executed once more.
        if self.callback is None:
            return 0
        if self.owner.collects:
            return self.owner.collect(self)
        callback = self.callback
        self.callback = None
        call_in_context(self.owner.call_soon, callback, self, self.context)
        self.context = None
        return self.wake_others()

    cdef int wake_others(self) except -1:
        if self.callbacks is not None:
            callbacks = self.callbacks
            self.callbacks = None
            for callback, context in callbacks:
                self.owner.call_soon(callback, self, context=context)
        return 0

    cdef int run_callback(self) except -1:
        """Resume whoever waits, from the session's read callback, in his own context.

        An iteration of asyncio's loop costs more than the query; nothing of the session is under way when this is
        called, so what the resumed task does to it is like what it does from a callback of its own."""
        callback = self.callback
        context = self.context
        if callback is None:
            return 0
        self.callback = None
        self.context = None
        if PyContext_Enter(context) != 0:
            # Somebody runs in it already: let the loop find the time.
            PyErr_Clear()
            call_in_context(self.owner.call_soon, callback, self, context)
            return self.wake_others()
        try:
            PyObject_CallOneArg(callback, self)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self.owner.loop.call_exception_handler({
                "message": f"exception in a callback of {self.name}", "exception": error})
        finally:
            PyContext_Exit(context)
        return self.wake_others()

    def on_ready(self, op):
        """The operation has something to take: only a COPY has."""
        self.extra.on_ready(self.owner, op)

    def on_flow(self):
        """Bytes have come while the operation has the connection for itself, or have left."""
        if self.kind == COPY:
            self.extra.on_flow()

    @property
    def method(self):
        """The name of the method that made the call."""
        return self.name


cdef extern from "Python.h":
    ctypedef PyObject *(*PyCFunction)(PyObject *, PyObject *) except NULL
    ctypedef struct PyMethodDef:
        const char *ml_name
        PyCFunction ml_meth
        int ml_flags
    int METH_NOARGS
    object PyCFunction_New(PyMethodDef *definition, PyObject *self)
    object PyObject_GenericGetAttr(object self, object name)


cdef PySendResult call_send(PyObject *self, PyObject *value, PyObject **result) except? PYGEN_ERROR:
    cdef Call call = <Call>self
    cdef object outcome
    if call.step():
        outcome = call
        Py_INCREF(outcome)
        result[0] = <PyObject *>outcome
        return PYGEN_NEXT
    outcome = call.hand_over()
    Py_INCREF(outcome)
    result[0] = <PyObject *>outcome
    return PYGEN_RETURN


cdef PyObject *call_next(PyObject *self) except? NULL:
    cdef Call call = <Call>self
    cdef object outcome
    if call.step():
        outcome = call
        Py_INCREF(outcome)
        return <PyObject *>outcome
    outcome = call.hand_over()
    if isinstance(outcome, (tuple, BaseException)):
        outcome = StopIteration(outcome)
    PyErr_SetObject(StopIteration, outcome)
    return NULL


cdef PyObject *call_result(PyObject *self, PyObject *ignored) except NULL:
    if (<Call>self).phase < DONE:
        raise InvalidStateError("Result is not set.")
    outcome = (<Call>self).outcome()
    Py_INCREF(outcome)
    return <PyObject *>outcome


cdef PyMethodDef result_method
result_method.ml_name = b"result"
result_method.ml_meth = call_result
result_method.ml_flags = METH_NOARGS


cdef PyObject *call_getattr(PyObject *self, char *name) except? NULL:
    """An attribute by its C string. A task that wakes up asks so for `result`, once per call; without this slot a str
    is made of the name each time, which no cache of the type knows."""
    cdef object found
    if strcmp(name, b"result") == 0:
        found = PyCFunction_New(&result_method, self)
    else:
        found = PyObject_GenericGetAttr(<object>self, name.decode())
    Py_INCREF(found)
    return <PyObject *>found


(<SlottedType *>Call).tp_getattr = call_getattr
(<SlottedType *>Call).tp_iternext = call_next
if (<SlottedType *>Call).tp_as_async != NULL:
    (<SlottedType *>Call).tp_as_async.am_send = call_send
