"""The two scripts as their reader runs them: options, question, output, Ctrl-C."""

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pexpect
import pytest

from test_gradients import forward
from XORgatemultihiddenlayers import T, X, argument_parser, build_network, dense, main
from XORgateresidualconnectionlayers import PARSER, residual

ROOT = Path(__file__).parents[1]
PLAIN = "XORgatemultihiddenlayers.py"
RESIDUAL = "XORgateresidualconnectionlayers.py"
MAIN = {
    PLAIN: (dense, "hidden layers", argument_parser("")),
    RESIDUAL: (residual, "residual connected hidden layers", PARSER),
}
PROMPT = {script: f"Input the number of {MAIN[script][1]} (1 to 10): " for script in MAIN}
RULE = 24 * "="
SECONDS = 3600  # so that a script that hangs is ended some day

# PYTHONUNBUFFERED would hide that a script does not flush; argparse may colour its messages.
ENVIRONMENT = {**os.environ, "PYTHONUNBUFFERED": "", "PYTHON_COLORS": "0", "COLUMNS": "80"}


def command(script, *args):
    return [sys.executable, "-W", "error", script, *args]


def start(words, **options):
    """Start a command of these words in the scripts' folder, with pipes."""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    options = {"cwd": ROOT, "env": ENVIRONMENT, "encoding": "utf-8", **pipes, **options}
    return subprocess.Popen(words, **options)


def finished(words, typed="", **options):
    """Return exit status, output and error of such a command."""
    with start(words, **options) as process:
        out, err = process.communicate(typed, timeout=SECONDS)
    return process.returncode, out, err


def run(script, *args, typed="", out=None):
    """Return what main hands to sys.exit, and what it prints, in this process."""
    argv, stdin, out = sys.argv, sys.stdin, out or io.StringIO()
    sys.argv, sys.stdin = [script, *args], io.StringIO(typed)
    try:
        with contextlib.redirect_stdout(out):
            status = main(*MAIN[script])
    except SystemExit as stop:
        status = stop.code
    finally:
        sys.argv, sys.stdin = argv, stdin
    return status, out.getvalue()


def printed(script, *args, typed=""):
    """Return what is printed by a run that succeeds."""
    status, text = run(script, *args, typed=typed)
    assert status == 0
    return text


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


def losses(text, limit):
    """Return {epoch: loss} of the loss lines."""
    found = re.findall(rf"^epoch: (\d+) / {limit} Loss = (\d\.\d{{6}})$", text, re.M)
    by_epoch = {int(epoch): float(loss) for epoch, loss in found}
    assert len(by_epoch) == text.count("epoch: ") and sorted(by_epoch) == [*by_epoch]
    return by_epoch


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


NO_ANSWER = "\nerror: the input ended before a number of hidden layers"
ENDLESS = "10", "--epochs", "1000000000", "--max-norm", "1e-9"

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background, where it is inherited
    signal.signal(signal.SIGINT, signal.default_int_handler)

each_script = pytest.mark.parametrize("script", [PLAIN, RESIDUAL])
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals, shell and terminals")


def test_the_long_runs_start(long_runs):
    """They go on behind the other tests; the last ones look at them."""


@each_script
@pytest.mark.parametrize("layers", range(1, 11))
def test_each_depth_has_its_prompt_summary_and_losses(script, layers):
    text = printed(script, "--epochs", "1200", typed=f"{layers}\n")
    lines = text.splitlines()
    table = summary(script, layers)
    assert lines[: len(table)] == [PROMPT[script] + table[0], *table[1:]]
    assert len(lines) == len(table) + 3 + 8 and min(results(text)) >= 0
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
    told = [f"{answer!a} is not a whole number from 1 to 10" for answer in answers]
    assert capsys.readouterr().err.splitlines() == told


@each_script
def test_an_input_that_ends_is_one_line(script):
    assert run(script, typed="") == (NO_ANSWER, PROMPT[script])
    assert run(script, typed="abc") == (NO_ANSWER, 2 * PROMPT[script])
    assert finished(command(script)) == (1, PROMPT[script], NO_ANSWER + "\n")


@pytest.mark.parametrize(
    ("option", "what", "bad", "good"),
    [
        ("--seed=", "a whole number from 0 to 4294967295", "-1 4294967296 1.5", "0 4294967295"),
        ("--epochs=", "a whole number from 1 to 1000000000", "0 1000000001 1e3", "1 1000000000"),
        ("", "a whole number from 1 to 100", "0 101 2.5 x", "1 100"),
        ("--skip=", "a whole number from 1 to 2", "0 3 x", "1 2"),
        ("--every=", "a whole number from 1 to 1000000000", "0 1000000001 x", "1 1000000000"),
        ("--gain=", "a finite number above 0", "0 -1 nan x inf 1e309", "5e-324 1.7e308"),
        ("--max-norm=", "a number above 0", "0 -1 nan x", ".25 2.5e-1 inf"),
        ("--learning-rate=", "a finite number above 0", "0 -1 nan x inf", "0.03 1e-1"),
        ("--lr=", "a finite number above 0", "0 -1 nan x inf", "0.03 1e-1"),
    ],
)
def test_a_number_out_of_range_is_told_and_both_ends_are_taken(option, what, bad, good, capsys):
    for value in bad.split():
        assert run(RESIDUAL, option + value) == (2, "")
        error = capsys.readouterr().err
        assert error.startswith("usage: ") and error.endswith(f": {value!r} is not {what}\n")
    for value in good.split():
        taken = vars(MAIN[RESIDUAL][2].parse_args([option + value])).values()
        kind = int if "whole" in what else float
        assert [kind, float(value)] in [[type(number), number] for number in taken]


def test_bad_options_get_the_usual_error(capsys):
    bad = "-3,3 4,--seed,--activation swish,--init zeros,--nonsense,--skip 1,--gain"
    for options in bad.split(","):
        assert run(PLAIN, *options.split()) == (2, "")
        error = capsys.readouterr().err
        assert error.startswith("usage: ") and ": error: " in error.splitlines()[-1]


@each_script
def test_help_tells_every_option_and_default(script):
    status, text = run(script, "--help")
    options = "--seed --epochs --every --activation --init --gain --batch-norm --learning-rate --lr"
    assert all(word in text for word in ["LAYERS", *options.split(), "--max-norm", "--gradients"])
    defaults = re.findall(r"\(default: (.*?)\)", " ".join(text.split()))
    assert defaults[:8] == ["0", "100000", "1000", "sigmoid", "glorot", "1.0", "1.0", "0.25"]
    assert defaults[8:] == ["1"] * (script == RESIDUAL) and "None" not in text
    assert status == 0 and text.isascii() and ("--skip" in text) == (script == RESIDUAL)


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


def test_a_dead_network_is_told_and_shows_where_the_signal_ends():
    text = printed(PLAIN, *"10 --activation relu --seed 1 --gradients".split())
    told = "epoch: 1 / 100000 Loss = 0.500000\nEvery gradient is 0: nothing changes any more.\n"
    assert f"{told}After 1 epoch" in text and results(text) == [0.5, 0.5, 0.5, 0.5]
    for _, rows, words in charts(text):
        assert words == "The signal ends at dense_5. The error ends at dense_8."
        assert {gradient for _, _, _, gradient in rows} == {0.0}


def test_what_stops_being_finite_is_one_line_and_loses_nothing():
    bad = ("--lr 1e300 --activation relu --max-norm inf", 1), ("--gain 1e300 --activation tanh", 0)
    for options, last in bad:
        status, text = run(PLAIN, "10", *options.split(), "--gradients")
        assert re.fullmatch("error: the norm of the gradient is (nan|inf)", status)
        assert [*losses(text, 100000)] == [1][:last] and "x0 XOR x1 => result" in text
        assert charts(text)[1][0] == ["After 0 epochs", "After 1 epoch"][last]


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
    assert shell(">&-", "1", "--epochs", "1") == shell(">&-", "--help") == (0, "", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_output_is_one_line():
    for args in ["--epochs", "1"], ["1", "--epochs", "1"], ["--help"]:
        status, _, error = shell(">/dev/full", *args, typed="1\n")
        assert status == 1 and re.fullmatch("error: .*No space left on device.*\n", error)


@posix
@pytest.mark.parametrize("args", ["1", "--help", ""])
def test_a_reader_that_leaves_is_no_error(args):
    reader, writer = os.pipe()
    os.close(reader)
    process = start(command(PLAIN, *args.split()), stdout=writer)
    os.close(writer)
    _, error = process.communicate("1\n", timeout=SECONDS)
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
    status, text = run(script, *ENDLESS, "--gradients", out=Pressed("epoch"))
    assert status == 130 and [*losses(text, 1000000000)] == [1, 2] and results(text)
    assert charts(text)[1][0] == "After 2 epochs"
    assert set(capfd.readouterr().err) == {"\n"}


def test_afterwards_the_handler_of_ctrl_c_is_that_of_before():
    before = signal.signal(signal.SIGINT, print)
    printed(PLAIN, "1", "--epochs", "2")
    assert signal.signal(signal.SIGINT, before) is print
    told = "import signal; print(signal.getsignal(signal.SIGINT))\n"
    _, text, _ = finished([sys.executable, "-i", PLAIN, "1", "--epochs", "2"], told)
    assert text.splitlines()[-1] == str(signal.default_int_handler)


@posix
@each_script
def test_at_a_terminal_ctrl_c_in_training_shows_what_is_learned_so_far(script):
    """At a pseudo-terminal, standard output and error are one screen."""
    first, *words = command(script, *ENDLESS[1:], "--every", "10")
    options = {"encoding": "utf-8", "timeout": SECONDS, "cwd": str(ROOT), "env": ENVIRONMENT}
    child = pexpect.spawn(first, words, **options)
    child.expect_exact(PROMPT[script])
    child.sendline("10")
    child.expect_exact("10\r\n" + "\r\n".join(summary(script, 10)) + "\r\n")
    child.expect(r"epoch: 1 / .*?\r\n.*?epoch: 20 / .*?\r\n")
    child.sendintr()
    text = (child.after + child.read()).replace("\r\n", "\n")
    assert re.search(r"^\^C\nepoch: ", text, re.M) and "Traceback" not in text
    assert max(losses(text, 1000000000)) >= 20 and results(text) and child.wait() == 130
