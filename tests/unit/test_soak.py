"""What the soak calls growth: a figure that goes on rising, and nothing else."""
import types

import pytest

from tests.soak import N_MEASURES, SIZE, Measure, growth, judge


@pytest.mark.parametrize(("values", "grown"), [
    ([100] * 20, 0), (list(range(20)), 10), ([50] * 5 + [100] * 15, 0), ([100, 130] * 10, 0),
    ([100] * 19 + [500], 0), ([100] * 10 + [110] * 10, 10), ([5], 0), ([], 0)])
def test_growth_is_between_the_second_and_the_last_quarter(values, grown):
    assert (growth(values) if values else 0) == grown


def measures(**rising):
    """Twenty measures whose figures rise by so much each time."""
    still = {"seconds": 0.0, "n_done": 0, "rss_kib": 60_000, "n_descriptors": 18, "n_objects": 36_000, "n_backends": 8}
    return [Measure(**{name: value + n * rising.get(name, 0) for name, value in still.items()})
            for n in range(N_MEASURES)]


@pytest.mark.parametrize(("rising", "word"), [
    ({"rss_kib": 1000}, "rss_kib"), ({"n_descriptors": 1}, "n_descriptors"), ({"n_objects": 500}, "n_objects"),
    ({"n_backends": 1}, "backends")])
def test_whatever_rises_is_wrong(rising, word, capsys):
    soak = types.SimpleNamespace(wrong=[])
    assert judge(soak, measures()) == []
    assert len(judge(soak, measures(**rising))) == 1
    assert word in judge(soak, measures(**rising))[0]
    assert SIZE == 8
    assert "growth of rss_kib" in capsys.readouterr().out


def test_a_wrong_answer_is_wrong_though_nothing_grows():
    assert judge(types.SimpleNamespace(wrong=["query is stuck"]), measures()) == ["query is stuck"]
