"""The benchmarks: their batched networks beside the shipped ones, and their README."""

import os
import re
import signal
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

import batch
import causes
import convergence
import reasons
import speed
import tables
from clipping import clip_gradient_norm
from helpers import TIMEOUT, start
from XORgatemultihiddenlayers import signal_error_gradient, train

SEEDS, GOAL = range(4), 0.1
README = (Path(__file__).parent / "benchmarks" / "README.md").read_text(encoding="utf-8")
PAGE = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def lines_of(section):
    """Return the heads and the lines of a section's table, without those of other seeds."""
    text = README.split(f"\n## {section}\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    entries = [line.strip("| ").split(" | ") for line in lines]
    kept = [i for i, head in enumerate(entries[0]) if not re.match("seeds .* to ", head)]
    heads, _, *lines = [[line[i] for i in kept] for line in entries]
    return heads, lines


def shipped_losses(network, training):
    """Yield the losses until the goal, and inf at last where a gradient is not finite."""
    try:
        for _, loss in train(network, **training):
            yield loss
            if loss <= GOAL:
                return
    except FloatingPointError:
        yield np.inf


def agree(cell, expected):
    """Compare the batch's losses with these, a list a seed; a seed that stops keeps its loss."""
    found = [losses for _, losses, _ in batch.train(cell, SEEDS, GOAL)]
    longest = max(map(len, expected))
    assert len(found) <= longest  # shorter where an update changes nothing
    found += (longest - len(found)) * found[-1:]
    for losses, shipped in zip(np.transpose(found), expected, strict=True):
        shipped += (longest - len(shipped)) * shipped[-1:]
        np.testing.assert_allclose(losses, shipped, rtol=0, atol=1e-9)


def scripts(cell):
    """Return the losses of the script's networks, a list a seed."""
    _, _, training, _ = batch.parsed(*cell[:2])
    return [list(shipped_losses(network, training)) for network in batch.networks(cell, SEEDS)]


@pytest.mark.parametrize(
    "cell",
    [
        ("plain", "10 --epochs 100"),
        ("plain", "10 --epochs 100 --activation relu --init he"),
        ("plain", "10 --epochs 100 --activation relu --gain 1e40"),  # most gradients are not finite
        ("plain", "10 --epochs 20 --batch-norm"),  # roundings grow fast here
        ("residual", "10 --epochs 100 --activation tanh"),  # some seeds stop before others
        ("residual", "10 --epochs 25 --activation tanh --skip 2 --init he --max-norm inf"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_batch_has_the_losses_of_the_scripts(cell):
    agree(cell, scripts(cell))


def test_the_batch_has_the_losses_of_connections_that_are_changed():
    line = "10 --epochs 100 --learning-rate 0.5"
    agree(("residual", line, ("a", 0)), scripts(("plain", line)))
    half = "residual", line, ("a", 0.5)
    agree(half, scripts(half))
    agree(("residual", line, ("a", 1)), scripts(("residual", line)))


def changed_losses(cell, network):
    """Yield the losses of the scripts' layers, when they learn as the changes of a cell say."""
    x, t, _ = batch.data(cell)
    changed = batch.changes(cell)
    training = batch.parsed(*cell[:2])[2]
    dense_out = network.layers[-1]
    learning = network.layers
    if changed.get("frozen") == "hidden":
        learning = [network.layers[0], dense_out]
    for epoch in range(1, training["epochs"] + 1):
        error = network.forward_prop(x) - t
        loss = (error**2).sum() / 2
        yield loss
        if loss <= GOAL:
            return
        network.back_prop(error)
        max_norm = training["max_norm"]
        if changed.get("clipped") == "first step" and epoch > 1:
            max_norm = np.inf
        clipped = [dense_out] if changed.get("clipped") == "dense_out" else learning
        clip_gradient_norm([grad for layer in clipped for grad in layer.get_grads()], max_norm)
        for layer in learning:
            rate = changed.get("dense_out" if layer is dense_out else "others", 1)
            for param, grad in zip(layer.get_params(), layer.get_grads()):
                param -= training["learning_rate"] * rate * grad


TANH = "6 --epochs 60 --activation tanh --gain 3"


@pytest.mark.parametrize(
    "cell",
    [
        ("plain", "10 --epochs 30", ("f", "4 sigmoid(h) - 2")),
        ("plain", "10 --epochs 60", ("f", "2.4 sigmoid(h) - 0.7"), ("dense_in gain", 4)),
        ("plain", "10 --epochs 60 --init he", ("f", "max(h, 0.3 h)")),
        ("plain", "10 --epochs 60 --init he", ("f", "max(h, 0.01 h)")),
        ("plain", "2 --epochs 60", ("T", "x0")),
        ("plain", TANH, ("X", "2 X - 1")),
        ("plain", TANH, ("nodes", 9), ("X", "2 X - 1")),
        ("plain", TANH, ("clipped", "first step")),
        *(
            ("plain", "4 --epochs 20 --batch-norm", ("divides", way))
            for way in ("both", "forward", "backward", "neither")
        ),
        ("residual", "10 --epochs 60 --activation tanh", ("forward", 0.0)),
        ("residual", "10 --epochs 60 --activation tanh", ("backward", 0.0)),
        ("residual", "10 --epochs 60", ("shift", -0.5)),
        ("residual", "10 --epochs 60", ("hidden", "none")),
        ("residual", "10 --epochs 60", ("frozen", "hidden")),
        ("residual", "10 --epochs 60", ("clipped", "dense_out")),
        ("residual", "10 --epochs 60", ("dense_out", 0.01), ("others", 0.5)),
    ],
    ids=str,
)
def test_the_batch_has_the_losses_of_the_scripts_layers_with_a_cause_taken_away(cell):
    agree(cell, [list(changed_losses(cell, network)) for network in batch.networks(cell, SEEDS)])


def test_a_norm_that_divides_on_both_ways_is_the_scripts_own():
    line = "4 --epochs 20 --batch-norm"
    agree(("plain", line, ("divides", "both")), scripts(("plain", line)))


def test_a_run_stops_where_an_update_changes_nothing():
    saturated = "plain", "10 --activation tanh --gain 3 --max-norm inf --epochs 100000"
    *_, (epoch, losses, _) = batch.train(saturated, range(1))
    assert epoch < 1000 and losses == pytest.approx(0.5)


@pytest.mark.parametrize("table", convergence.TABLES)
def test_the_readme_shows_each_table(table):
    (heads, lines), (expected, _, labelled) = lines_of(table), convergence.TABLES[table]
    assert heads == expected
    for line, (labels, _) in zip(lines, labelled, strict=True):
        assert line[: len(labels)] == labels and len(line) == len(heads)


def test_the_readme_shows_the_causes_taken_away():
    heads, lines = lines_of("causes")
    assert heads == ["changed", *causes.COLUMNS]
    assert [line[0] for line in lines] == [what for what, _ in causes.CAUSES]
    assert all(len(line) == len(heads) for line in lines)


def cheap(line):
    """Return whether a line takes no training to speak of: only a wide network takes long."""
    return line[0] != "after 50 steps" and "nodes" not in line[0]


@pytest.mark.parametrize("table", ["gain", "step", "samples"])
def test_the_readme_has_what_is_measured_before_training(table, monkeypatch):
    monkeypatch.setattr(causes, "STACKS", [stack for stack in causes.STACKS if cheap(stack)])
    heads, lines = lines_of(table)
    with np.errstate(all="ignore"):
        expected, found = causes.TABLES[table](range(50))
        assert heads == expected
        assert [*filter(cheap, found)] == [*filter(cheap, lines)]


@pytest.mark.parametrize(
    ("table", "heads", "first"),
    [
        ("dead", ["a layer is dead", "failing runs", "end at a loss of"], "at the start"),
        ("zigzag", causes.ZIGZAG_HEADS, "last epoch with a higher loss than the one before"),
        ("rules", causes.RULE_HEADS, "0 to 1e-07"),
    ],
)
def test_the_readme_has_the_heads_of_what_takes_longer(table, heads, first):
    found, lines = lines_of(table)
    assert found == heads and lines[0][0] == first
    assert all(len(line) == len(heads) for line in lines)


def test_the_random_stacks_are_counted_by_what_meets_in_a_layer():
    outcomes = [
        ("plain", "relu", (1e-8, 1e-4, 1e-4), False),
        ("plain", "tanh", (0.5, 2.0, 1.0), True),
        ("residual", "sigmoid", (5.0, 5.0, 0.1), True),
    ]
    lines = [*causes.by_product(outcomes)]
    none = "0/0"
    assert lines[0][1:] == ["0/1", none, none, none, none, none, none, none]
    assert lines[2][1:] == [none, none, none, none, "0/1", none, "0/1", none]
    assert lines[4][1:] == ["1/1", none, "1/1", none, none, none, none, "1/1"]
    assert lines[5][1:] == [none, "1/1", none, "1/1", "1/1", "1/1", "1/1", none]


def test_the_products_of_a_plain_stack_are_those_of_its_chart_but_for_the_slope():
    [network] = batch.networks(("plain", "3"), [0])
    signals, errors, _ = signal_error_gradient(network)
    met, charted, _ = causes.products(network)
    slope = network.layers[-1].deriv_activate_func(network.layers[-1].h).mean()
    assert charted == pytest.approx(max(s * e for s, e in zip([2**0.5, *signals], errors)))
    assert met == pytest.approx(charted * slope, rel=0.2)


def cell(*entries):
    """Return the entries behind these in a line of the benchmarks' tables, without the "/50"."""
    start = re.escape("| " + " | ".join(entries) + " |")
    line = re.search(rf"^{start}(.*) \|$", README, re.MULTILINE)[1]
    return [entry.strip().removesuffix("/50") for entry in line.split("|")]


def test_the_projects_page_tells_these_counts():
    depths = [cell(f"{n}") for n in range(1, 11)]
    relu = [int(line[6]) + int(line[8]) for line in depths]
    for told in [
        "| " + " | ".join(["plain", *(line[0] for line in depths)]) + " |\n",
        "| " + " | ".join(["residual", *(line[3] for line in depths)]) + " |\n",
        f"it learns ({relu[5]} of 100 seeds do)",
        f"With 10 layers {relu[9]} of 100 seeds",
        f"{cell('plain', '--gain 2')[0]} learn at 2 and {cell('plain', '--gain 3')[0]} at 3",
        f"none learns with 0.25 x (0.3), {cell('y = 0.5 x + F(x)')[1]} with 0.5 x, all with 0.75 x",
        f"its mean slope is {cell('plain', '--gain 4')[4]}, not {cell('plain', 'none')[4]}",
    ]:
        assert told in PAGE
    told = re.search(r"about (\d+), (\d+), (\d+) and (\d+) epochs", PAGE).groups()
    assert [int(line[1]) for line in depths[:4]] == pytest.approx([*map(int, told)], rel=0.15)
    for options, told, percent in [
        ("--max-norm inf", "About two of three seeds end like this", 100 / 3),
        ("--init uniform", "(About a third of the seeds do; the others stay at 1.)", 100 / 3),
    ]:
        solved, *_, fails_at, _, more = cell("residual", options)
        assert told in PAGE and fails_at == "1.00"
        assert int(solved) + int(more) == pytest.approx(percent, abs=10)


@pytest.mark.trained
@pytest.mark.parametrize(
    ("table", "line", "i"),
    [("depths", 9, 1), ("deep", 0, 2), ("remedies", 14, 0), ("identity", 6, 0)],
)
def test_the_readme_has_what_a_cell_measures(table, line, i):
    _, columns, labelled = convergence.TABLES[table]
    labels, cells = labelled[line]
    found = convergence.entries(cells[i], range(50), columns)
    shown = lines_of(table)[1][line][len(labels) + i * len(columns) :]
    assert int(shown[0][:-3]) == pytest.approx(int(found[0][:-3]), abs=2)  # 50/50
    assert int(shown[1]) == pytest.approx(int(found[1]), rel=0.2)
    assert shown[2 : len(columns)] == found[2:]


@pytest.mark.trained
@pytest.mark.parametrize(
    "what",
    [
        "plain, f(h) = 4 sigmoid(h) - 2",
        "residual, y = x + F(x) - 0.5",
        "residual, y = x",
        "batch norm, divides forward",
    ],
)
def test_the_readme_has_what_a_cause_taken_away_measures(what):
    found = convergence.entries(dict(causes.CAUSES)[what], range(50), causes.COLUMNS)
    [shown] = [line[1:] for line in lines_of("causes")[1] if line[0] == what]
    assert int(shown[0][:-3]) == pytest.approx(int(found[0][:-3]), abs=2)  # 50/50
    assert int(shown[1]) == pytest.approx(int(found[1]), rel=0.2)
    assert shown[2:5] == found[2:5]  # signal, error, begins at
    assert int(shown[6][:-1]) == pytest.approx(int(found[6][:-1]), abs=5)  # 50%


def numbers(lines):
    return [[float(entry) for entry in line[1:]] for line in lines]


@pytest.mark.trained
def test_the_readme_has_the_factors_of_the_gradients():
    heads, lines = lines_of("gradient")
    found = reasons.gradient_table(range(50))
    assert heads == reasons.GRADIENT_HEADS and [line[0] for line in lines] == [
        line[0] for line in found
    ]
    np.testing.assert_allclose(numbers(lines), numbers(found), rtol=0.05, atol=0.001)
    for _, xor, _, _, gradient, share in numbers(lines)[1:]:
        assert 0.034 < xor < 0.042 and 0.034 < share < 0.048 and 5e-10 < gradient < 1.1e-9


def test_the_readme_has_the_xor_in_the_signal_by_gain():
    heads, lines = lines_of("XOR")
    assert heads == reasons.XOR_HEADS and lines == reasons.xor_table(range(50))
    assert "more of the signal is XOR, 0.3 of it and not 0.04" in PAGE
    assert float(lines[3][1]) == pytest.approx(0.3, abs=0.03) and lines[0][1] == "0.04"


def test_the_readme_has_the_table_of_clipping():
    heads, lines = lines_of("clipping")
    assert heads == reasons.CLIPPING_HEADS
    assert lines[:2] == reasons.before_training(range(50)) and len(lines) == 3


@pytest.mark.skipif(os.name == "nt", reason="there, Ctrl-C is sent in another way")
@pytest.mark.parametrize(
    "words",
    ["convergence.py depths", "reasons.py", "causes.py causes", "causes.py rules", "speed.py"],
)
def test_ctrl_c_ends_a_benchmark_with_the_lines_so_far(words):
    command = [sys.executable, *f"tests/benchmarks/{words}".split()]
    with start(command, start_new_session=True) as process:  # a group, as at a terminal
        assert process.stdout.readline()  # it has begun
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130 and not err.strip()
    assert all(line.startswith("|") for line in out.splitlines() if line)


def test_ctrl_c_leaves_no_finished_line_out():
    def interrupted(timeout=None):
        raise KeyboardInterrupt

    there = mock.Mock(ready=lambda: True, get=lambda: ["50/50"])
    waited_for = mock.Mock(ready=lambda: False, get=interrupted)
    lines = tables.finished([(["a"], [waited_for]), (["b"], [there])])
    assert next(lines) == ["b", "50/50"]
    with pytest.raises(KeyboardInterrupt):
        next(lines)


@pytest.mark.parametrize("losses", [speed.script_losses("residual", 3), speed.wide_losses(32, 64)])
def test_the_floor_trains_like_the_scripts(losses):
    for _, shipped, floor in zip(range(200), *losses):
        assert shipped == pytest.approx(floor, rel=1e-9)
