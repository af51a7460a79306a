from tests.types.tables import Refused, Row

ROWS = [
    Row("tid", (0, 0), "(0,0)"),
    Row("tid", (2**32 - 1, 65535), "(4294967295,65535)", also=([2**32 - 1, 65535],)),
    Row("pg_lsn", 0, "0/0"),
    Row("pg_lsn", 97500059720, "16/B374D848"),
    Row("pg_lsn", 2**64 - 1, "FFFFFFFF/FFFFFFFF"),
    Row("pg_snapshot", (10, 20, (10, 14, 15)), "10:20:10,14,15", also=([10, 20, [10, 14, 15]],)),
    Row("pg_snapshot", (10, 20, ()), "10:20:"),
    Row("txid_snapshot", (10, 2**62 + 20, (10,)), f"10:{2**62 + 20}:10"),
]
REFUSED = [
    Refused("tid", (1, 65536), "tuple id offset value out of uint16 range"),
    Refused("tid", (-1, 1), "tuple id block value out of uint32 range"),
    Refused("tid", (1,), "invalid number of elements in tid tuple: (block, offset) expected, got 1"),
    Refused("tid", "(1,2)", "list or tuple expected: (block, offset), got str"),
    Refused("tid", (1.5, 2), "a whole number was expected"),
    Refused("pg_lsn", -1, "value out of uint64 range"),
    Refused("pg_lsn", 2**64, "value out of uint64 range"),
    Refused("pg_lsn", "0/0", "an integer is required, got str"),
    Refused("pg_snapshot", (1, 2), "invalid number of elements in snapshot tuple"),
    Refused("pg_snapshot", (1, 2, 3), "got int for the xids"),
    Refused("pg_snapshot", "1:2:", "list or tuple expected: (xmin, xmax, (xid, ..)), got str"),
    Refused("txid_snapshot", (1, 2**63, ()), "value out of txid int64 range"),
]
