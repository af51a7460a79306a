"""What the server owes: the protocol's state machine as one table.

A connection does not have a state; it has a queue of operations, and each operation a list of debts: the replies that
its messages are still owed. `OWED[debt][message]` says what a message does to the debt at the front: it stays owed,
turns into another debt, or is paid (DONE). A message that is not in the row of the debt at the front is illegal, and
the connection ends. Everything that a pipeline does follows from this and the rules below.

(a) ParameterStatus and NotificationResponse (from SESSION on) and NoticeResponse (always) may come at any time. They
    concern the session and pay no debt.

(b) ErrorResponse fails the operation at the head of the queue. The server then skips everything up to the next Sync,
    and so does the frontend: the debts up to the Sync of the same group are struck out, the operations that held them
    fail as PipelineAborted when its ReadyForQuery comes, and if that Sync has not been written yet it is written at
    once. What a COMMIT inside the group has made durable stays successful. An ErrorResponse in place of the
    ReadyForQuery itself (a deferred constraint) fails the whole group. FATAL and PANIC, and any error before the
    session is ready, are followed by no ReadyForQuery: the connection is closed.

(c) An ErrorResponse when nothing is owed is the session's farewell. It is kept as the cause of the lost connection that
    follows. Severity ERROR there is a ProtocolError: nobody asked.

(d) Any other pair is a ProtocolError and the connection is dead. It is never resynchronised.

COPY. An operation whose SQL contains the word `copy` closes the write gate when it is written, because what is behind
it would be read as copy data or end the copy. In the extended protocol it ends with Flush, and its Sync is written
after CopyDone, CopyFail or ErrorResponse, exactly once. A simple Query has its Sync built in. CopyInResponse or
CopyBothResponse for an operation that did not close the gate is a ProtocolError.

PRELUDE. BEGIN and SAVEPOINT go in front of a simple Query in the extended protocol, and a Sync of its own goes behind
it: the Query's ReadyForQuery pays QUERY, the Sync's pays SYNC. If the prelude fails the server skips the Query and
answers the Sync alone, which is rule (b). Where the text contains `copy` the Sync is written after the Query's end.

https://www.postgresql.org/docs/current/protocol-flow.html
"""
DONE = 0

STARTUP = 1
AUTHENTICATE = 2
SESSION = 3
PARSE = 4
BIND = 5
DESCRIBE = 6
DESCRIBE_ROWS = 7
EXECUTE = 8
COPY_OUT = 9
COPY_IN = 10
COPY_END = 11
CLOSE = 12
SYNC = 13
QUERY = 14
QUERY_COPY_OUT = 15
QUERY_COPY_IN = 16
QUERY_COPY_BOTH = 17
# An operation that is not wholly written and has been paid for all that it wrote.
NOTHING = 18

OWED: dict[int, dict[str, int]] = {
    # 'v' comes at most once, before any 'R'; auth.py holds the table of authentication sub-codes, whose Ok -> SESSION.
    STARTUP: {"v": AUTHENTICATE, "R": AUTHENTICATE},
    AUTHENTICATE: {"R": AUTHENTICATE},
    SESSION: {"K": SESSION, "Z": DONE},
    PARSE: {"1": DONE},
    BIND: {"2": DONE},
    DESCRIBE: {"t": DESCRIBE_ROWS},
    DESCRIBE_ROWS: {"T": DONE, "n": DONE},
    EXECUTE: {"D": EXECUTE, "C": DONE, "s": DONE, "I": DONE, "H": COPY_OUT, "G": COPY_IN},
    COPY_OUT: {"d": COPY_OUT, "c": COPY_END},
    COPY_IN: {"C": DONE},
    COPY_END: {"C": DONE},
    CLOSE: {"3": DONE},
    SYNC: {"Z": DONE},
    QUERY: {"T": QUERY, "D": QUERY, "C": QUERY, "I": QUERY, "H": QUERY_COPY_OUT, "G": QUERY_COPY_IN,
            "W": QUERY_COPY_BOTH, "Z": DONE},
    QUERY_COPY_OUT: {"d": QUERY_COPY_OUT, "c": QUERY},
    QUERY_COPY_IN: {"C": QUERY},
    QUERY_COPY_BOTH: {"d": QUERY_COPY_BOTH, "c": QUERY},
    NOTHING: {},
}

NAMES: dict[int, str] = {
    value: name for name, value in list(globals().items()) if name.isupper() and isinstance(value, int)
}
