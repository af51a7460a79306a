"""A sample of what `make exact` compares: random values of every scalar type against the live server's own text."""
import pytest

from tests.types.differential import Comparison, compare_type, kinds_of, scalar_names
from tests.types.random_values import CATALOGUE, KINDS, Kind, signed

N_VALUES = 200
SEED = 26       # the same values each time; `make exact` takes others


def test_every_scalar_type_that_can_be_sent_is_compared():
    assert set(KINDS) | set(CATALOGUE) == scalar_names()


@pytest.mark.parametrize("type_name", sorted({*KINDS, *CATALOGUE}))
async def test_random_values_are_what_the_server_makes_of_them(connection, type_name):
    kinds = await kinds_of(connection)
    if type_name not in kinds:
        pytest.skip(f"missing feature: {type_name}")
    assert not await compare_type(connection, type_name, kinds[type_name], N_VALUES, SEED)


async def test_a_value_that_changes_on_its_way_is_a_disagreement(connection):
    class Wrong:
        """A codec whose texts are one more than the value."""

        def encode_value(self, value, format):
            return str(value + 1).encode()

        def decode_value(self, body, format):
            return int(body) + 1

    comparison = Comparison(connection, "int4", Kind(signed(32), lambda value: f"+{value}"), Wrong())
    await comparison.compare([1, 2])
    assert {(one.way, one.value, one.came) for one in comparison.found if one.value in (1, "+1", "1")} == {
        ("the server's text decoded", 1, 2), ("as Python writes it", "+1", "1"), ("our text as a literal", 1, 2),
        ("our text as a literal, shown", "1", "2")}
