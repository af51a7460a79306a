"""What became of a transaction, seen by its own connection and by another one."""


def status(connection):
    """The transaction status as the last ReadyForQuery said: I, T or E."""
    return connection._session.frontend.transaction_status


async def committed(other):
    """What is in the table `t` for somebody else."""
    return [row[0] for row in await other.fetch("select a from t order by a")]
