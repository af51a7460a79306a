"""The pool's decisions in a simulated network: nobody waits longer than the ideal makes him, but for connecting."""
import pytest

from benchmarks.simulate_pool import NETWORKS, Request, Settings, Simulation, ideal_waits, main, percentile


def simulate(**settings):
    return Simulation(Settings(n_requests=3000, n_connections=20, **settings)).run()


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("load", [0.5, 0.95, 1.3])
def test_every_wait_is_the_ideals(network, load):
    report = simulate(network=network, load=load)
    assert len(report.waits) == 3000 and report.n_gave_up == 0 and report.n_out_of_order == 0
    assert report.waits == pytest.approx(report.ideal, abs=1e-6) and report.largest <= 20


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("load", [0.5, 0.95, 1.3])
def test_the_longest_wait_is_the_ideals_but_for_the_first_connections(network, load):
    report = simulate(network=network, load=load, is_cold=True)
    assert len(report.waits) == 3000 and report.n_gave_up == 0 and report.n_out_of_order == 0
    connecting = max(report.waits[:200])
    assert max(report.waits) <= 1.2 * max(report.ideal) + connecting
    assert sum(report.waits) <= 1.05 * sum(report.ideal) + connecting * len(report.waits)
    assert report.largest <= 20 and report.n_opened <= 20


def test_lifetimes_and_losses_cost_connections_but_nobody_his_turn():
    report = simulate(network="lan", load=0.8, max_lifetime=0.05, loss=0.01)
    assert len(report.waits) == 3000 and report.n_out_of_order == 0
    assert report.n_replaced > 20 and report.n_lost > 10 and report.largest <= 20
    assert report.n_opened >= report.n_replaced + report.n_lost - 20


def test_who_gives_up_is_not_served_and_holds_nobody_up():
    report = simulate(network="region", load=3.0, patience=0.02)
    assert report.n_gave_up > 100 and len(report.waits) + report.n_gave_up == 3000
    assert max(report.waits) <= 0.02 and report.n_out_of_order == 0


def test_the_same_seed_gives_the_same_waits():
    assert simulate(seed=7).waits == simulate(seed=7).waits != simulate(seed=8).waits


def test_the_ideal_serves_each_with_the_connection_that_is_free_first():
    requests = [Request(i, 0.0, seconds) for i, seconds in enumerate([1.0, 2.0, 1.0, 1.0])]
    assert ideal_waits(requests, 2) == [0.0, 0.0, 1.0, 2.0]
    assert [percentile([1.0, 2.0, 3.0, 4.0], percent) for percent in (1, 50, 75, 99, 100)] == [1.0, 2.0, 3.0, 4.0, 4.0]


def test_what_it_prints_has_both_columns(capsys):
    assert main(["--requests", "200", "--connections", "5", "--network", "wan"]) == 0
    printed = capsys.readouterr().out
    assert "longest" in printed and "p99.9" in printed and "served 200" in printed
