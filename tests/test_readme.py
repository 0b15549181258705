"""What the README shows and says: its captures, commands, counts, sentences and listings."""

import inspect
import math
import re
import sys

import numpy as np
import pytest

from batch import parsed
from test_layers import ResidualOfTheChapter
from test_scripts import MAIN, PLAIN, PROMPT, RESIDUAL, ROOT, finished, printed
from ulp import moved
from XORgatemultihiddenlayers import X, build_network, passed_on, signal_error_gradient, train

README = (ROOT / "README.md").read_text(encoding="utf-8")
DENSE, RESIDUAL_ = MAIN[PLAIN][0], MAIN[RESIDUAL][0]
MEASURED = (ROOT / "tests/benchmarks/README.md").read_text(encoding="utf-8")


def captures():
    """Return (script, options, lines shown) of each capture in the README."""
    blocks = re.findall(r"^```\n\$ python3 (\S+) ?(.*)\n((?:.*\n)+?)```$", README, re.MULTILINE)
    return [(script, options, shown.splitlines()) for script, options, shown in blocks]


def same(shown, line):
    """Tell whether two lines are equal up to what roundings move: nothing in epoch 1."""
    number = r"\d+(?:\.\d+)?(?:e[+-]\d+)?"
    if line.startswith("epoch: 1 /"):
        return shown == line
    if re.sub(f"{number}| |#", "", shown) != re.sub(f"{number}| |#", "", line):
        return False
    pairs = zip(re.findall(number, shown), re.findall(number, line), strict=True)
    return all(
        math.isclose(float(a), float(b), rel_tol=0.02, abs_tol=2e-4 if "e" not in a else 0)
        for a, b in pairs
    )


@pytest.mark.parametrize(("script", "options", "shown"), captures())
def test_a_capture_shows_what_is_printed(script, options, shown, long_runs):
    if options:
        lines = printed(script, *options.split()).splitlines()
    else:
        lines = long_runs(script, 10).replace(PROMPT[script], PROMPT[script] + "10\n").splitlines()
    for part in "\n".join(shown).split("\n...\n"):
        part = part.removeprefix("...\n").removesuffix("\n...").splitlines()
        while not all(map(same, part, lines)):
            lines = lines[1:]
            assert len(lines) >= len(part), part
        lines = lines[len(part) :]


def trained(network, goal=0.0, **options):
    """Train to this loss; return the last (epoch, loss)."""
    with np.errstate(all="ignore"):
        for epoch, loss in train(network, **options):
            if loss <= goal:
                break
    return epoch, loss


@np.errstate(all="ignore")
def factors(network, n=10):
    signals, errors, _ = signal_error_gradient(network)
    return passed_on(signals, errors, n)


def test_the_mean_is_learned_within_ten_epochs(copy):
    assert "L = 4 * 0.5^2 / 2 = 0.5. It learns that within ten epochs" in README
    for seed in range(5):
        network = moved(build_network(DENSE, 10, seed=seed), copy)
        assert trained(network, epochs=10)[1] == pytest.approx(4 * 0.5**2 / 2, abs=2e-5)


def test_at_the_stall_the_gradient_is_at_most_signal_times_error(copy):
    assert "(the row above) times the error, about 1e-7 in each row" in README
    network = moved(build_network(DENSE, 10), copy)
    trained(network, epochs=3000)
    signals, errors, gradients = signal_error_gradient(network)
    arrive = [np.linalg.norm(X - X.mean(axis=0)), *signals]
    for signal, error, gradient in zip(arrive, errors, gradients):
        assert 0.3e-7 < signal * error < 3e-7 and 2e-10 < gradient < min(5e-9, signal * error)
    assert factors(network) == pytest.approx([0.23, 0.23], abs=0.005)
    assert 0.23**10 == pytest.approx(4e-7, rel=0.1)


def test_dense_out_of_the_residual_stack_begins_saturated(copy):
    network = moved(build_network(RESIDUAL_, 10), copy)
    assert network.forward_prop(X) == pytest.approx(1, abs=5e-4)
    assert factors(network) == pytest.approx([1, 1], abs=0.005)
    y = network.layers[0].forward_prop(X)
    for layer in network.layers[1:-1]:
        y, x = layer.forward_prop(y), y
        assert (y > x).all()  # "adds something above 0"


def test_tanh_with_gain_3_explodes_and_clipping_tames_it(copy):
    assert "grows 3.07-fold a layer" in README and "The first step, 5e4 long" in README
    options = {"activation": "tanh", "gain": 3.0}
    network = moved(build_network(DENSE, 10, **options), copy)
    assert factors(network)[1] == pytest.approx(3.07, abs=0.005)
    assert signal_error_gradient(network)[2][0] == pytest.approx(5e4, rel=0.1)
    trained(network, epochs=1, max_norm=math.inf)
    assert factors(network)[0] == 0  # an exact 0 in one of the layers
    network = moved(build_network(DENSE, 10, **options), copy)
    trained(network, epochs=1)
    assert factors(network)[0] > 0.3


def test_the_counts_are_those_of_the_benchmarks():
    def cell(*entries):
        """Return the entries behind these in a line of the benchmarks' tables."""
        start = re.escape("| " + " | ".join(entries) + " |")
        return re.search(rf"^{start}(.*)\|$", MEASURED, re.MULTILINE)[1].replace(" ", "").split("|")

    depths = [cell(f"{n}") for n in range(1, 11)]
    for name, column in ("plain", 0), ("residual", 3):
        solved = "|".join(line[column].removesuffix("/50") for line in depths)
        assert f"|{name}|{solved}|\n" in README
    for gain, count in ("2", "13 learn at 2"), ("3", "44 at 3"):
        assert f"{cell('plain', f'--gain {gain}')[0]}".removesuffix("/50") == count.split()[0]
        assert count in README


def commands():
    return re.findall(r"^\| [\d.]* ?\| `python3 (\S+) (.*)` \| (.*) \|$", README, re.MULTILINE)


@pytest.mark.parametrize(("script", "options", "what"), commands())
def test_a_command_of_the_chapters_sections_shows_what_it_says(script, options, what, copy):
    hidden_layer, n, training, network = parsed("plain" if script == PLAIN else "residual", options)
    network = moved(build_network(hidden_layer, n, **network), copy)
    if " learn" in what:
        epoch, loss = trained(network, goal=0.01, **training)
        assert loss <= 0.01 and epoch < 30_000
    else:
        assert training["epochs"] <= 30_000 and "vanishes" in what or "explodes" in what
        assert (factors(network)[1] > 2) == ("explodes" in what)
        assert trained(network, **training)[1] == pytest.approx(0.5, abs=1e-3)


def test_the_chapters_own_class_in_the_residual_script(tmp_path):
    ours = "from residual import ResidualConnection"
    assert f"replace `{ours}` by `import layers as Layers`" in README
    source = (ROOT / RESIDUAL).read_text(encoding="utf-8")
    assert source.count(ours) == 1
    theirs = inspect.getsource(ResidualOfTheChapter)
    theirs = theirs.replace("OfTheChapter", "Connection").replace(" Dense(", " Layers.Dense(")
    source = source.replace(ours, "import layers as Layers\n" + theirs)
    (tmp_path / RESIDUAL).write_text(source, encoding="utf-8")
    words = [sys.executable, "-W", "error", tmp_path / RESIDUAL, "10", "--seed", "3"]
    status, text, error = finished(words, env={"PYTHONPATH": str(ROOT)})
    assert (status, error) == (0, "")
    before = printed(RESIDUAL, "10", "--seed", "3").splitlines()
    changed = [(a, b) for a, b in zip(before, text.splitlines(), strict=True) if a != b]
    row = "ResidualConnection (Residual (None, ?)                 20"
    assert changed == [(f"residual_{i} (Dense){'':11}(None, 4){'':17}20", row) for i in range(10)]


def test_the_readme_is_short_and_speaks_of_all_its_captures():
    assert len(README.splitlines()) <= 160 and len(README.split()) <= 1300
    assert len(captures()) == README.count("$ python3 ") == 4
    assert len(commands()) == 8 and sum(" learn" in what for _, _, what in commands()) == 5
