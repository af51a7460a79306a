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
    Refused("tid", (1, 65536), "value out of tid offset uint16 range"),
    Refused("tid", (-1, 1), "value out of tid block uint32 range"),
    Refused("tid", (1,), "was expected, got 1 items"),
    Refused("tid", "(1,2)", "was expected, got str"),
    Refused("tid", (1.5, 2), "a whole number was expected"),
    Refused("pg_lsn", -1, "value out of uint64 range"),
    Refused("pg_lsn", 2**64, "value out of uint64 range"),
    Refused("pg_lsn", "0/0", "cannot be interpreted as an integer"),
    Refused("pg_snapshot", (1, 2), "was expected, got 2 items"),
    Refused("pg_snapshot", (1, 2, 3), "got int for the xids"),
    Refused("pg_snapshot", "1:2:", "was expected, got str"),
    Refused("txid_snapshot", (1, 2**63, ()), "value out of txid int64 range"),
]
