"""The README's sentences that have a number in them and no capture beside it."""

import contextlib
import io
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import XORgatemultihiddenlayers as plain_script
from clipping import global_norm
from ulp import moved
from XORgatemultihiddenlayers import (
    LOSS_GOAL,
    T,
    X,
    build_network,
    dense,
    passed_on,
    signal_error_gradient,
    train,
)
from XORgateresidualconnectionlayers import residual

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def trained(network, goal=0.0, **options):
    """Train to this loss; return the last (epoch, loss)."""
    for epoch, loss in train(network, **options):
        if loss <= goal:
            break
    return epoch, loss


def factors(network, n=10):
    return [factor for _, factor, _ in passed_on(signal_error_gradient(network), n)]


def test_a_plain_hidden_layer_passes_on_a_fifth():
    assert "passes on 0.21 (geometric mean; median of 50 seeds; 0.23 with this one)" in README
    found = [factors(build_network(dense, 10, seed=seed)) for seed in range(50)]
    assert np.median(found, axis=0) == pytest.approx([0.21, 0.21], abs=0.005)
    assert found[0] == pytest.approx([0.23, 0.23], abs=0.005)
    assert 0.21**10 == pytest.approx(2e-7, rel=0.2)


def test_glorot_weights_alone_pass_on_about_all():
    rng = np.random.default_rng(0)
    network = build_network(dense, 50)
    x = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    gains = [np.linalg.norm(x @ Wb[:-1]) / 2 for Wb in network.get_params()[1:-1]]
    assert np.mean(gains) == pytest.approx(1, abs=0.05)


def test_the_mean_is_learned_within_ten_epochs(copy):
    for seed in range(5):
        network = moved(build_network(dense, 10, seed=seed), copy)
        assert trained(network, epochs=10)[1] == pytest.approx(4 * 0.5**2 / 2, abs=1e-5)


def test_at_the_stall_the_pattern_of_xor_cancels_nearly_all_of_the_signal(copy):
    assert "a factor of 25 to 60" in README
    network = moved(build_network(dense, 10), copy)
    trained(network, epochs=2500)
    pattern = (T - 0.5).T  # of the four errors: of length 1
    y = X
    for layer in network.layers[:-1]:
        y = layer.forward_prop(y)
        factor = np.linalg.norm(y - y.mean(axis=0)) / np.linalg.norm(pattern @ y)
        assert 24 < factor < 61


def test_the_deep_residual_stack_of_seed_0_begins_saturated():
    network = build_network(residual, 10)
    assert network.forward_prop(X) == pytest.approx(1, abs=5e-4)


def test_clipping_is_at_work_until_the_residual_stack_has_learned(monkeypatch, copy):
    norms = []

    def clip_gradient_norm(grads, max_norm, clip=plain_script.clip_gradient_norm):
        norms.append(global_norm(grads))
        return clip(grads, max_norm)

    monkeypatch.setattr(plain_script, "clip_gradient_norm", clip_gradient_norm)
    network = moved(build_network(residual, 10), copy)
    epoch, loss = trained(network, goal=0.01)
    assert loss <= 0.01 and len(norms) == epoch
    share = np.mean(np.array(norms) > 0.25)
    assert "at work in 98 % of the epochs" in README and share == pytest.approx(0.98, abs=0.015)
    assert max(norms) == pytest.approx(10 * 0.25, rel=0.2)


def test_a_hundred_residual_sigmoids_saturate_the_output_so_that_no_error_sets_out():
    for seed in range(4):
        rows = signal_error_gradient(build_network(residual, 100, seed=seed))
        assert rows[-2][2] < 1.1e-16 < 1 < rows[-1][2]


def test_fifty_residual_tanh_layers_learn(copy):
    network = moved(build_network(residual, 50, activation="tanh"), copy)
    assert "1.05 of the signal and 1.11 of the error: it learns, in about 150 epochs" in README
    assert factors(network, 50) == pytest.approx([1.05, 1.11], abs=0.005)
    epoch, loss = trained(network, goal=LOSS_GOAL)
    assert 100 <= epoch <= 200


@pytest.mark.parametrize(
    ("name", "value", "epochs", "loss"),
    [("LEARNING_RATE", 10.0, 3000, 1.0), ("NODES", 1, 10000, 1 / 3)],
)
def test_what_breaks_first(monkeypatch, name, value, epochs, loss, copy):
    monkeypatch.setattr(plain_script, name, value)
    monkeypatch.setattr("XORgateresidualconnectionlayers.NODES", plain_script.NODES)
    network = moved(build_network(residual, 10), copy)
    rate = plain_script.LEARNING_RATE
    assert trained(network, epochs=epochs, learning_rate=rate)[1] == pytest.approx(loss, abs=5e-4)


def test_one_unclipped_step_leaves_a_crater(copy):
    options = {"activation": "tanh", "init": "he", "skip": 2}
    network = moved(build_network(residual, 10, **options), copy)
    assert factors(network)[1] == pytest.approx(1.90, abs=0.005)
    assert signal_error_gradient(network)[0][2] == pytest.approx(1.1e2, rel=0.05)
    assert global_norm(network.get_grads()) / 0.25 == pytest.approx(700, rel=0.05)
    trained(network, epochs=1, max_norm=math.inf)
    for _ in range(2):
        assert signal_error_gradient(network)[0][1] == pytest.approx(4.2e-9, rel=0.2)
        trained(network, epochs=3000, max_norm=math.inf)

    network = moved(build_network(residual, 10, **options), copy)
    assert 700 <= trained(network, goal=LOSS_GOAL)[0] <= 1000


EXAMPLE = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]


@pytest.mark.parametrize(
    ("hidden", "error"), [("ResidualConnection(8, ", 0.078), ("Dense(8, 8, ", 0.594)]
)
def test_the_library_learns_another_problem(hidden, error, copy):
    assert "is 0.078, or 0.594 with `Dense(8, 8, tanh, deriv_tanh, rng=rng)`" in README
    code = EXAMPLE.replace("ResidualConnection(8, ", hidden)
    code = code.replace("for epoch", f"moved(network, {copy})\nfor epoch")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {"moved": moved})
    assert round(float(printed.getvalue()), 3) == error


def test_the_library_example_is_narrow_and_can_be_pasted_into_a_prompt():
    assert max(map(len, EXAMPLE.splitlines())) <= 88
    done = subprocess.run(
        [sys.executable, "-i", "-"],
        input=EXAMPLE.replace("5000", "2"),
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
    )
    assert "Error" not in done.stderr and float(done.stdout) > 0


def test_the_readme_stays_a_page():
    assert len(README.splitlines()) <= 195
