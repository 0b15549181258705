"""The benchmarks: their batched networks beside the shipped ones, and their README."""

import re
from pathlib import Path

import numpy as np
import pytest

import batch
import convergence
import reasons
import speed
from XORgatemultihiddenlayers import train

SEEDS, GOAL = range(4), 0.1
README = (Path(__file__).parent / "benchmarks" / "README.md").read_text(encoding="utf-8")
PAGE = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def lines_of(section):
    """Return the heads and the lines of a section's table, without the seeds 50 to 99."""
    text = README.split(f"\n## {section}\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    entries = [line.strip("| ").split(" | ") for line in lines]
    kept = [i for i, head in enumerate(entries[0]) if head != "seeds 50 to 99"]
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


def agree(cell, networks):
    """Compare the batch's losses with those of the networks; a seed that stopped keeps its loss."""
    _, _, training, _ = batch.parsed(*cell[:2])
    found = [losses for _, losses, _ in batch.train(cell, SEEDS, GOAL)]
    expected = [list(shipped_losses(network, training)) for network in networks]
    longest = max(map(len, expected))
    assert len(found) <= longest  # shorter where an update changes nothing
    found += (longest - len(found)) * found[-1:]
    for losses, shipped in zip(np.transpose(found), expected, strict=True):
        shipped += (longest - len(shipped)) * shipped[-1:]
        np.testing.assert_allclose(losses, shipped, rtol=0, atol=1e-9)


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
    agree(cell, batch.networks(cell, SEEDS))


def test_the_batch_has_the_losses_of_connections_that_are_changed():
    line = "10 --epochs 100 --learning-rate 0.5"
    agree(("residual", line, ("a", 0)), batch.networks(("plain", line), SEEDS))
    half = "residual", line, ("a", 0.5)
    agree(half, batch.networks(half, SEEDS))
    agree(("residual", line, ("a", 1)), batch.networks(("residual", line), SEEDS))


@pytest.mark.parametrize("table", convergence.TABLES)
def test_the_readme_shows_each_table(table):
    (heads, lines), (expected, _, labelled) = lines_of(table), convergence.TABLES[table]
    assert heads == expected
    for line, (labels, _) in zip(lines, labelled, strict=True):
        assert line[: len(labels)] == labels and len(line) == len(heads)


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


@pytest.mark.parametrize("losses", [speed.script_losses("residual", 3), speed.wide_losses(32, 64)])
def test_the_floor_trains_like_the_scripts(losses):
    for _, shipped, floor in zip(range(200), *losses):
        assert shipped == pytest.approx(floor, rel=1e-9)
