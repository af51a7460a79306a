class Column:
    __slots__ = ("attribute_number", "format", "name", "table_oid", "type_oid", "type_size", "typmod")

    name: str
    table_oid: int
    attribute_number: int
    type_oid: int
    type_size: int
    typmod: int
    format: int
    def __init__(
        self, name: str, table_oid: int, attribute_number: int, type_oid: int, type_size: int, typmod: int, format: int
    ) -> None: ...
    def in_format(self, format: int) -> Column: ...
