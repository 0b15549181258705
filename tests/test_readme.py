"""The README's sentences that have a number in them and no capture beside it."""

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import XORgatemultihiddenlayers as plain_script
from clipping import global_norm
from ulp import moved
from XORgatemultihiddenlayers import T, X, argument_parser, build_network, dense, train
from XORgateresidualconnectionlayers import residual, residual_parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def prepare(hidden_layer, command_line, copy=0):
    parser = residual_parser() if hidden_layer is residual else argument_parser("")
    args = parser.parse_args(command_line.split())
    return moved(build_network(hidden_layer, args), copy), args


def quiet_train(network, args):
    with contextlib.redirect_stdout(io.StringIO()):
        return train(network, args)


def factors(network):
    signals, errors, _ = network.signal_error_gradient(X, network.forward_prop(X) - T)
    return network.factor(signals[:-1]), network.factor(errors[-2::-1])


def test_a_plain_hidden_layer_passes_on_a_fifth():
    assert "passes on 0.21 (geometric mean; median of 50 seeds; 0.23 with this one)" in README
    found = [factors(prepare(dense, f"10 --seed {seed}")[0]) for seed in range(50)]
    assert np.median(found, axis=0) == pytest.approx([0.21, 0.21], abs=0.005)
    assert found[0] == pytest.approx([0.23, 0.23], abs=0.005)
    assert 0.21**10 == pytest.approx(2e-7, rel=0.2)


def test_glorot_weights_alone_pass_on_about_all():
    rng = np.random.default_rng(0)
    network, _ = prepare(dense, "50")
    x = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    gains = [np.linalg.norm(x @ Wb[:-1]) / 2 for Wb in network.get_params()[1:-1]]
    assert np.mean(gains) == pytest.approx(1, abs=0.05)


def test_the_mean_is_learned_within_ten_epochs(copy):
    for seed in range(5):
        network, args = prepare(dense, f"10 --seed {seed} --epochs 10", copy)
        assert quiet_train(network, args) == pytest.approx(4 * 0.5**2 / 2, abs=1e-5)


def test_at_the_stall_the_pattern_of_xor_cancels_nearly_all_of_the_signal(copy):
    assert "a factor of 25 to 60" in README
    network, args = prepare(dense, "10 --epochs 2500", copy)
    quiet_train(network, args)
    pattern = (T - 0.5).T  # of the four errors: of length 1
    y = X
    for layer in network.layers[:-1]:
        y = layer.forward_prop(y)
        factor = np.linalg.norm(y - y.mean(axis=0)) / np.linalg.norm(pattern @ y)
        assert 24 < factor < 61


def test_the_deep_residual_stack_of_seed_0_begins_saturated():
    network, _ = prepare(residual, "10")
    assert network.forward_prop(X) == pytest.approx(1, abs=5e-4)


def test_clipping_is_at_work_until_the_residual_stack_has_learned(monkeypatch, copy):
    norms = []

    def clip_gradient_norm(grads, max_norm, clip=plain_script.clip_gradient_norm):
        norms.append(global_norm(grads))
        return clip(grads, max_norm)

    monkeypatch.setattr(plain_script, "clip_gradient_norm", clip_gradient_norm)
    network, args = prepare(residual, "10", copy)
    args.loss_goal = 0.01
    assert quiet_train(network, args) <= 0.01 and len(norms) == args.epoch
    share = np.mean(np.array(norms) > 0.25)
    assert "at work in 98 % of the epochs" in README and share == pytest.approx(0.98, abs=0.015)
    assert max(norms) == pytest.approx(10 * 0.25, rel=0.2)


def test_a_hundred_residual_sigmoids_saturate_the_output_so_that_no_error_sets_out():
    for seed in range(4):
        network, _ = prepare(residual, f"100 --seed {seed}")
        _, errors, _ = network.signal_error_gradient(X, network.forward_prop(X) - T)
        assert errors[-2] < 1.1e-16 < 1 < errors[-1]


def test_fifty_residual_tanh_layers_learn(copy):
    network, args = prepare(residual, "50 --activation tanh", copy)
    assert "1.05 of the signal and 1.11 of the error: it learns, in about 150 epochs" in README
    assert factors(network) == pytest.approx((1.05, 1.11), abs=0.005)
    quiet_train(network, args)
    assert 100 <= args.epoch <= 200


@pytest.mark.parametrize(
    ("name", "value", "epochs", "loss"),
    [("LEARNING_RATE", 10.0, 3000, 1.0), ("NODES", 1, 10000, 1 / 3)],
)
def test_what_breaks_first(monkeypatch, name, value, epochs, loss, copy):
    monkeypatch.setattr(plain_script, name, value)
    monkeypatch.setattr("XORgateresidualconnectionlayers.NODES", plain_script.NODES)
    network, args = prepare(residual, f"10 --epochs {epochs}", copy)
    assert quiet_train(network, args) == pytest.approx(loss, abs=5e-4)


def test_one_unclipped_step_leaves_a_crater(copy):
    options = "10 --skip 2 --activation tanh --init he"
    network, args = prepare(residual, f"{options} --epochs 1 --max-norm inf", copy)
    assert factors(network)[1] == pytest.approx(1.90, abs=0.005)
    _, errors, _ = network.signal_error_gradient(X, network.forward_prop(X) - T)
    assert errors[0] == pytest.approx(1.1e2, rel=0.05)
    assert global_norm(network.get_grads()) / 0.25 == pytest.approx(700, rel=0.05)
    quiet_train(network, args)
    for epochs in (0, 3000):
        args.epochs = epochs
        quiet_train(network, args)
        signals, _, _ = network.signal_error_gradient(X, network.forward_prop(X) - T)
        assert signals[0] == pytest.approx(4.2e-9, rel=0.2)

    network, args = prepare(residual, options, copy)
    quiet_train(network, args)
    assert 700 <= args.epoch <= 1000


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
