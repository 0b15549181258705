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

import XORgateresidualconnectionlayers as residual_script
from clipping import global_norm
from ulp import moved
from XORgatemultihiddenlayers import (
    LOSS_GOAL,
    T,
    X,
    argument_parser,
    build_network,
    dense,
    passed_on,
    signal_error_gradient,
    train,
)
from XORgateresidualconnectionlayers import residual, residual_parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SEEDS = range(50)


def trained(network, goal=0.0, **options):
    """Train to this loss; return the last (epoch, loss)."""
    with np.errstate(all="ignore"):
        for epoch, loss in train(network, **options):
            if loss <= goal:
                break
    return epoch, loss


@np.errstate(all="ignore")
def factors(network, n=10):
    return [factor for _, factor, _ in passed_on(signal_error_gradient(network), n)]


def median_factors(**options):
    found = [factors(build_network(dense, 10, seed=seed, **options)) for seed in SEEDS]
    return pytest.approx(np.median(found, axis=0), abs=0.005)


def test_what_a_plain_hidden_layer_passes_on():
    assert "passes on 0.21 (median of 50 seeds), ten pass on 0.21^10 = 2e-7" in README
    assert [0.21, 0.21] == median_factors()
    assert 0.21**10 == pytest.approx(2e-7, rel=0.2)
    assert factors(build_network(dense, 10)) == pytest.approx([0.23, 0.23], abs=0.005)
    assert factors(build_network(residual, 10)) == pytest.approx([1, 1], abs=0.005)


def test_larger_weights_mend_the_sigmoid():
    assert "passes on 0.5 of both (medians; seed 0: 0.31 and 0.35)" in README
    assert [0.50, 0.51] == median_factors(gain=4.0)
    assert factors(build_network(dense, 10, gain=4.0)) == pytest.approx([0.31, 0.35], abs=0.005)


def test_glorot_weights_alone_pass_on_about_all():
    rng = np.random.default_rng(0)
    x = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    params = build_network(dense, 50).get_params()
    gains = [np.linalg.norm(x @ Wb[:-1]) / 2 for Wb in params[1:-1]]
    assert np.mean(gains) == pytest.approx(1, abs=0.05)


def test_the_mean_is_learned_within_ten_epochs(copy):
    assert "within ten epochs: L = 4 * 0.5^2 / 2 = 0.5" in README
    for seed in range(5):
        network = moved(build_network(dense, 10, seed=seed), copy)
        assert trained(network, epochs=10)[1] == pytest.approx(4 * 0.5**2 / 2, abs=1e-5)


def test_at_the_stall_the_gradient_is_equally_small_in_all_layers(copy):
    assert "the product is about 1e-7 everywhere, and most of it cancels. About 1e-9" in README
    network = moved(build_network(dense, 10), copy)
    trained(network, epochs=2500)
    arrives = np.linalg.norm(X - X.mean(axis=0))
    for _, signal, error, gradient in signal_error_gradient(network):
        assert 0.3e-7 < arrives * error < 3e-7 and 2e-10 < gradient < 5e-9
        arrives = signal

    pattern = (T - 0.5).T  # of the four errors: of length 1
    y = X
    for layer in network.layers[:-1]:
        y = layer.forward_prop(y)
        left = np.linalg.norm(pattern @ y) / np.linalg.norm(y - y.mean(axis=0))
        assert left < 0.1  # "cancels most of the signal"


def test_dense_out_of_the_residual_stack_begins_saturated_and_leaves_it(copy):
    network = moved(build_network(residual, 10), copy)
    assert network.forward_prop(X) == pytest.approx(1, abs=5e-4)
    *_, (_, _, last, _), (_, _, out, _) = signal_error_gradient(network)
    assert (last, out) == (pytest.approx(7e-4, rel=0.05), pytest.approx(1.4, abs=0.05))
    assert "Soon it is 0.1 to 0.4 in all hidden layers (`--epochs 20`)" in README
    for epochs in 20, 1:  # it alternates
        trained(network, epochs=epochs)
        assert all(0.095 < error < 0.4 for _, _, error, _ in signal_error_gradient(network)[1:-1])


def test_tanh_with_gain_3_explodes_and_clipping_tames_it(copy):
    assert "2.6-fold a layer on its way back, and the first step, about 10000 long" in README
    options = {"activation": "tanh", "gain": 3.0}
    assert [1.00, 2.63] == median_factors(**options)
    for seed in SEEDS:
        network = moved(build_network(dense, 10, seed=seed, **options), copy)
        trained(network, epochs=1, max_norm=math.inf)
        assert factors(network)[0] == 0  # an exact 0 in one of the layers
        network = moved(build_network(dense, 10, seed=seed, **options), copy)
        trained(network, epochs=1)
        assert factors(network)[0] > 0.3
    norms = []
    for seed in SEEDS:
        network = build_network(dense, 10, seed=seed, **options)
        network.back_prop(network.forward_prop(X) - T)
        norms.append(global_norm(network.get_grads()))
    assert np.median(norms) == pytest.approx(1e4, rel=0.3)  # at the rate 1


def test_fifty_residual_tanh_layers_learn(copy):
    assert "in about 150 epochs: it passes on 1.05 of the signal and 1.11 of the error" in README
    network = moved(build_network(residual, 50, activation="tanh"), copy)
    assert factors(network, 50) == pytest.approx([1.05, 1.11], abs=0.005)
    assert 100 <= trained(network, goal=LOSS_GOAL)[0] <= 200


@pytest.mark.parametrize(("gain", "epochs"), [(1.5, 5000), (2.0, 5000), (3.0, 50_000)])
def test_the_gain_at_which_the_sigmoid_begins_to_learn(gain, epochs, copy):
    assert "with seed 0, gains 1.5 and 2 stall, gain 3 learns" in README
    _, loss = trained(moved(build_network(dense, 10, gain=gain), copy), goal=0.01, epochs=epochs)
    assert loss == pytest.approx(0.5, abs=0.01) if gain < 3 else loss <= 0.01


def test_the_counts_are_those_of_the_benchmarks():
    measured = (ROOT / "tests/benchmarks/README.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| \d+ \|" + 3 * r" (\d+)/50 \| \S+ \| \d+ \|" + "$", measured, re.MULTILINE
    )
    *counts, relu = zip(*rows)
    for name, solved in zip(("plain", "residual"), counts, strict=True):
        assert f"|{name}|{'|'.join(solved)}|\n" in README
    assert f"as {relu[5]} of 50 seeds do (sigmoid: {counts[0][5]})" in README
    for options, count, told in [
        ("--gain 2", 13, "At 2, 13 of 50 seeds learn"),
        ("--gain 3", 44, "at 3, 44 do"),
        ("--gain 4", 49, "49 with `--gain 4`"),
        ("--activation tanh --gain 3", 49, "49 learn with tanh and `--gain 3` if clipped"),
        ("--activation tanh --gain 3 --max-norm inf", 0, "none if not"),
        ("--init he", 0, "Glorot (gain 1) and He do not"),
    ]:
        assert f"| plain | {options} | {count}/50 |" in measured and told in README


def commands():
    return re.findall(r"^\| [\d.]* ?\| `python3 (\S+) (.*)` \| (.*) \|$", README, re.MULTILINE)


def test_the_chapters_sections_have_commands():
    assert len(commands()) == 7 and sum(" learn" in what for _, _, what in commands()) == 5


@pytest.mark.parametrize(("script", "options", "what"), commands())
def test_the_commands_of_the_chapters_sections_show_what_they_say(script, options, what, copy):
    plain = script == "XORgatemultihiddenlayers.py"
    hidden_layer, parser = (dense, argument_parser("")) if plain else (residual, residual_parser())
    options = vars(parser.parse_args(options.split()))
    options.pop("gradients", None)
    training = {name: options.pop(name) for name in ("epochs", "learning_rate", "max_norm")}
    network = moved(build_network(hidden_layer, options.pop("layers"), **options), copy)
    if " learn" in what:
        assert trained(network, goal=0.01, **training)[1] <= 0.01
    else:
        assert ("vanishes" in what) != ("explodes" in what)
        assert (factors(network)[1] > 2) == ("explodes" in what)
        training["epochs"] = 3000
        assert trained(network, **training)[1] == pytest.approx(0.5, abs=1e-3)


def test_a_class_of_the_readers_in_the_residual_script(tmp_path):
    """As the exercise says, with a class like the chapter's: the four methods and nothing else."""
    assert "`from residual import ResidualConnection` by `import layers as Layers`" in README
    assert "`**options` (name, initializer, gain, rng)" in README
    theirs = """import layers as Layers


class ResidualConnection:
    def __init__(self, node_size, activate_func, deriv_activate_func, **options):
        assert sorted(options) == ["gain", "initializer", "name", "rng"]
        functions = activate_func, deriv_activate_func
        self.inside = Layers.Dense(node_size, node_size, *functions, **options)

    def get_params(self):
        return self.inside.get_params()

    def get_grads(self):
        return self.inside.get_grads()

    def forward_prop(self, x):
        return x + self.inside.forward_prop(x)

    def back_prop(self, grads):
        return grads + self.inside.back_prop(grads)
"""
    source = Path(residual_script.__file__).read_text(encoding="utf-8")
    ours = "from residual import ResidualConnection\n"
    assert source.count(ours) == 1
    printed = []
    for text in source, source.replace(ours, theirs):
        (tmp_path / "script.py").write_text(text, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-W", "error", tmp_path / "script.py", "10", "--seed", "3"],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT)},
            capture_output=True,
            encoding="utf-8",
        )
        assert (done.returncode, done.stderr) == (0, "")
        printed.append(done.stdout.splitlines())
    changed = [(a, b) for a, b in zip(*printed, strict=True) if a != b]
    assert changed == [
        (
            f"residual_{i} (Dense)           (None, 4)                 20",
            "ResidualConnection (Residua~ (None, ?)                 20",
        )
        for i in range(10)
    ]


EXAMPLE = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]


@pytest.mark.parametrize(
    ("hidden", "error"), [("ResidualConnection(8, ", 0.078), ("Dense(8, 8, ", 0.594)]
)
def test_the_library_learns_another_problem(hidden, error, copy):
    told = "to 0.078, or to 0.594 with `Dense(8, 8, tanh, deriv_tanh, rng=rng)` for"
    assert told in README
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


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 170 and len(README.split()) <= 1500
