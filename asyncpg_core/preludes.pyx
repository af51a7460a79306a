"""BEGIN and SAVEPOINT that wait for an operation to carry them.

A transaction that starts leaves its statement here; the next operation that is written carries all that is owed, as one
unit with it. Only a call that started after the transaction did may carry it: a ROLLBACK that was queued before must
not. An operation that is refused before a byte of it is written leaves everything owed.
"""
cimport cython

from weakref import ref


@cython.final
cdef class Preludes:
    def __cinit__(self):
        self.statements = []
        self.transactions = []
        self.after = []

    cdef Py_ssize_t next_number(self):
        """Number the call that starts now."""
        self.n_started += 1
        return self.n_started

    def owe(self, str sql not None, transaction):
        """Let the next call that starts carry `sql` in front of it; `transaction.carrier` is then its operation."""
        self.statements.append(sql)
        self.transactions.append(transaction)
        self.after.append(self.n_started)
        self.is_owed = True

    def drop(self, transaction):
        """Take back what `transaction` owes, and all behind it; return whether it was still owed."""
        if transaction not in self.transactions:
            return False
        at = self.transactions.index(transaction)
        self.cut(at, len(self.transactions))
        return True

    def cut(self, Py_ssize_t start, Py_ssize_t end):
        del self.statements[start:end]
        del self.transactions[start:end]
        del self.after[start:end]
        self.is_owed = bool(self.statements)

    cdef int attach(self, Operation op, Py_ssize_t number) except -1:
        """Let the operation of call `number` carry what transactions owe that began before that call started."""
        cdef Py_ssize_t n = 0
        while n < len(self.after) and <Py_ssize_t>self.after[n] < number:
            n += 1
        if n:
            op.prelude = tuple(self.statements[:n])
            for transaction in self.transactions[:n]:
                if transaction is not None:
                    transaction.carrier = op
        return 0

    cdef int pay(self, Operation op, Py_ssize_t n_written) except -1:
        """What the operation carries is written, as the session's `n_written`-th operation: it is owed no more."""
        if op.prelude is not None:
            self.paid = [ref(transaction) for transaction in self.transactions[:len(op.prelude)]]
            self.paid_at = n_written
            self.cut(0, len(op.prelude))
        return 0

    cdef bint is_alone(self, Operation op, Py_ssize_t n_written) except -1:
        """Whether an operation has carried BEGIN, and is all that was written since."""
        return (op.prelude is not None and self.paid_at == n_written and not op.failed_in_prelude
                and (<str?>op.prelude[0]).startswith("BEGIN"))

    cdef int owe_again(self, Operation op) except -1:
        """What the operation has carried, the last that was paid, is undone: the next one carries it."""
        self.statements[:0] = op.prelude
        self.transactions[:0] = [transaction() for transaction in self.paid]
        self.after[:0] = [0] * len(op.prelude)
        self.is_owed = True
        return 0

    cdef int detach(self, Operation op) except -1:
        """The operation was not written after all: the prelude stays owed."""
        if op.prelude is not None:
            op.prelude = None
            for transaction in self.transactions:
                if transaction is not None:
                    transaction.carrier = None
        return 0

    cdef int clear(self) except -1:
        """Nobody's transaction is wanted any more."""
        if self.is_owed:
            self.cut(0, len(self.statements))
        return 0
