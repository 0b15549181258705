"""The two scripts as their reader runs them: options, question, output, Ctrl-C."""

import io
import os
import re
import signal
import sys
from pathlib import Path

import numpy as np
import pexpect
import pytest

from helpers import (
    ENVIRONMENT,
    MAIN,
    PLAIN,
    PROMPT,
    RESIDUAL,
    ROOT,
    TIMEOUT,
    command,
    finished,
    forward,
    losses,
    printed,
    printed_edited,
    run,
    start,
)
from layers import Dense
from XORgatemultihiddenlayers import T, X, build_network, dense, train
from XORgateresidualconnectionlayers import residual

RULE = 24 * "="


def summary(script, n):
    name = MAIN[script][0].__name__
    rows = [f"{f'{name}_{i} (Dense)':<29}(None, 4)                 20" for i in range(n)]
    return [
        "_________________________________________________________________",
        "Layer (type)                 Output Shape              Param #",
        "=================================================================",
        "dense_in (Dense)             (None, 4)                 12",
        *rows,
        "dense_out (Dense)            (None, 1)                 5",
        "=================================================================",
        f"Total params: {17 + 20 * n}",
    ]


def results(text):
    """Return the four results of the table that a text ends with."""
    question = r"\n([01] XOR [01]) => (\d\.\d{4})"
    table = re.search(rf"\n\nx0 XOR x1 => result\n{RULE}{4 * question}\n{RULE}\n\Z", text)
    assert table.groups()[::2] == ("0 XOR 0", "0 XOR 1", "1 XOR 0", "1 XOR 1")
    return [float(result) for result in table.groups()[1::2]]


def charts(text):
    """Return (heading, rows, last line) of each chart; a row is (name, signal, error, gradient)."""
    heads = r"(.*) \(one # a power of ten, 1e-09 to 1e\+04\)\nlayer       v signal, .*  gradient\n"
    number = r"(\d\.\de[+-]\d\d\d?|nan|inf)"
    row = rf"(\w+) +{number} [#<>]* +{number} [#<>]* +{number}\n"
    found = []
    for chart in re.finditer(rf"{heads}((?:{row})+)(.*)\n", text):
        rows = [(name, *map(float, norms)) for name, *norms in re.findall(row, chart[2])]
        found.append((chart[1], rows, chart.groups()[-1]))
    return found


NO_ANSWER = "\nerror: no number of hidden layers was given"
ENDLESS = "--epochs", "1000000000", "--max-norm", "1e-9"

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background, where it is inherited
    signal.signal(signal.SIGINT, signal.default_int_handler)

each_script = pytest.mark.parametrize("script", [PLAIN, RESIDUAL])
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and shell")


def has_terminals():
    try:
        ends = os.openpty()
    except (AttributeError, OSError):  # on Windows, or in a container without /dev/pts
        return False
    for end in ends:
        os.close(end)
    return True


terminal = pytest.mark.skipif(not has_terminals(), reason="needs pseudo-terminals")


@each_script
@pytest.mark.parametrize("layers", range(1, 11))
def test_each_depth_has_its_prompt_summary_and_losses(script, layers):
    text = printed(script, "--epochs", "1200", typed=f"{layers}\n")
    lines = text.splitlines()
    table = summary(script, layers)
    assert lines[: len(table)] == [PROMPT[script] + table[0], *table[1:]]
    assert len(lines) == len(table) + 3 + 8 and results(text)
    found = losses(text, 1200)
    assert [*found] == [1, 1000, 1200]
    y = forward(MAIN[script][0], X, build_network(MAIN[script][0], layers).get_params())
    assert found[1] == pytest.approx(np.sum((y[-1] - T) ** 2) / 2, abs=1e-6)
    assert text.isascii() and not re.search(r"[ \t]$", text, re.MULTILINE)
    plain, residual_ = build_network(dense, layers), build_network(residual, layers)
    assert all(map(np.array_equal, plain.get_params(), residual_.get_params()))


@pytest.mark.parametrize(("script", "n"), [(PLAIN, 10), (PLAIN, 4), (RESIDUAL, 10)])
def test_ten_plain_layers_stall_and_four_or_ten_residual_ones_learn(long_runs, script, n):
    text = long_runs(script, n)
    found = losses(text, 100_000)
    *_, epoch = found
    assert [*found] == sorted({1, *range(1000, epoch, 1000), epoch})
    if (script, n) == (PLAIN, 10):
        assert epoch == 100_000 and found[epoch] == 0.5 and results(text) == 4 * [0.5]
    else:
        assert epoch < (10_000 if script == RESIDUAL else 100_000) and found[epoch] == 0.00001
        assert results(text) == pytest.approx([0, 1, 1, 0], abs=0.01)


@each_script
def test_every_tells_which_losses_are_printed(script):
    found, each = (losses(printed(script, "9", "--epochs=90", f"--every={n}"), 90) for n in (20, 1))
    assert [*found] == [1, 20, 40, 60, 80, 90] and [*each] == [*range(1, 91)]
    assert found.items() <= each.items()


@each_script
def test_layers_on_the_command_line_skip_the_question_and_go_deeper(script):
    given = printed(script, "3", "--epochs", "3", "--seed", "5")
    assert printed(script, "--epochs", "3", "--seed", "5", typed="3\n") == PROMPT[script] + given
    text = printed(script, "100", "--epochs", "1", "--gradients")
    assert text.splitlines()[:107] == summary(script, 100)
    assert [len(rows) for _, rows, _ in charts(text)] == [102, 102]
    assert max(map(len, text.splitlines())) <= 66


def test_what_is_no_number_of_layers_is_told_and_asked_again(capsys):
    answers = ["abc", "2.5", "", "0", "11", "-3", "9" * 5000, "1 0", "nan", "1e0", "0x3", "\xe9"]
    text = printed(PLAIN, "--epochs", "1", typed="\n".join([*answers, " 2\t\n"]))
    assert text == (len(answers) + 1) * PROMPT[PLAIN] + printed(PLAIN, "2", "--epochs", "1")
    told = [f"{answer!r} is not a whole number from 1 to 10" for answer in answers]
    assert capsys.readouterr().err.splitlines() == told


def test_an_answer_that_cannot_be_decoded_is_told_and_asked_again():
    environment = {**ENVIRONMENT, "PYTHONIOENCODING": "utf-8:strict"}
    words = command(PLAIN, "--epochs", "1")
    with start(words, env=environment, encoding=None) as process:
        process.stdin.write(b"\xff\n")
        process.stdin.flush()
        told = process.stderr.readline().decode()
        text, error = process.communicate(b"2\n", timeout=TIMEOUT)
    assert told.startswith("'utf-8' codec can't decode byte 0xff") and error == b""
    assert process.returncode == 0 and text.decode().count(PROMPT[PLAIN]) == 2


@each_script
def test_an_input_that_ends_is_one_line(script):
    assert run(script, typed="") == (NO_ANSWER, PROMPT[script])
    assert run(script, typed="abc") == (NO_ANSWER, 2 * PROMPT[script])
    assert finished(command(script)) == (1, PROMPT[script], NO_ANSWER + "\n")


@pytest.mark.parametrize(
    ("option", "name", "what", "bad", "good"),
    [
        ("", "LAYERS", "a whole number from 1 to 100", "0 101 2.5 x", "1 100"),
        ("--skip=", "skip", "a whole number from 1 to 2", "0 3 x", "1 2"),
        ("--seed=", "seed", "a whole number from 0 to 4294967295", "-1 4294967296", "0 4294967295"),
        ("--epochs=", "epochs", "a whole number from 1 to 1000000000", "0 1e3", "1 1000000000"),
        (
            "--every=",
            "every",
            "a whole number from 1 to 1000000000",
            "0 1000000001",
            "1 1000000000",
        ),
        ("--max-norm=", "max_norm", "a number above 0", "0 -1 nan x", ".25 2.5e-1 inf"),
        ("--gain=", "gain", "a number above 0", "0 -1 nan x", "5e-324 1e308"),
        ("--gain=", "gain", "a finite number", "inf", "1"),
        ("--learning-rate=", "learning_rate", "a number above 0", "0 -1 nan x", "0.03 1e-1"),
        ("--lr=", "learning_rate", "a finite number", "inf 1e309", "0.03 1e-1"),
    ],
)
def test_a_number_out_of_range_is_told_and_others_are_taken(option, name, what, bad, good, capsys):
    for value in bad.split():
        assert run(RESIDUAL, option + value) == (2, "")
        error = capsys.readouterr().err
        assert error.startswith("usage: ") and error.endswith(f": {value!r} is not {what}\n")
    for value in good.split():
        taken = getattr(MAIN[RESIDUAL][2].parse_args([option + value]), name)
        assert (type(taken), taken) == (int if "whole" in what else float, float(value))


def test_bad_options_get_the_usual_error(capsys):
    bad = "-3,3 4,--seed,--activation swish,--init zeros,--nonsense,--skip 1,--gain"
    for options in bad.split(","):
        assert run(PLAIN, *options.split()) == (2, "")
        error = capsys.readouterr().err
        assert error.startswith("usage: ") and ": error: " in error.splitlines()[-1]


@each_script
def test_help_tells_every_option_and_default(script):
    status, text = run(script, "--help")
    defaults = {
        "LAYERS": None, "seed": 0, "epochs": 100_000, "every": 1000, "activation": "sigmoid",
        "init": "glorot", "gain": 1.0, "batch_norm": False, "learning_rate": 1.0, "max_norm": 0.25,
        "gradients": False,
    } | ({"skip": 1} if script == RESIDUAL else {})  # fmt: skip
    assert vars(MAIN[script][2].parse_args([])) == defaults
    for name, default in defaults.items():
        assert name == "LAYERS" or "--" + name.replace("_", "-") in text
        assert default in (None, False) or f"(default: {default})" in " ".join(text.split())
    assert status == 0 and text.isascii() and "None" not in text and "--lr" in text


@each_script
def test_every_choice_changes_the_run(script):
    choices = [
        "", "--activation tanh", "--activation relu", "--init he", "--init uniform",
        "--gain 4", "--learning-rate 0.1", "--max-norm 0.01", "--seed 1", "--batch-norm",
    ] + ["--skip 2"] * (script == RESIDUAL)  # fmt: skip
    texts = [printed(script, "3", "--epochs", "20", *choice.split()) for choice in choices]
    assert len(set(texts)) == len(texts)
    assert texts[0] == printed(script, "3", *"--epochs 20 --gain 1 --lr 1 --max-norm .25".split())
    assert {tuple(text.splitlines()[:8]) for text in texts[:9]} == {tuple(summary(script, 3)[:8])}


def test_the_summary_counts_what_is_in_a_layer():
    for script, options, name, size, total in [
        (PLAIN, "--batch-norm", "norm_0 (BatchNormalization)", 8, 73),
        (RESIDUAL, "--batch-norm", "residual_0 (Dense)", 28, 73),
        (RESIDUAL, "--skip 2", "residual_0 (Dense)", 40, 97),
        (RESIDUAL, "--skip 2 --batch-norm", "residual_0 (Dense)", 56, 129),
    ]:
        lines = printed(script, "2", "--epochs", "1", *options.split()).splitlines()
        assert lines[4] == f"{name:<29}(None, 4)                 {size}"
        assert f"Total params: {total}" in lines


@each_script
@pytest.mark.parametrize("options", ["", "--batch-norm", "--activation relu --max-norm inf"])
def test_charts_before_and_after(script, options):
    args = ["3", "--epochs", "1200", *options.split()]
    text = printed(script, *args, "--gradients")
    (first, before, words), (last, after, last_words) = charts(text)
    assert first == "Before training" and last == f"After {max(losses(text, 1200))} epochs"
    names = re.findall(r"(\w+) \((?:Dense|BatchNormalization)\)", text)
    assert [row[0] for row in before] == [row[0] for row in after] == names
    factor = r"A hidden layer passes on \d+\.\d\d of the signal and \d+\.\d\d of the error\."
    assert re.fullmatch(factor, words) and re.fullmatch(factor, last_words)
    assert re.search(r"Total params: \d+\nBefore training", text)
    without = re.sub(r"(Before|After) .* \(one # a power(.*\n)+?A hidden layer.*\n", "", text)
    assert without == printed(script, *args)


def edited(tmp_path, edits, *args):
    """Return what the plain script prints with these lines in place of those that begin so."""
    source = (ROOT / PLAIN).read_text(encoding="utf-8")
    pairs = []
    for begin, new in edits.items():
        (old,) = re.findall(rf"^{re.escape(begin)}.*", source, re.MULTILINE)
        pairs.append((old, new))
    return printed_edited(PLAIN, pairs, [[PLAIN, *args]], tmp_path)


def test_a_layer_may_be_frozen_in_training_and_a_misfit_is_an_error():
    class Freezable(Dense):
        frozen = silent = False

        def get_params(self):
            return [] if self.frozen else super().get_params()

        def get_grads(self):
            return [] if self.frozen or self.silent else super().get_grads()

    def hidden_layer(i, f, deriv_f, **options):
        return [Freezable(4, 4, f, deriv_f, name=f"layer_{i}", **options)]

    network = build_network(hidden_layer, 3)
    layer = network.layers[2]
    training = train(network)
    next(training)
    before = [[*map(np.copy, layer.get_params())] for layer in network.layers]
    layer.frozen = True
    next(training)
    layer.frozen = False
    for other, arrays in zip(network.layers, before, strict=True):
        moved = not any(map(np.array_equal, other.get_params(), arrays))
        assert moved == (other is not layer)
    layer.silent = True
    with pytest.raises(ValueError, match="shorter"):
        next(training)


def test_another_loss_is_two_functions_in_one_place(tmp_path):
    """Cross-entropy: the summed -log of what the network gives to the right answer."""
    text = edited(
        tmp_path,
        {
            "    return ((y - t) ** 2)": "    return -np.log(np.where(t == 1, y, 1 - y)).sum()",
            "    return y - t": "    return (y - t) / (y * (1 - y))",
        },
        *"2 --epochs 3000 --gradients".split(),
    )
    found = losses(text, 3000)
    y = build_network(dense, 2).forward_prop(X)
    assert found[1] == pytest.approx(-np.log(np.where(T == 1, y, 1 - y)).sum(), abs=1e-6)
    assert charts(text)[0][1][-1][2] == pytest.approx(
        np.linalg.norm((y - T) / (y * (1 - y))), rel=0.05
    )
    assert found[3000] < 0.1 and results(text) == pytest.approx([0, 1, 1, 0], abs=0.1)


def test_another_gate_is_another_t_and_its_name(tmp_path):
    gate = {"T =": "T = np.array([[0.0], [0.0], [0.0], [1.0]])", "GATE =": 'GATE = "AND"'}
    text = edited(tmp_path, gate, *"1 --epochs 3000".split())
    *_, head, _, first, second, third, last, _ = text.splitlines()
    assert head == "x0 AND x1 => result"
    assert re.fullmatch(r"0 AND 0 => 0\.0\d\d\d", first)
    assert [line[:10] for line in (second, third)] == ["0 AND 1 =>", "1 AND 0 =>"]
    assert re.fullmatch(r"1 AND 1 => 0\.9\d\d\d", last) and "XOR" not in text
    text = edited(tmp_path, gate, *"10 --epochs 300".split())  # the page asks what it ends with
    assert losses(text, 300)[300] == 0.375 and text.count(" => 0.2500") == 4


def test_another_problem_is_another_x_and_t(tmp_path):
    """Three bits: what else depends on them follows."""
    problem = {
        "X =": "X = np.array([*np.ndindex(2, 2, 2)], dtype=float)",
        "T =": "T = X.sum(axis=1, keepdims=True) % 2",
    }
    text = edited(tmp_path, problem, *"2 --epochs 2 --gradients".split())
    assert [*losses(text, 2)] == [1, 2]
    assert "dense_in (Dense)             (None, 4)                 16\n" in text
    blank, head, rule, *rows, last = text.splitlines()[-12:]
    assert (blank, head, rule, last) == ("", "x0 XOR x1 XOR x2 => result", RULE, RULE)
    for row, bits in zip(rows, np.ndindex(2, 2, 2), strict=True):
        assert re.fullmatch(" XOR ".join(map(str, bits)) + r" => 0\.\d{4}", row)


def test_a_dead_network_is_told_and_shows_where_the_signal_ends():
    text = printed(PLAIN, *"10 --activation relu --seed 1 --gradients".split())
    told = "epoch: 1 / 100000 Loss = 0.500000\nEvery gradient is 0: nothing changes any more.\n"
    assert f"{told}After 1 epoch" in text and results(text) == [0.5, 0.5, 0.5, 0.5]
    for _, rows, words in charts(text):
        assert words == "The signal ends at dense_5. The error ends at dense_8."
        assert {gradient for _, _, _, gradient in rows} == {0.0}


def test_training_ends_where_every_gradient_is_0_whatever_is_printed():
    """A gradient that is not clipped lets all of the units die, later than at the first epoch."""
    args = "10 --activation relu --init he --max-norm inf --epochs 3000".split()
    told = "\nEvery gradient is 0: nothing changes any more.\n"
    ends = []
    for every in "1", "1000", "3000":
        text = printed(PLAIN, *args, "--every", every)
        epoch = max(losses(text, 3000))
        assert f"epoch: {epoch} / 3000 Loss = 0.500000{told}" in text
        ends.append(epoch)
    assert 1 < ends[0] < 1000 and ends == 3 * ends[:1]


@pytest.mark.parametrize("seed", [0, 4, 10])
def test_gradients_that_are_0_in_some_layers_alone_do_not_end_training(seed):
    network = build_network(dense, 6, activation="relu", init="he", seed=seed)
    alive = [[grad.any() for grad in network.get_grads()] for _ in train(network, epochs=60)]
    assert all(map(any, alive)) and not all(map(all, alive))
    options = f"6 --activation relu --init he --epochs 60 --seed {seed}"
    text = printed(PLAIN, *options.split())
    assert max(losses(text, 60)) == 60 and "Every gradient is 0" not in text


@pytest.mark.parametrize(
    ("options", "last"),
    [
        ("10 --lr 1e300 --activation relu --max-norm inf", 1),
        ("10 --gain 1e300 --activation tanh", 0),
        ("100 --gain 50 --activation tanh", 0),  # the norm is finite, but not its square
    ],
)
def test_what_stops_being_finite_is_one_line_and_loses_nothing(options, last):
    status, text = run(PLAIN, *options.split(), "--gradients")
    assert re.fullmatch("error: the square of the gradient's norm is (nan|inf)", status)
    assert [*losses(text, 100000)] == [1][:last] and "x0 XOR x1 => result" in text
    assert charts(text)[1][0] == ["After 0 epochs", "After 1 epoch"][last]
    if "--gain 50" in options:
        largest = max(gradient for _, _, _, gradient in charts(text)[0][1])
        assert 1e154 < largest < np.inf


def test_a_pipe_gets_each_line_as_it_is_printed():
    class Flushed(io.StringIO):
        def flush(self):
            lines.append(self.getvalue().splitlines()[-1])

    lines = []
    run(PLAIN, "2", "--epochs", "1200", out=Flushed())
    assert [line[:11] for line in lines] == ["epoch: 1 / ", "epoch: 1000", "epoch: 1200", RULE[:11]]


def shell(redirection, *args, typed=""):
    """Return status, output and error of the plain script with this redirection."""
    return finished(["sh", "-c", f'"$@" {redirection}', "sh", *command(PLAIN, *args)], typed)


@posix
def test_closed_streams_matter_at_the_question_alone():
    assert [shell(closed)[::2] for closed in ("<&-", ">&-")] == 2 * [(1, NO_ANSWER + "\n")]
    status, text, error = shell("<&-", "1", "--epochs", "1")
    assert (status, error) == (0, "") and results(text)
    assert shell(">&-", "1", "--epochs", "1") == (0, "", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_output_is_one_line():
    for args in ["--epochs", "1"], ["1", "--epochs", "1"]:
        status, _, error = shell(">/dev/full", *args, typed="1\n")
        assert status == 1 and re.fullmatch("error: .*No space left on device.*\n", error)


@posix
@pytest.mark.parametrize("args", ["1", ""])
def test_a_reader_that_leaves_is_no_error(args):
    reader, writer = os.pipe()
    os.close(reader)
    process = start(command(PLAIN, *args.split()), stdout=writer)
    os.close(writer)
    _, error = process.communicate("1\n", timeout=TIMEOUT)
    assert (process.returncode, error) == (1, "")


class Pressed(io.StringIO):
    """An output at which Ctrl-C is pressed whenever something is printed."""

    def __init__(self, what):
        super().__init__()
        self.what = what

    def write(self, text):
        super().write(text)
        if self.what in text:
            signal.raise_signal(signal.SIGINT)

    def flush(self):
        self.write("")


@each_script
def test_ctrl_c_pressed_again_and_again_is_quiet_and_shows_what_is_learned(script, capfd):
    assert run(script, out=Pressed("")) == (130, PROMPT[script])
    args = "10 --epochs 2000 --max-norm 1e-9 --gradients".split()
    status, text = run(script, *args, out=Pressed("epoch"))
    assert status == 130 and [*losses(text, 2000)] == [1, 2] and results(text)
    assert charts(text)[1][0] == "After 2 epochs"
    assert set(capfd.readouterr().err) == {"\n"}


def test_afterwards_the_handler_of_ctrl_c_is_that_of_before():
    before = signal.signal(signal.SIGINT, print)
    printed(PLAIN, "1", "--epochs", "2")
    assert signal.signal(signal.SIGINT, before) is print
    told = "import signal; print(signal.getsignal(signal.SIGINT))\n"
    _, text, _ = finished([sys.executable, "-i", PLAIN, "1", "--epochs", "2"], told)
    assert text.splitlines()[-1] == str(signal.default_int_handler)


def at_a_terminal(script, *args):
    """Start a script at a pseudo-terminal, where standard output and error are one screen."""
    first, *words = command(script, *args)
    options = {"encoding": "utf-8", "timeout": TIMEOUT, "cwd": str(ROOT), "env": ENVIRONMENT}
    child = pexpect.spawn(first, words, **options)
    child.expect_exact(PROMPT[script])
    return child


@terminal
@each_script
def test_at_a_terminal_a_wrong_answer_is_told_and_asked_again(script):
    child = at_a_terminal(script, "--epochs", "1")
    child.sendline("abc")
    child.expect_exact("'abc' is not a whole number from 1 to 10\r\n" + PROMPT[script])
    child.sendline("2")
    child.expect_exact("2\r\n" + "\r\n".join(summary(script, 2)) + "\r\nepoch: 1 / 1 Loss = ")
    assert results(child.read().replace("\r\n", "\n")) and child.wait() == 0


@terminal
@each_script
def test_at_a_terminal_ctrl_c_at_the_question_is_quiet(script):
    child = at_a_terminal(script)
    for _ in range(100):  # Python loses a press that comes between the question and the reading
        child.sendintr()
        if child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=1) == 0:
            break
    assert re.fullmatch(r"(\^C)+(\r\n)+", child.before) and child.wait() == 130


@terminal
@each_script
def test_at_a_terminal_ctrl_c_in_training_shows_what_is_learned_so_far(script):
    child = at_a_terminal(script, *ENDLESS, "--every", "10")
    child.sendline("10")
    child.expect_exact("10\r\n" + "\r\n".join(summary(script, 10)) + "\r\n")
    child.expect(r"epoch: 1 / .*?\r\n.*?epoch: 20 / .*?\r\n")
    child.sendintr()
    text = (child.after + child.read()).replace("\r\n", "\n")
    assert re.search(r"^\^C\nepoch: ", text, re.M) and "Traceback" not in text
    assert max(losses(text, 1000000000)) >= 20 and results(text) and child.wait() == 130
