"""The chart of --gradients, on networks whose numbers are known."""

import math

import numpy as np
import pytest

import XORgatemultihiddenlayers as plain_script
from layers import BatchNormalization, Dense, Sequential
from XORgatemultihiddenlayers import bar, chart, passed_on, signal_error_gradient


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, ""),
        (5e-324, "<"),
        (9.94e-10, "<"),
        (1e-9, "#"),
        (9.9e-9, "#"),
        (9.99e-9, "##"),  # shown as 1.0e-08
        (1e-8, "##"),
        (1.0, 10 * "#"),
        (0.9999, 10 * "#"),
        (9.94, 10 * "#"),
        (9900.0, 13 * "#"),
        (9990.0, 12 * "#" + ">"),
        (1e4, 12 * "#" + ">"),
        (1e300, 12 * "#" + ">"),
        (math.inf, 12 * "#" + ">"),
        (math.nan, ""),
        *((float(f"1e{power}"), (power + 10) * "#") for power in range(-9, 4)),
    ],
)
def test_a_bar_has_one_mark_a_power_of_ten_and_is_honest_at_both_ends(value, text):
    assert bar(value) == text


def linear(size, factor, name="dense"):
    """Return the layer y = factor x."""
    layer = Dense(size, size, lambda h: h, np.ones_like, name=name)
    (Wb,) = layer.get_params()
    Wb[:] = np.vstack([factor * np.eye(size), np.zeros(size)])
    return layer


def stack(*factors, size=2):
    return Sequential([linear(size, factor, f"layer_{i}") for i, factor in enumerate(factors)])


@pytest.fixture
def data(monkeypatch):
    """Let x be two samples of mean (1, 0): their signal is sqrt(8), and dL/dy 1/2 if y is x."""
    x = np.array([[1.0, 2.0], [1.0, -2.0]])
    monkeypatch.setattr(plain_script, "X", x)
    monkeypatch.setattr(plain_script, "T", x - 0.5)
    return x


def test_the_chart_of_a_network_whose_numbers_are_known(data, monkeypatch):
    monkeypatch.setattr(plain_script, "T", 1e-6 * data - 0.5)
    network = stack(1, 0.1, 0.001, 0.01)
    _, signals, errors, _ = zip(*signal_error_gradient(network))
    np.testing.assert_allclose(signals, math.sqrt(8) * np.array([1, 0.1, 1e-4, 1e-6]), rtol=1e-12)
    np.testing.assert_allclose(errors, [1e-6, 1e-5, 1e-2, 1], rtol=1e-12)
    assert chart(network, 2, "Now").splitlines() == [
        "Now (one # a power of ten, 1e-09 to 1e+04)",
        "layer       v signal, read down  ^ error dL/dy, read up  gradient",
        "layer_0     2.8e+00 ##########     1.0e-06 ####           2.0e-06",
        "layer_1     2.8e-01 #########      1.0e-05 #####          2.0e-05",
        "layer_2     2.8e-04 ######         1.0e-02 ########       1.4e-02",
        "layer_3     2.8e-06 ####           1.0e+00 ##########     1.4e+00",
        "A hidden layer passes on 0.01 of the signal and 0.01 of the error.",
    ]


def test_what_a_layer_passes_on_is_counted_per_hidden_layer_of_the_script(data):
    layers = [linear(2, 1), BatchNormalization(2), linear(2, 0.25), linear(2, 1)]
    rows = signal_error_gradient(Sequential(layers))
    (_, one, _), (_, two, _) = (passed_on(rows, n)[0] for n in (1, 2))
    assert one == pytest.approx(two**2)
    signals = [row[1] for row in rows]
    assert one == pytest.approx(signals[-2] / signals[0])


@pytest.mark.parametrize(
    ("factors", "line"),
    [
        ((1, 1, 0, 1, 1), "The signal ends at layer_2. The error ends at layer_1."),
        ((0, 1, 1, 1, 1), "The signal ends at layer_0."),
        ((1, 1, 1, 1, 0), "The error ends at layer_3."),
        ((1, 1, 1, 0, 1), "The signal ends at layer_3. The error ends at layer_2."),
    ],
)
def test_the_chart_names_where_an_exact_zero_stops_signal_and_error(data, factors, line):
    network = stack(*factors)
    assert chart(network, 3, "Now").splitlines()[-1] == line
    signal, error = passed_on(signal_error_gradient(network), 3)
    assert [(what, factor == 0) for what, factor, _ in (signal, error)] == [
        ("signal", "signal" in line),
        ("error", "error" in line),
    ]


def test_what_grows_has_growing_bars_and_what_leaves_the_scale_is_marked(data, monkeypatch):
    monkeypatch.setattr(plain_script, "T", np.zeros((2, 2)))
    network = stack(*51 * [2.6])
    network.layers[-1].activate_func = lambda h: 0 * h + 0.5  # an error of 1, however large h is
    lines = chart(network, 49, "Now").splitlines()
    rows = [(line[20:33].strip(), line[43:56].strip()) for line in lines[2:-2]]
    signals, errors = zip(*rows)
    for bars in signals, errors[::-1]:
        lengths = [len(bar) for bar in bars[:10]]
        assert lengths == sorted(lengths) and lengths[9] >= lengths[0] + 3
        assert bars[-1] == 12 * "#" + ">"
    assert lines[-1] == "A hidden layer passes on 2.60 of the signal and 2.60 of the error."


@pytest.mark.parametrize(
    ("factor", "shown"), [(9.99, "9.99"), (9.999, "1e01"), (70, "7e01"), (6e29, "6e29")]
)
def test_a_factor_of_ten_and_more_keeps_the_width(monkeypatch, factor, shown):
    rows = [("a", 1.0, factor, 1.0), ("b", factor, 1.0, 1.0), ("out", 1.0, 1.0, 1.0)]
    monkeypatch.setattr(plain_script, "signal_error_gradient", lambda network: rows)
    line = chart(None, 1, "Now").splitlines()[-1]
    assert line == f"A hidden layer passes on {shown} of the signal and {shown} of the error."
    assert len(line) == 66


def test_samples_that_are_equal_have_no_signal_whatever_their_mean_rounds_to(monkeypatch):
    x = np.full((3, 3), 0.1)
    x[:, 1] = 1 / 3
    assert (x - x.mean(axis=0)).any()  # it does round
    monkeypatch.setattr(plain_script, "X", x)
    monkeypatch.setattr(plain_script, "T", x + 1)
    assert signal_error_gradient(stack(1, size=3))[0][1] == 0


def test_a_readers_layer_without_parameters_has_a_row(data):
    class AnExtraordinarilyLongName:
        def get_params(self):
            return []

        get_grads = get_params

        def forward_prop(self, x):
            return (0 * x).tolist()

        def back_prop(self, grads):
            return 0 * grads

    network = Sequential([linear(2, 1), AnExtraordinarilyLongName(), linear(2, 1)])
    text = chart(network, 1, "Now").splitlines()
    assert text[3].startswith("AnExtraord~ 0.0e+00 ") and text[3].endswith(" 0.0e+00")
    assert text[-1] == "The signal ends at AnExtraord~. The error ends at dense."


def test_the_chart_shows_what_is_not_finite(monkeypatch):
    monkeypatch.setattr(plain_script, "X", np.array([[1e200], [np.inf]]))
    monkeypatch.setattr(plain_script, "T", np.array([[1e200], [np.nan]]))
    with np.errstate(all="ignore"):
        text = chart(stack(1, 1, 1, size=1), 1, "Now")
    assert "nan" in text and max(map(len, text.splitlines())) <= 66
