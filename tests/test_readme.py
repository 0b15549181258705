"""What the README shows and says: its captures, commands, counts, sentences and listings."""

import inspect
import math
import re
import sys
from unittest.mock import MagicMock

import numpy as np
import pytest

from batch import parsed, scaled
from helpers import (
    MAIN,
    PLAIN,
    PROMPT,
    RESIDUAL,
    ROOT,
    ResidualOfTheChapter,
    finished,
    printed,
)
from reasons import factors_of_gradients
from ulp import moved
from XORgatemultihiddenlayers import X, build_network, passed_on, signal_error_gradient, train

README = (ROOT / "README.md").read_text(encoding="utf-8")
DENSE, RESIDUAL_ = MAIN[PLAIN][0], MAIN[RESIDUAL][0]


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


def test_the_mean_is_learned_within_ten_epochs_and_then_the_gradient_is_as_small_everywhere(
    rounding,
):
    assert "L = 4 * 0.5^2 / 2 = 0.5" in README and "within ten epochs" in README
    for seed in range(5):
        network = moved(build_network(DENSE, 10, seed=seed), rounding)
        assert trained(network, epochs=10)[1] == pytest.approx(4 * 0.5**2 / 2, abs=2e-5)
    assert "about 1e-9" in README
    network = moved(build_network(DENSE, 10), rounding)
    trained(network, epochs=3000)
    signals, errors, gradients = signal_error_gradient(network)
    assert all(4e-10 < gradient < 3e-9 for gradient in gradients)
    arrive = [np.linalg.norm(X - X.mean(axis=0)), *signals]
    for signal, error, gradient in zip(arrive, errors, gradients):
        assert 0.3e-7 < signal * error < 3e-7 and gradient < signal * error
    assert factors(network) == pytest.approx([0.23, 0.23], abs=0.005)
    assert 0.23**10 == pytest.approx(4e-7, rel=0.1)


def test_the_gradient_is_signal_times_error_times_slope_times_the_xor_in_the_signal(rounding):
    assert "0.04 is 1.5e-9" in README
    network = moved(build_network(DENSE, 10), rounding)
    trained(network, epochs=3000)
    lines = factors_of_gradients(network)
    signal, xor, error, slope, gradient, share = lines[-1]
    assert signal == pytest.approx(1.5e-7, rel=0.05) and error == pytest.approx(1, rel=0.01)
    assert slope == pytest.approx(0.25, abs=0.001)
    assert gradient == pytest.approx(1.5e-9, rel=0.05)
    assert xor == pytest.approx(0.04, abs=0.001) == share
    for _, xor, _, _, _, share in lines[1:]:  # less than 0.04 in the early layers of seed 0
        assert 0.015 < xor < 0.045 and share == pytest.approx(xor, rel=0.15)


def test_from_the_chapters_weights_the_residual_run_is_that_of_the_chapter(rounding):
    assert "a thousand epochs" in README
    network = moved(build_network(RESIDUAL_, 10, init="uniform"), rounding)
    losses = dict(train(network, epochs=6000))
    assert losses[1] > 0.99999 and losses[1000] > 0.9999 and losses[6000] < 0.01
    assert min(losses[epoch] for epoch in range(1, 1001)) > 0.999


def test_dense_out_of_the_residual_stack_begins_saturated(rounding):
    assert "h is 8" in README
    network = moved(build_network(RESIDUAL_, 10), rounding)
    assert network.forward_prop(X) == pytest.approx(1, abs=5e-4)
    assert network.layers[-1].h == pytest.approx(8, abs=0.2)
    assert factors(network) == pytest.approx([1, 1], abs=0.005)
    y = network.layers[0].forward_prop(X)
    for layer in network.layers[1:-1]:
        y, x = layer.forward_prop(y), y
        assert (y > x).all()  # "each F(x) is above 0, so x grows from layer to layer"
    assert "length of 12" in README
    assert np.linalg.norm(y, axis=1) == pytest.approx(12, abs=0.6)


def test_the_residual_run_zigzags_between_the_answers_of_the_page(rounding):
    assert "near 0.57" in README and "near 0.06" in README
    network = moved(build_network(RESIDUAL_, 10), rounding)
    trained(network, epochs=12)
    assert network.forward_prop(X) == pytest.approx(0.57, abs=0.015)
    trained(network, epochs=1)
    assert network.forward_prop(X) == pytest.approx(0.06, abs=0.015)


def test_a_step_that_is_not_clipped_saturates_dense_out_for_good(rounding):
    for told in "first eleven", "epoch 22", "1.2 long", "to 13.5", "2600", "about 21":
        assert told in README
    clipped = moved(build_network(RESIDUAL_, 10), rounding)
    free = moved(build_network(RESIDUAL_, 10), rounding)
    for network, max_norm in (clipped, 0.25), (free, math.inf):
        trained(network, epochs=11, max_norm=max_norm)
    assert all(map(np.array_equal, clipped.get_params(), free.get_params()))
    trained(free, epochs=11, max_norm=math.inf)
    step = np.sqrt(sum((grad**2).sum() for grad in free.get_grads()))
    assert step == pytest.approx(1.2, abs=0.05)
    dense_out = free.layers[-1]
    free.forward_prop(X)
    assert dense_out.h == pytest.approx(13.5, abs=0.5)
    losses = [loss for _, loss in train(free, epochs=3000, max_norm=math.inf)]
    (out,) = [epoch for epoch, loss in enumerate(losses, 23) if loss < 0.9]
    assert out == pytest.approx(2650, abs=100)
    assert dense_out.h.mean() == pytest.approx(21, abs=1.5)


def test_a_stack_that_tells_one_sample_apart_fails_at_a_third(rounding):
    (options,) = re.findall(
        "`python3 XORgatemultihiddenlayers.py (10 --activation relu .*)`", README
    )
    _, n, training, network = parsed("plain", options)
    network = moved(build_network(DENSE, n, **network), rounding)
    assert trained(network, **training)[1] == pytest.approx(1 / 3, abs=1e-3)
    answers = sorted(network.forward_prop(X).ravel())
    assert answers == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1], abs=0.01)


def test_tanh_with_gain_3_explodes_and_clipping_tames_it(rounding):
    assert "3.07" in README and "5e4" in README
    for max_norm in math.inf, 0.25:
        network = moved(build_network(DENSE, 10, activation="tanh", gain=3.0), rounding)
        assert factors(network)[1] == pytest.approx(3.07, abs=0.005)
        assert signal_error_gradient(network)[2][0] == pytest.approx(5e4, rel=0.1)
        trained(network, epochs=1, max_norm=max_norm)
        assert (factors(network)[0] > 0.3) == (max_norm == 0.25)  # or the signal ends


def commands():
    return re.findall(r"^\|.*\| `python3 (\S+) (.*)` \| (.*) \|$", README, re.MULTILINE)


@pytest.mark.parametrize(("script", "options", "what"), commands())
def test_a_command_of_the_chapters_sections_shows_what_it_says(script, options, what, rounding):
    hidden_layer, n, training, network = parsed("plain" if script == PLAIN else "residual", options)
    network = moved(build_network(hidden_layer, n, **network), rounding)
    if " learn" in what:
        epoch, loss = trained(network, goal=0.01, **training)
        assert loss <= 0.01 and epoch < 30_000
    else:
        assert "vanishes" in what or "explodes" in what
        assert training["epochs"] <= 30_000
        assert (factors(network)[1] > 2) == ("explodes" in what)
        assert trained(network, **training)[1] == pytest.approx(0.5, abs=1e-3)


def test_the_chapters_own_class_in_the_residual_script(tmp_path):
    ours = "from residual import ResidualConnection"
    assert f"`{ours}`" in README and "`import layers as Layers`" in README
    source = (ROOT / RESIDUAL).read_text(encoding="utf-8")
    assert source.count(ours) == 1
    theirs = inspect.getsource(ResidualOfTheChapter)
    theirs = theirs.replace("OfTheChapter", "Connection").replace(" Dense(", " Layers.Dense(")
    assert "`skip, batch_norm, **options`" in README
    theirs = theirs.replace("func, **options):", "func, skip, batch_norm, **options):")
    source = source.replace(ours, "import layers as Layers\n" + theirs)
    (tmp_path / RESIDUAL).write_text(source, encoding="utf-8")
    words = [sys.executable, "-W", "error", tmp_path / RESIDUAL, "10", "--seed", "3"]
    status, text, error = finished(words, env={"PYTHONPATH": str(ROOT)})
    assert (status, error) == (0, "")
    before = printed(RESIDUAL, "10", "--seed", "3").splitlines()
    changed = [(a, b) for a, b in zip(before, text.splitlines(), strict=True) if a != b]
    row = "ResidualConnection (Residual (None, ?)                 20"
    assert changed == [(f"residual_{i} (Dense){'':11}(None, 4){'':17}20", row) for i in range(10)]


def test_half_of_x_passes_on_half_and_learns_late(rounding):
    assert "0.53 of the signal and 0.56 of the error" in README
    network = moved(build_network(scaled(0.5), 10), rounding)
    assert factors(network) == pytest.approx([0.53, 0.56], abs=0.005)
    epoch, loss = trained(network, goal=0.01)
    assert "epoch 23000" in README and epoch == pytest.approx(23000, rel=0.05)


def test_the_lines_for_a_notebook(monkeypatch):
    pyplot = MagicMock()
    monkeypatch.setitem(sys.modules, "matplotlib", MagicMock(pyplot=pyplot))
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", pyplot)
    (lines,) = re.findall("```python\n(.*?)```", README, re.DOTALL)
    exec(lines.replace("20000", "20"), {})
    (epochs, losses), _ = pyplot.semilogy.call_args
    assert epochs == tuple(range(1, 21)) and losses[0] > losses[-1]


def test_no_capture_and_no_command_of_the_readme_is_overlooked():
    assert len(captures()) == README.count("$ python3 ") == 6
    assert len(commands()) == 9 and sum(" learn" in what for _, _, what in commands()) == 6
