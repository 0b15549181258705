"""The chart of --gradients, on networks whose numbers are known."""

import math

import numpy as np
import pytest

from layers import Dense, Sequential
from XORgatemultihiddenlayers import bar, chart, conclusion, signal_error_gradient

# Two samples of mean (1, 0): their signal is sqrt(8), and dL/dy is 1/2 everywhere if y is x.
X = np.array([[1.0, 2.0], [1.0, -2.0]])
DATA = {"x": X, "t": X - 0.5}


def test_a_bar_has_one_mark_a_power_of_ten_and_is_honest_at_both_ends():
    for power in range(-9, 4):
        assert bar(float(f"1e{power}")) == bar(9.9 * 10.0**power) == (power + 10) * "#"
    assert bar(9.99e-9) == "##" and bar(0.9999) == 10 * "#"  # shown as 1.0e-08 and 1.0e+00
    assert bar(0.0) == bar(math.nan) == "" and bar(5e-324) == bar(9.94e-10) == "<"
    assert bar(9990.0) == bar(1e4) == bar(math.inf) == 12 * "#" + ">"


def linear(size, factor, name="dense"):
    """Return the layer y = factor x."""
    layer = Dense(size, size, lambda h: h, lambda h: 1.0, name=name)
    layer.W[:] = factor * np.eye(size)
    return layer


def stack(*factors, size=2):
    return Sequential([linear(size, factor, f"layer_{i}") for i, factor in enumerate(factors)])


def test_the_chart_of_a_network_whose_numbers_are_known():
    network = stack(1, 0.1, 0.001, 0.01)
    data = {"x": X, "t": 1e-6 * X - 0.5}
    signals, errors, _ = signal_error_gradient(network, **data)
    np.testing.assert_allclose(signals, math.sqrt(8) * np.array([1, 0.1, 1e-4, 1e-6]), rtol=1e-12)
    np.testing.assert_allclose(errors, [1e-6, 1e-5, 1e-2, 1], rtol=1e-12)
    assert chart(network, 2, "Now", **data).splitlines() == [
        "Now (one # a power of ten, 1e-09 to 1e+04)",
        "layer       v signal, read down  ^ error dL/dy, read up  gradient",
        "layer_0     2.8e+00 ##########     1.0e-06 ####           2.0e-06",
        "layer_1     2.8e-01 #########      1.0e-05 #####          2.0e-05",
        "layer_2     2.8e-04 ######         1.0e-02 ########       1.4e-02",
        "layer_3     2.8e-06 ####           1.0e+00 ##########     1.4e+00",
        "A hidden layer passes on 0.01 of the signal and 0.01 of the error.",
    ]


def test_the_chart_names_where_an_exact_zero_stops_signal_and_error():
    for factors, line in [
        ((1, 1, 0, 1, 1), "The signal ends at layer_2. The error ends at layer_1."),
        ((0, 1, 1, 1, 1), "The signal ends at layer_0."),
        ((1, 1, 1, 1, 0), "The error ends at layer_3."),
        ((1, 0, 1, 0, 1), "The signal ends at layer_1. The error ends at layer_2."),
    ]:
        network = stack(*factors)
        assert chart(network, 3, "Now", **DATA).splitlines()[-1] == line


def test_the_norms_are_right_where_their_squares_are_0():
    signals, errors, gradients = signal_error_gradient(stack(1, 1e-200, 1), **DATA)
    assert signals == pytest.approx([8**0.5, 8**0.5 * 1e-200, 8**0.5 * 1e-200], rel=1e-12, abs=0)
    assert errors == pytest.approx([3e-200, 3, 3], rel=1e-12, abs=0)
    assert gradients == pytest.approx([68**0.5 * 1e-200, 68**0.5, 2**0.5], rel=1e-12, abs=0)


def test_the_factors_of_signal_and_error_are_told_in_four_characters():
    """Of three hidden layers: the third root of what all of them pass on."""
    names = ["dense_in", "dense_0", "dense_1", "dense_2", "dense_out"]
    for signal, error, shown in [
        (0.2, 0.7, "0.20 of the signal and 0.70 of the error"),
        (1.0, 3.07, "1.00 of the signal and 3.07 of the error"),
        (9.99, 9.999, "9.99 of the signal and 1e01 of the error"),
        (6e29, 70, "6e29 of the signal and 7e01 of the error"),
        (0.00501, 0.00499, "0.01 of the signal and 5e-3 of the error"),
        (0.002, 1e-9, "2e-3 of the signal and 1e-9 of the error"),
    ]:
        signals = [2.0, 5.0, 5.0, 2.0 * signal**3, 7.0]
        errors = [3.0 * error**3, 5.0, 5.0, 3.0, 7.0]
        line = conclusion(names, signals, errors, 3)
        assert line == f"A hidden layer passes on {shown}." and len(line) == 66


def test_a_readers_layer_without_parameters_has_a_row():
    class AnExtraordinarilyLongName:
        get_params = get_grads = lambda self: []
        forward_prop = back_prop = lambda self, x: (0 * x).tolist()

    first, last = linear(2, 1, "elevenchars"), linear(2, 1, 12 * "c")
    network = Sequential([first, AnExtraordinarilyLongName(), last])
    text = chart(network, 1, "Now", **DATA).splitlines()
    assert text[3].startswith("AnExtraord~ 0.0e+00 ") and text[3].endswith(" 0.0e+00")
    assert text[2].startswith("elevenchars 2.8e+00 ") and text[4].startswith("cccccccccc~ 0.0e+00 ")
    assert text[-1] == "The signal ends at AnExtraord~. The error ends at elevenchars."
