"""What the README shows and says: its captures, commands, counts, sentences and listings."""

import contextlib
import inspect
import math
import os
import re
import sys
from unittest.mock import MagicMock

import numpy as np
import pytest

import test_gradients
from activations import ACTIVATIONS
from batch import data, networks, parsed
from causes import TANH, errors_of_samples
from helpers import (
    ENVIRONMENT,
    MAIN,
    PLAIN,
    PROMPT,
    README,
    RESIDUAL,
    ROOT,
    ResidualOfTheChapter,
    command,
    experiments,
    finished,
    losses,
    printed,
    printed_edited,
    told,
)
from reasons import factors_of_gradients
from ulp import moved
from XORgatemultihiddenlayers import (
    T,
    X,
    build_network,
    conclusion,
    passed_on,
    signal_error_gradient,
    train,
)

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
    assert_shown("\n".join(shown), lines)


def assert_shown(shown, lines):
    """Assert that these lines are printed, one part after the other; between them stands `...`."""
    for part in shown.split("\n...\n"):
        part = part.removeprefix("...\n").removesuffix("\n...").splitlines()
        while not all(map(same, part, lines)):
            lines = lines[1:]
            assert len(lines) >= len(part), part
        lines = lines[len(part) :]


@pytest.mark.parametrize("i", range(len(experiments())))
def test_an_experiment_shows_what_the_page_tells(i, experiment_outputs):
    *_, shown = experiments()[i]
    assert_shown(shown.rstrip(), experiment_outputs[i].result().splitlines())


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


def layer_factors(sizes):
    """Return each hidden layer's factor on the way down, the one of each row by the row above."""
    return np.array(sizes[1:-1]) / np.array(sizes[:-2])


def test_the_mean_is_learned_within_ten_epochs_and_then_the_gradient_is_as_small_everywhere(
    rounding,
):
    told("4 * 0.5^2 / 2 = 0.5", "ten epochs", "0.23^10 = 4e-7", "about 1e-7", "about 1e-9")
    for seed in range(5):
        network = moved(build_network(DENSE, 10, seed=seed), rounding)
        assert trained(network, epochs=10)[1] == pytest.approx(4 * 0.5**2 / 2, abs=2e-5)
    network = moved(build_network(DENSE, 10), rounding)
    told("After thirty")
    trained(network, epochs=31)
    assert max(signal_error_gradient(network)[2]) < 3e-9
    trained(network, epochs=2969)
    signals, errors, gradients = signal_error_gradient(network)
    assert all(4e-10 < gradient < 3e-9 for gradient in gradients)
    arrive = [np.linalg.norm(X - X.mean(axis=0)), *signals]
    for signal, error, gradient in zip(arrive, errors, gradients):
        assert 0.3e-7 < signal * error < 3e-7 and gradient < signal * error
    assert factors(network) == pytest.approx([0.23, 0.23], abs=0.005)
    assert 0.23**10 == pytest.approx(4e-7, rel=0.1)
    told("0.14 to 0.37")
    passed = [*layer_factors(signals), *(1 / layer_factors(errors))]
    assert 0.13 < min(passed) and max(passed) < 0.375


def test_the_gradient_is_signal_times_error_times_slope_times_the_xor_in_the_signal(rounding):
    told("0.04 is 1.5e-9")
    network = moved(build_network(DENSE, 10), rounding)
    trained(network, epochs=3000)
    lines = factors_of_gradients(network)
    signal, xor, error, slope, gradient, share = lines[-1]
    assert signal == pytest.approx(1.5e-7, rel=0.05) and error == pytest.approx(1, rel=0.01)
    assert slope == pytest.approx(0.25, abs=0.001)
    assert gradient == pytest.approx(1.5e-9, rel=0.05)
    assert xor == pytest.approx(0.04, abs=0.001) == share
    told("0.04 of the signal (0.02 in the first layers)")
    for _, xor, _, _, _, share in lines[1:]:  # less than 0.04 in the early layers of seed 0
        assert 0.015 < xor < 0.045 and share == pytest.approx(xor, rel=0.15)


def test_from_the_chapters_weights_the_residual_run_is_that_of_the_chapter(rounding):
    told("a thousand epochs")
    network = moved(build_network(RESIDUAL_, 10, init="uniform"), rounding)
    losses = dict(train(network, epochs=6000))
    assert losses[1] > 0.99999 and losses[1000] > 0.9999 and losses[6000] < 0.01
    assert min(losses[epoch] for epoch in range(1, 1001)) > 0.999


def test_dense_out_of_the_residual_stack_begins_saturated(rounding):
    told("an h of 8", "5 to 7", "length of 12", "e^-8 = 3e-4", "0.85 to 1.07")
    told("weights, 0.8, 0.0, -0.3 and 1.1", "1e-3 in the row of dense_in", "this product is 0.5")
    network = moved(build_network(RESIDUAL_, 10), rounding)
    assert network.forward_prop(X) == pytest.approx(1, abs=5e-4)
    assert factors(network) == pytest.approx([1, 1], abs=0.005)
    _, errors, _ = signal_error_gradient(network)
    assert 0.845 < min(1 / layer_factors(errors)) and max(1 / layer_factors(errors)) < 1.075
    y = network.layers[0].forward_prop(X)
    for layer in network.layers[1:-1]:
        y, x = layer.forward_prop(y), y
        assert (y > x).all()  # "each F(x) is above 0, so x grows from layer to layer"
    dense_out = network.layers[-1]
    dense_out.forward_prop(y)
    assert (4.8 < y).all() and (y < 7.2).all()
    assert np.linalg.norm(y, axis=1) == pytest.approx(12, abs=0.6)
    assert dense_out.W.ravel() == pytest.approx([0.8, 0.0, -0.3, 1.1], abs=0.05)
    assert dense_out.h == pytest.approx(8, abs=0.2)
    assert dense_out.deriv_activate_func(dense_out.h) == pytest.approx(3.4e-4, rel=0.2)
    assert errors[0] * 2**0.5 == pytest.approx(1e-3, rel=0.05)
    trained(network, epochs=12)
    assert signal_error_gradient(network)[1][0] * 2**0.5 == pytest.approx(0.5, abs=0.05)


def test_the_residual_run_zigzags_until_the_last_clipped_step(rounding):
    told("near 0.57", "near 0.06", "epoch 746")
    network = moved(build_network(RESIDUAL_, 10), rounding)
    trained(network, epochs=12)
    assert network.forward_prop(X) == pytest.approx(0.57, abs=0.015)
    trained(network, epochs=1)
    assert network.forward_prop(X) == pytest.approx(0.06, abs=0.015)
    losses = np.array([loss for _, loss in train(network, epochs=1500)])
    last_rise = 14 + np.flatnonzero(np.diff(losses) > 0).max()
    assert last_rise == pytest.approx(746, abs=10)
    network = moved(build_network(RESIDUAL_, 10), rounding)
    losses = [loss for _, loss in train(network, epochs=1000, max_norm=0.0025)]
    told("one rise, of 0.000003")
    assert max(np.diff(losses)) < 2e-5


def test_a_step_that_is_not_clipped_saturates_dense_out_for_good(rounding):
    told("first eleven", "epoch 22", "1.2 long", "to 13.5", "2600", "about 21")
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
        "`python3 XORgatemultihiddenlayers.py (10 --activation relu .*?)`", README
    )
    _, n, training, network = parsed("plain", options)
    network = moved(build_network(DENSE, n, **network), rounding)
    assert trained(network, **training)[1] == pytest.approx(1 / 3, abs=1e-3)
    answers = sorted(network.forward_prop(X).ravel())
    assert answers == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1], abs=0.01)


def test_a_stack_whose_dense_out_is_saturated_fails_at_1(rounding):
    (options,) = re.findall("`python3 XORgateresidualconnectionlayers.py (10 --max.*?)`", README)
    _, n, training, network = parsed("residual", options)
    network = moved(build_network(RESIDUAL_, n, **network), rounding)
    assert trained(network, **training)[1] == pytest.approx(1, abs=1e-3)
    answers = network.forward_prop(X)
    assert answers == pytest.approx(answers[0, 0].round() * np.ones((4, 1)), abs=1e-3)


@np.errstate(all="ignore")
def test_one_sample_explodes_until_the_first_step_clipped_or_not(rounding):
    told(
        "3.07",
        "3.2 here",
        "5e4",
        "by up to 3e4",
        "down to dense_8",
        "0.32 of the error",
        "0.14 long",
    )
    for max_norm in math.inf, 0.25:
        network = moved(build_network(DENSE, 10, activation="tanh", gain=3.0), rounding)
        assert factors(network)[1] == pytest.approx(3.07, abs=0.005)
        _, errors, gradients = signal_error_gradient(network)
        assert gradients[0] == pytest.approx(5e4, rel=0.1)
        assert gradients[:10] == pytest.approx(errors[:10], rel=0.02)
        zero, *others = errors_of_samples(network, X, T).T
        assert (zero[0] / zero[-2]) ** 0.1 == pytest.approx(3.16, abs=0.01)
        assert all(other[0] < other[-2] / 5 for other in others)
        dense_in = network.layers[0]
        assert np.abs(dense_in.db).max() == pytest.approx(3.2e4, rel=0.05)
        assert np.abs(dense_in.dW).max() < 1e-6
        trained(network, epochs=1, max_norm=max_norm)
        if max_norm == 0.25:
            signals, errors, gradients = signal_error_gradient(network)
            assert passed_on(signals, errors, 10) == pytest.approx([1.03, 0.32], abs=0.01)
            assert np.linalg.norm(gradients) == pytest.approx(0.14, abs=0.005)
        else:
            told("The signal ends at dense_in")
            assert conclusion(network.names(), *signal_error_gradient(network)[:2], 10).startswith(
                "The signal ends at dense_in."
            )


@pytest.mark.parametrize(
    ("cell", "error_factor", "last"),
    [
        (("residual", "10", ("shift", -0.5), ("backward", 0.0)), 0.22, 0.002),
        (("plain", TANH, ("nodes", 64), ("X", "2 X - 1")), 1.39, 1e-5),
        (("plain", TANH, ("X", "2 X - 1")), 0.22, 0.5),
        (("plain", f"{TANH} --max-norm inf", ("nodes", 64)), 2.79, None),
        (("plain", f"{TANH} --max-norm inf", ("nodes", 64), ("X", "2 X - 1")), 1.39, None),
    ],
)
def test_what_further_edits_do(cell, error_factor, last, rounding):
    told("0.002 at epoch 2000", "1.39", "300 epochs", "neither learns")
    network = moved(*networks(cell, [0]), rounding)
    x, t, _ = data(cell)
    signals, errors, _ = signal_error_gradient(network, x=x, t=t)
    assert passed_on(signals, errors, 10)[1] == pytest.approx(error_factor, abs=0.006)
    _, _, training, _ = parsed(*cell[:2])
    epochs = 2000 if last else 300  # 64 nodes take long
    epoch, loss = trained(network, goal=1e-5, x=x, t=t, **training | {"epochs": epochs})
    if last is None:
        assert loss > 0.1
    else:
        assert loss == pytest.approx(last, rel=0.2) and (epoch < 400) == (last == 1e-5)


def test_gain_4_saturates_a_layer_of_seed_0(rounding):
    told("slope of 0.004", "passes on 0.05", "the chart says 0.31")
    network = moved(build_network(DENSE, 10, gain=4.0), rounding)
    signals, errors, _ = signal_error_gradient(network)
    dense_5 = network.layers[6]
    assert dense_5.deriv_activate_func(dense_5.h).mean() == pytest.approx(0.004, abs=5e-4)
    assert layer_factors(signals)[5] == pytest.approx(0.05, abs=0.01)
    assert passed_on(signals, errors, 10)[0] == pytest.approx(0.31, abs=0.005)


def commands():
    return re.findall(r"^\|.*\| `python3 (\S+) (.*)` \| (.*) \| .* \|$", README, re.MULTILINE)


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
    theirs = inspect.getsource(ResidualOfTheChapter)
    theirs = theirs.replace("OfTheChapter", "Connection").replace(" Dense(", " Layers.Dense(")
    assert "`skip, batch_norm, **options`" in README
    theirs = theirs.replace("func, **options):", "func, skip, batch_norm, **options):")
    edits = [(ours, "import layers as Layers\n" + theirs)]
    text = printed_edited(RESIDUAL, edits, [[RESIDUAL, "10", "--seed", "3"]], tmp_path)
    before = printed(RESIDUAL, "10", "--seed", "3").splitlines()
    changed = [(a, b) for a, b in zip(before, text.splitlines(), strict=True) if a != b]
    row = "ResidualConnection (Residual (None, ?)                 20"
    assert changed == [(f"residual_{i} (Dense){'':11}(None, 4){'':17}20", row) for i in range(10)]


def test_the_layer_of_the_page_is_checked_by_the_line_of_the_page(monkeypatch):
    (listing,) = re.findall("```python\n(class Scale.*?)```", README, re.DOTALL)
    (line,) = re.findall(r'`("scale": .*),`', README)
    for listed, fits in (listing, True), (listing.replace("self.da = ", "self.da = 2 * "), False):
        names = {"np": np}
        exec(listed, names)
        (kind, make), *_ = eval(f"{{{line}}}", names).items()
        monkeypatch.setitem(test_gradients.KINDS, kind, make)
        for activation in ACTIVATIONS:
            with contextlib.nullcontext() if fits else pytest.raises(AssertionError):
                test_gradients.test_back_prop_of_a_layer_among_others(kind, activation)


def test_the_layer_of_the_page_goes_where_the_page_says(tmp_path):
    (listing,) = re.findall("```python\n(class Scale.*?)```", README, re.DOTALL)
    (line,) = re.findall(r"`(layers.append\(Scale.*\))`", README)
    layers = (ROOT / "layers.py").read_text(encoding="utf-8")
    script = (ROOT / PLAIN).read_text(encoding="utf-8")
    script = script.replace("BatchNormalization, Dense,", "BatchNormalization, Dense, Scale,", 1)
    script = script.replace("    return layers\n", f"    {line}\n    return layers\n", 1)
    (tmp_path / "layers.py").write_text(f"{layers}\n\n{listing}", encoding="utf-8")
    (tmp_path / PLAIN).write_text(script, encoding="utf-8")
    environment = {**ENVIRONMENT, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    words = command(tmp_path / PLAIN, *"2 --epochs 9000".split())
    status, text, error = finished(words, env=environment)
    assert (status, error) == (0, "") and "scale_1 (Scale)              (None, 4)" in text
    assert min(losses(text, 9000).values()) < 0.01


def test_the_lines_for_a_notebook(monkeypatch):
    pyplot = MagicMock()
    monkeypatch.setitem(sys.modules, "matplotlib", MagicMock(pyplot=pyplot))
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", pyplot)
    (lines,) = re.findall("```python\n(from .*?)```", README, re.DOTALL)
    exec(lines.replace("20000", "20"), {})
    (epochs, losses), _ = pyplot.semilogy.call_args
    assert epochs == tuple(range(1, 21)) and losses[0] > losses[-1]


def test_no_capture_and_no_command_of_the_readme_is_overlooked():
    assert len(captures()) == README.count("$ python3 ") == 6
    assert len(experiments()) == README.count("<summary>The screen</summary>") == 11
    assert len(commands()) == 9 and sum(" learn" in what for _, _, what in commands()) == 6
