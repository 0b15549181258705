"""The benchmarks: their batched networks beside the shipped ones, and their README."""

import functools
import math
from pathlib import Path

import numpy as np
import pytest

import batch
import convergence
import depth
import plateau
import remedies
import speed
import table
from activations import ACTIVATIONS
from XORgatemultihiddenlayers import train

SEEDS = range(4)
README = (Path(__file__).parent / "benchmarks" / "README.md").read_text(encoding="utf-8")


def lines_of(program):
    """Return the table in the README's section of a program: a list of entries for each line."""
    section = README.split(f"## {program}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[entry.strip() for entry in line.strip("|").split("|")] for line in lines]


def shipped_losses(network, options, goal):
    """Return the losses until the goal, with inf as the last one where a gradient is not finite."""
    losses = []
    try:
        for _, loss in train(network, *options):
            losses.append(loss)
            if loss <= goal:
                break
    except FloatingPointError:
        losses.append(math.inf)
    return losses


def agree(cell, goal):
    """Compare the losses of each seed, and return the numbers of epochs."""
    networks, _, options = batch.networks(cell, SEEDS)
    found = np.array([losses for _, losses in batch.train(cell, SEEDS, goal)])
    counts = []
    for losses, network in zip(found.T, networks):
        expected = shipped_losses(network, options, goal)
        counts.append(len(expected))
        expected += (len(found) - len(expected)) * expected[-1:]
        np.testing.assert_allclose(losses, expected, rtol=0, atol=1e-9)
    assert len(found) == max(counts)
    return counts


@pytest.mark.parametrize(
    ("script", "options", "epochs"),
    [
        ("plain", "1", 100),
        ("plain", "10", 100),
        ("plain", "10 --init uniform --learning-rate 3", 100),
        ("plain", "10 --gain 4 --max-norm inf", 100),
        ("plain", "10 --activation relu --init he", 100),
        ("plain", "10 --activation tanh", 50),
        ("plain", "10 --activation tanh --gain 3", 15),  # roundings grow fast here
        ("plain", "10 --activation tanh --gain 3 --learning-rate 0.1 --max-norm inf", 100),
        ("plain", "10 --batch-norm", 20),  # and here
        ("plain", "3 --activation tanh --batch-norm", 100),
        ("plain", "10 --activation relu --gain 1e40", 100),  # the gradient of most is not finite
        ("residual", "10", 100),
        ("residual", "100", 100),
        ("residual", "10 --max-norm inf", 50),
        ("residual", "10 --activation relu", 100),
        ("residual", "10 --skip 2", 100),
        ("residual", "10 --skip 2 --activation tanh --init he --max-norm inf", 25),
        ("residual", "10 --batch-norm", 20),
        ("residual", "10 --skip 2 --batch-norm", 10),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_batch_has_the_losses_of_the_scripts(script, options, epochs):
    agree((script, f"{options} --epochs {epochs}"), goal=0.0)


def test_a_seed_keeps_its_loss_when_it_has_stopped_and_the_others_go_on():
    stopped = agree(("residual", "10 --activation tanh --epochs 100"), goal=0.1)
    assert len(set(stopped)) > 1


@pytest.mark.parametrize(
    ("name", "largest"), [("sigmoid", 700.0), ("tanh", 350.0), ("relu", 700.0)]
)
def test_the_batch_has_the_activations_of_the_scripts_in_saturation_too(name, largest):
    x = np.linspace(-largest, largest, 1001)
    for found, function in zip(getattr(batch, name)(x), ACTIVATIONS[name]):
        np.testing.assert_allclose(found, function(x), rtol=1e-12, atol=0)


@pytest.mark.parametrize("program", [convergence, depth, remedies, plateau, speed])
def test_the_readme_shows_the_table_of_each_program(program):
    heads, rule, *lines = lines_of(f"{program.__name__}.py")
    assert heads == program.HEADS
    assert all(len(line) == len(heads) for line in lines)
    if hasattr(program, "CELLS") and hasattr(program, "table"):
        labels = program.table(dict.fromkeys(program.CELLS, 5 * ["measured"]))
        assert len(lines) == len(labels)
        for line, entries in zip(lines, labels):
            known = len(entries) - entries.count("measured")
            assert line[:known] == entries[:known]


@functools.cache
def measured(script, options):
    return table.row((script, options), range(50))


@pytest.mark.trained
@pytest.mark.parametrize(
    ("program", "label", "start", "cell"),
    [
        ("convergence.py", ["10"], 4, ("residual", "10")),
        ("remedies.py", ["residual", "none"], 2, ("residual", "10")),
        ("depth.py", ["10"], 9, ("residual", "10 --activation tanh")),
    ],
)
def test_the_readme_has_what_a_cell_measures(program, label, start, cell):
    shown = next(line[start:] for line in lines_of(program) if line[: len(label)] == label)
    solved, after, _, signal, error = measured(*cell)
    assert shown[0] == solved
    assert float(shown[1]) == pytest.approx(float(after), rel=0.2)
    if program != "convergence.py":
        assert shown[-2:] == [signal, error]


@pytest.mark.parametrize(("script", "options"), [run for run in remedies.RUNS if run[1]])
def test_the_readme_has_the_factors_of_each_remedy(script, options):
    shown = next(line for line in lines_of("remedies.py") if line[:2] == [script, options])
    factors = np.median(table.factors((script, f"10 {options}"), range(50)), axis=0)
    np.testing.assert_allclose([float(factor) for factor in shown[-2:]], factors, atol=0.006)


def test_the_plateau_ends_where_half_of_the_seeds_have_left_it():
    cell = ("plain", "1 --epochs 2000")
    solved, _ = table.epochs_to_solve(cell, range(5))
    assert plateau.median_epochs(cell, range(5)) == sorted(solved)[2]
    assert plateau.median_epochs(("plain", "6 --epochs 10"), range(3)) == math.inf
    assert [line[-1] for line in plateau.table({1: 100, 2: 250})] == ["", "2.5"]


@pytest.mark.parametrize("script", ["plain", "residual"])
def test_the_floor_trains_like_the_script(script):
    assert speed.loss_difference(script, 3, epochs=200) < 1e-9
    assert all(cost >= 0 for cost in speed.epoch_costs(script, 3, epochs=20, peer_epochs=2))


def test_the_floor_trains_like_wide_layers():
    assert speed.wide_difference(32, 64, epochs=10) < 1e-9
    assert all(cost >= 0 for cost in speed.wide_costs(8, 16, epochs=5))
