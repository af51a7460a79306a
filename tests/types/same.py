"""Whether two values are the same: of one type, equal and shown alike, in lists and tuples item by item."""


def same(left: object, right: object) -> bool:
    if type(left) is not type(right):
        return False
    if isinstance(left, (list, tuple)) and type(left) in (list, tuple):
        return len(left) == len(right) and all(map(same, left, right))
    # NaN is not equal to itself; -0.0 is equal to 0.0.
    return (left == right or left != left or "nan" in repr(left).lower()) and repr(left) == repr(right)
