"""The benchmarks: their batched networks beside the shipped ones, and their README."""

import contextlib
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
from helpers import README as PAGE
from helpers import TIMEOUT, start, told
from XORgatemultihiddenlayers import signal_error_gradient, train

SEEDS, GOAL = range(4), 0.1
README = (Path(__file__).parent / "benchmarks" / "README.md").read_text(encoding="utf-8")


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
        ("rules, --first 800", causes.RULE_HEADS, "0 to 1e-07"),
    ],
)
def test_the_readme_has_the_heads_of_what_takes_longer(table, heads, first):
    found, lines = lines_of(table)
    assert found == heads and lines[0][0] == first
    assert all(len(line) == len(heads) for line in lines)


def test_the_random_stacks_are_counted_by_what_meets_in_a_layer():
    outcomes = [
        ("plain", "relu", 1e-8, 1e-4, False, None),
        ("plain", "tanh", 0.5, 20.0, True, False),
        ("residual", "sigmoid", 5.0, 0.01, True, True),
    ]
    lines = [line[1:] for line in causes.by_product(outcomes)]
    none = "0/0"
    assert lines == [
        6 * [none],
        6 * [none],
        [none, none, none, none, none, "0/1"],
        [none, none, none, "1/1", "1/1", none],
        ["1/1", "1/1", none, none, none, none],
        [none, none, "1/1", none, "0/1", none],
    ]


def test_the_products_of_a_stack_are_those_of_its_chart():
    [network] = batch.networks(("plain", "3 --batch-norm"), [0])
    signals, errors, _ = signal_error_gradient(network)
    rows = [signal * error for signal, error in zip([2**0.5, *signals], errors)]
    with_slope, charted = causes.products(network)
    assert charted == pytest.approx(max(rows[:-1]))
    slopes = [layer.deriv_activate_func(layer.h).mean() for layer in network.layers[2:7:2]]
    slopes = [network.layers[0].deriv_activate_func(network.layers[0].h).mean(), *slopes]
    slopes += [network.layers[-1].deriv_activate_func(network.layers[-1].h).mean()]
    dense = [rows[0], *rows[2:7:2], rows[-1]]
    assert with_slope == pytest.approx(max(s * row for s, row in zip(slopes, dense, strict=True)))


def cell(*entries):
    """Return the entries behind these in a line of the benchmarks' tables, without the "/50"."""
    start = re.escape("| " + " | ".join(entries) + " |")
    line = re.search(rf"^{start}(.*) \|$", README, re.MULTILINE)[1]
    return [entry.strip().removesuffix("/50") for entry in line.split("|")]


def of_100(*entries):
    """Return how many of both sets of seeds are solved, of a line of the benchmarks' tables."""
    solved, *_, more = cell(*entries)
    return int(solved) + int(more)


def test_the_projects_page_tells_these_counts():
    depths = [cell(f"{n}") for n in range(1, 11)]
    plain = [line[0] for line in depths]
    residual = [line[3] for line in depths]
    gains = [cell("plain", f"--gain {gain}")[0] for gain in (2, 3, 4)]
    relu_6 = int(depths[5][6]) + int(depths[5][8])
    told(
        "| " + " | ".join(["plain", *plain]) + " |\n",
        "| " + " | ".join(["residual", *residual]) + " |\n",
        f"{relu_6} of 100 seeds do",
        f"none learns at gain 1, {gains[0]} at 2, {gains[1]} at 3, and {gains[2]} at 4",
        f"{cell('y = 0.5 x + F(x)')[1]} with 0.5 x",
        f"mean slope is {cell('plain', '--gain 4')[4]}, not {cell('plain', 'none')[4]}",
    )
    found = re.search(r"about (\d+), (\d+), (\d+) and (\d+) epochs", PAGE).groups()
    epochs = [int(line[1]) for line in depths[:4]]
    assert epochs == pytest.approx([*map(int, found)], rel=0.06)
    for options in "--max-norm inf", "--init uniform":
        assert cell("residual", options)[-3] == "1.00"  # fails at
    told("two of three seeds fail", "About two of three seeds end like this")
    assert of_100("residual", "--max-norm inf") == pytest.approx(100 / 3, abs=10)
    told(f"({of_100('residual', '--init uniform')} of 100 seeds learn; the others")


def test_the_projects_page_tells_what_happens_without_a_cause():
    residual = "residual, y = x + F(x)"
    for phrase, entries in [
        ("Ten plain layers learn, with each of 100", "plain, f(h) = 4 sigmoid(h) - 2"),
        ("all 100 learn as well", "plain, f(h) = 4 sigmoid(h) - 1.5"),
        ("slope of 1/4 again, none", "plain, f(h) = sigmoid(h) - 0.5"),
        ("92 of 100", "residual, y = F(x), dx = dy + dF"),
        ("nor do 67 of 100", f"{residual}, dx = dF"),
        ("Then each of 100", f"{residual} - 0.5, dx = dF"),
        ("99 of 100", "residual, the hidden layers frozen"),
        ("Each of 100", f"{residual} - 0.5"),
        ("Each of 100", "residual --max-norm inf, y = x + F(x) - 0.5"),
        ("Each of 100", "residual, 100 layers, y = x + F(x) - 0.5"),
        ("31 of 100 seeds learn, where", "tanh, gain 3 --max-norm inf, X = 2 X - 1"),
        ("96 of 100", "f(h) = 2.4 sigmoid(h) - 0.7"),
        ("lets none", "gain 4 of dense_in alone"),
        ("17 of 100", "relu, he"),
        ("98 of 100 seeds learn, and not 17", "relu, he, f(h) = max(h, 0.3 h)"),
    ]:
        told(phrase)
        solved = of_100(entries)
        if "none" in phrase:
            assert solved == 0
        elif "each" in phrase.lower() or "all" in phrase:
            assert solved == 100
        else:
            number = int(re.search(r"\d+", phrase)[0])
            assert solved == (100 - number if "nor" in phrase else number)
    dead = [of_100(when) for when in ("at the start", "only later", "never")]
    told(f"Of the {sum(dead)} others {dead[0]} have", f"{dead[1]} get one later")
    told(f"{dead[2]} have none")
    told("where none did; clipped 98.")
    assert of_100("tanh, gain 3 --max-norm inf") == 0
    assert of_100("tanh, gain 3, X = 2 X - 1") == 98
    assert of_100("plain, 10 layers, T = x0") == 0
    epochs = [
        int(cell(what)[1])
        for what in ("residual, y = x + F(x) - 0.5", "residual --max-norm 0.0025")
    ]
    as_it_is = int(cell("residual", "none")[1])
    told("four times as fast as without", "4300 epochs", "and not 1000")
    assert [as_it_is / 4, 4300, 1000] == pytest.approx([*epochs, as_it_is], rel=0.15)
    signal, error = cell("gain 4")[2:4]
    told("= 0.5 (medians)")
    assert [float(signal), float(error)] == pytest.approx([0.5, 0.5], abs=0.015)


def test_the_projects_page_tells_the_factors_of_each_sample():
    zero, *others = cell("tanh, gain 3", "X")[:4]
    told("2.7 in the median", "0.7 a layer in the median")
    assert float(zero) == pytest.approx(2.7, abs=0.05)
    assert all(float(other) == pytest.approx(0.7, abs=0.07) for other in others)
    zero, *others = cell("tanh, gain 3, 64 nodes", "X")[:4]
    told("0 XOR 0 by 3.0 a layer, the others by 1.4")
    assert float(zero) == pytest.approx(3, abs=0.05)
    assert all(float(other) == pytest.approx(1.4, abs=0.07) for other in others)
    told("Glorot's would keep 0.9")
    assert float(cell("tanh, gain 1", "X")[0]) == pytest.approx(0.9, abs=0.01)


def test_the_projects_page_tells_what_a_chart_predicts():
    tables = [lines_of(table)[1] for table in ("rules", "rules, --first 800")]
    counts = [[[[*map(int, entry.split("/"))] for entry in line[1:]] for line in t] for t in tables]
    counts = np.sum(counts, axis=0)  # (limits, columns, [learned, tried])
    chart = counts[:, 2] + counts[:, 3]
    low, middle, high = chart[:2].sum(axis=0), chart[2], chart[3:].sum(axis=0)
    told(f"{chart.sum(axis=0)[1]} random stacks", "below 1e-5, {} of {} learned".format(*low))
    told("up to 1e-3, {} of {};".format(*middle), "above, {} of {}.".format(*high))
    free, tried = counts[-1, 4]
    told(f"of the {tried} with a product above 10, {free} learned, and clipped {chart[-1][0]}")
    relu = counts[:, 5]
    told("with ReLU {} of {} stacks learned".format(*relu.sum(axis=0)))
    told("above 10 only {} of {},".format(*relu[-1]))


@pytest.mark.trained
@pytest.mark.parametrize(
    ("table", "line", "i"),
    [("depths", 1, 1), ("deep", 0, 2), ("remedies", 14, 0)],
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
    told("0.2 to 0.3 of it, and not 0.03 to 0.04")
    assert "\n| 1 | 0.04 | 0.03 |\n" in README and "\n| 4 | 0.28 | 0.20 |\n" in README


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
        try:
            assert process.stdout.readline()  # it has begun
            os.killpg(process.pid, signal.SIGINT)
            out, err = process.communicate(timeout=TIMEOUT)
        finally:
            process.kill()
    assert process.returncode == 130 and not err.strip()
    assert all(line.startswith("|") for line in out.splitlines() if line)


def test_ctrl_c_leaves_no_random_stack_out(monkeypatch):
    class Pool:
        def imap_unordered(self, function, stacks):
            yield "plain", "tanh", 0.5, 20.0, True, False
            raise KeyboardInterrupt

    monkeypatch.setattr(causes, "workers", lambda: contextlib.nullcontext(Pool()))
    lines = causes.rule_lines(2 * [None])
    assert [next(lines) for _ in range(6)][-1][1:] == ["0/0", "0/0", "1/1", "0/0", "0/1", "0/0"]
    with pytest.raises(KeyboardInterrupt):
        next(lines)


def test_ctrl_c_leaves_no_measured_speed_out(monkeypatch, capsys):
    def measure(cells, least):
        least["1 plain"] = [30.0, 12.0]
        raise KeyboardInterrupt

    monkeypatch.setattr(speed, "measure", measure)
    with pytest.raises(KeyboardInterrupt):
        speed.main()
    assert capsys.readouterr().out.endswith("| 1 plain | 30.0 | 12.0 | 2.50 |\n")


def test_ctrl_c_leaves_no_finished_line_out():
    def interrupted(timeout=None):
        raise KeyboardInterrupt

    there = mock.Mock(ready=lambda: True, get=lambda: ["50/50"])
    waited_for = mock.Mock(ready=lambda: False, get=interrupted)
    cells = [("a", [waited_for]), ("b", [there, waited_for]), ("c", [there, there])]
    lines = tables.finished([([label], results) for label, results in cells])
    assert next(lines) == ["c", "50/50", "50/50"]
    with pytest.raises(KeyboardInterrupt):
        next(lines)


@pytest.mark.parametrize("losses", [speed.script_losses("residual", 3), speed.wide_losses(32, 64)])
def test_the_floor_trains_like_the_scripts(losses):
    for _, shipped, floor in zip(range(200), *losses):
        assert shipped == pytest.approx(floor, rel=1e-9)
