"""The two scripts as their reader runs them: options, question, output, Ctrl-C."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pexpect
import pytest

from scripts import (
    ENVIRONMENT,
    MAIN,
    PLAIN,
    PROMPT,
    RESIDUAL,
    ROOT,
    SECONDS,
    charts,
    command,
    finished,
    losses,
    printed,
    results,
    run,
    start,
    summary,
)
from test_gradients import forward
from XORgatemultihiddenlayers import T, X, build_network, dense
from XORgateresidualconnectionlayers import residual

NO_ANSWER = "\nerror: the input ended before a number of hidden layers"
HIDDEN_LAYER = {PLAIN: dense, RESIDUAL: residual}
ENDLESS = "10", "--epochs", "1000000000", "--max-norm", "1e-9"

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background, where it is inherited
    signal.signal(signal.SIGINT, signal.default_int_handler)

each_script = pytest.mark.parametrize("script", [PLAIN, RESIDUAL])
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals, shell and terminals")
full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


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
    y = forward(HIDDEN_LAYER[script], X, build_network(HIDDEN_LAYER[script], layers).get_params())
    assert found[1] == pytest.approx(np.sum((y[-1] - T) ** 2) / 2, abs=1e-6)
    assert text.isascii() and not re.search(r"[ \t]$", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("script", "layers", "last"), [(PLAIN, 10, 100_000), (PLAIN, 4, None), (RESIDUAL, 10, None)]
)
def test_ten_plain_layers_stall_and_ten_residual_ones_learn(long_runs, script, layers, last):
    text = long_runs(script, layers)
    found = losses(text, 100_000)
    *_, epoch = found
    assert [*found] == sorted({1, *range(1000, epoch, 1000), epoch})
    if last:
        assert epoch == last and found[last] == 0.5 and results(text) == 4 * [0.5]
    else:
        assert epoch < (10_000 if script == RESIDUAL else 100_000) and found[epoch] == 0.00001
        assert results(text) == pytest.approx([0, 1, 1, 0], abs=0.01)


@each_script
def test_layers_on_the_command_line_skip_the_question(script):
    given = printed(script, "3", "--epochs", "3", "--seed", "5")
    assert printed(script, "--epochs", "3", "--seed", "5", typed="3\n") == PROMPT[script] + given
    assert [*losses(given, 3)] == [1, 3]


@each_script
def test_the_command_line_goes_deeper_than_the_question(script):
    text = printed(script, "100", "--epochs", "1", "--gradients")
    assert text.splitlines()[:107] == summary(script, 100)
    assert [len(rows) for _, rows, _ in charts(text)] == [102, 102]
    assert max(map(len, text.splitlines())) <= 66


@each_script
def test_one_epoch_updates_once(script):
    """The loss of an epoch is that before its update, so that the second one differs."""
    one, two = printed(script, "1", "--epochs", "1"), printed(script, "1", "--epochs", "2")
    first, second = losses(two, 2).values()
    assert losses(one, 1) == {1: first} and abs(first - second) > 1e-3
    assert sum((y - t) ** 2 for y, t in zip(results(one), [0, 1, 1, 0])) / 2 == pytest.approx(
        second, abs=2e-4
    )


def test_both_stacks_start_from_the_same_draw():
    plain, residual_ = build_network(dense, 10), build_network(residual, 10)
    assert all(map(np.array_equal, plain.get_params(), residual_.get_params()))


def test_what_is_no_number_of_layers_is_told_and_asked_again(capsys):
    answers = ["abc", "2.5", "", "0", "11", "-3", "9" * 5000, "1 0", "nan", "inf", "1e0", "0x3"]
    text = printed(PLAIN, "--epochs", "1", typed="\n".join([*answers, " 2\t\n"]))
    assert text == (len(answers) + 1) * PROMPT[PLAIN] + printed(PLAIN, "2", "--epochs", "1")
    told = [f"{answer!r} is not a whole number from 1 to 10" for answer in answers]
    assert capsys.readouterr().err.splitlines() == told


@each_script
def test_an_input_that_ends_is_one_line(script, capsys):
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
        ("--gain=", "a number above 0", "0 -1 nan x", "5e-324 1.7e308 inf"),
        ("--max-norm=", "a number above 0", "0 -1 nan x", ".25 2.5e-1 inf"),
        ("--learning-rate=", "a number above 0", "0 -1 nan x", "0.03 1e-1 inf"),
        ("--lr=", "a number above 0", "0 -1 nan x", "0.03 1e-1 inf"),
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


@pytest.mark.parametrize(
    "options",
    ["-3", "3 4", "--seed", "--activation swish", "--init zeros", "--nonsense", "--skip 1"]
    + ["1 --seed=--", "1 --epochs=--", "1 --init=--", "1 --lr=--", "--gain"],
)
def test_bad_options_get_the_usual_error(options, capsys):
    assert run(PLAIN, *options.split()) == (2, "")
    error = capsys.readouterr().err
    assert error.startswith("usage: ") and ": error: " in error.splitlines()[-1]


@each_script
def test_help_tells_every_option_and_default(script):
    status, text = run(script, "--help")
    options = "--seed --epochs --activation --init --gain --batch-norm --learning-rate --lr"
    assert all(word in text for word in ["LAYERS", *options.split(), "--max-norm", "--gradients"])
    defaults = re.findall(r"\(default: (.*?)\)", " ".join(text.split()))
    assert defaults[:7] == ["0", "100000", "sigmoid", "glorot", "1.0", "1.0", "0.25"]
    assert defaults[7:] == ["1"] * (script == RESIDUAL)
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


@pytest.mark.parametrize(
    ("script", "options", "rows"),
    [
        (PLAIN, "--batch-norm", ["norm_0 (BatchNormalization)  (None, 4)                 8"]),
        (RESIDUAL, "--batch-norm", ["residual_0 (Dense)           (None, 4)                 28"]),
        (RESIDUAL, "--skip 2", ["residual_0 (Dense)           (None, 4)                 40"]),
        (RESIDUAL, "--skip 2 --batch-norm", [f"residual_0 (Dense){'':11}(None, 4){'':17}56"]),
    ],
)
def test_the_summary_counts_what_is_in_a_layer(script, options, rows):
    lines = printed(script, "2", "--epochs", "1", *options.split()).splitlines()
    assert lines[4] in rows
    hidden = sum(int(line.split()[-1]) for line in lines[4 : lines.index(65 * "=", 3) - 1])
    assert f"Total params: {17 + hidden}" in lines


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


def test_charts_belong_to_the_weights_of_their_moment():
    text = printed(PLAIN, "3", "--epochs", "1", "--gradients")
    (_, before, _), (heading, after, _) = charts(text)
    assert heading == "After 1 epoch" and before != after
    y = np.array(results(text))
    assert after[-1][1] == pytest.approx(np.linalg.norm(y - y.mean()), abs=2e-3)
    assert after[-1][2] == pytest.approx(np.linalg.norm(y - [0, 1, 1, 0]), abs=0.05)


def test_a_dead_network_is_told_and_shows_where_the_signal_ends():
    text = printed(PLAIN, *"10 --activation relu --seed 1 --gradients".split())
    told = "epoch: 1 / 100000 Loss = 0.500000\nEvery gradient is 0: nothing changes any more.\n"
    assert f"{told}After 1 epoch" in text and results(text) == [0.5, 0.5, 0.5, 0.5]
    for _, rows, words in charts(text):
        assert words == "The signal ends at dense_5. The error ends at dense_8."
        assert {gradient for _, _, _, gradient in rows} == {0.0}


@each_script
@pytest.mark.parametrize(
    ("options", "epoch"), [("--lr inf --activation relu --max-norm inf", 1), ("--gain inf", 0)]
)
def test_what_stops_being_finite_is_one_line_and_loses_nothing(script, options, epoch):
    status, text = run(script, "10", *options.split(), "--gradients")
    assert re.fullmatch("error: the norm of the gradient is (nan|inf)", status)
    assert [*losses(text, 100000)] == [1][:epoch]
    assert charts(text)[1][0] == f"After {epoch} epoch{'s' * (epoch != 1)}"
    assert "x0 XOR x1 => result" in text


@each_script
def test_a_pipe_gets_each_line_as_it_is_printed(script):
    with start(command(script, *ENDLESS)) as process:
        for line in process.stdout:
            if line.startswith("epoch: 1 /"):
                break
        process.kill()


@posix
@each_script
class TestStreams:
    """Closed, full, or left by their reader: one line where there is a place for it, or silence."""

    def shell(self, redirection, script, *args, typed=""):
        return finished(["sh", "-c", f'"$@" {redirection}', "sh", *command(script, *args)], typed)

    def test_closed_or_missing_input(self, script):
        assert self.shell("<&-", script) == (1, PROMPT[script], NO_ANSWER + "\n")
        status, text, error = self.shell("<&-", script, "1", "--epochs", "1")
        assert (status, error) == (0, "") and results(text)

    def test_an_answer_that_is_no_text(self, script):
        answers = "printf '\\377\\n2\\n' |"
        line = ["sh", "-c", f'{answers} "$@"', "sh", *command(script, "--epochs", "1")]
        status, text, error = finished(line)
        assert status == 0 and results(text) and error.count("\n") <= 1

    def test_closed_output(self, script):
        assert self.shell(">&-", script, "--epochs", "1", typed="1\n") == (0, "", "")
        assert self.shell(">&-", script, "1", "--epochs", "1") == (0, "", "")
        assert self.shell(">&-", script, "--help") == (0, "", "")

    @full
    def test_full_output(self, script):
        line = "error: .*No space left on device.*\n"
        for args in ["--epochs", "1"], ["1", "--epochs", "1"]:
            status, _, error = self.shell(">/dev/full", script, *args, typed="1\n")
            assert status == 1 and re.fullmatch(line, error)
        status, _, error = self.shell(">/dev/full", script, "--help")
        assert status in (0, 1) and re.fullmatch(f"({line})?", error)

    def test_a_reader_that_leaves(self, script):
        for args in ["1"], ["--help"], []:
            reader, writer = os.pipe()
            os.close(reader)
            process = start(command(script, *args), stdout=writer)
            os.close(writer)
            _, error = process.communicate("1\n", timeout=SECONDS)
            assert (process.returncode, error) == (1, "")


@posix
@each_script
class TestInterrupt:
    """Ctrl-C without a terminal: SIGINT."""

    def read_until(self, end, process):
        """Read until what is printed ends so, in the middle of a line perhaps."""
        text = ""
        while not text.endswith(end):
            character = process.stdout.read(1)
            assert character, text  # or it would wait for ever
            text += character
        return text

    def end(self, process):
        """Return the exit status, and what was printed and not yet read."""
        text, error = process.stdout.read(), process.stderr.read()
        return process.wait(SECONDS), text, error

    @pytest.mark.parametrize("options", [[], ["--gradients"]])
    def test_twice_in_training_shows_what_is_learned_so_far(self, script, options):
        with start(command(script, *ENDLESS, *options)) as process:
            first = self.read_until("epoch: 1000 /", process)
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGINT)
            status, text, error = self.end(process)
        assert status == 130 and set(error) == {"\n"}
        text = first + text
        last = max(losses(text, 1000000000))
        assert results(text) and len(charts(text)) == 2 * len(options)
        assert not options or f"After {last} epochs" in text

    def test_once_more_while_python_exits(self, script):
        with start(command(script, *ENDLESS)) as process:
            self.read_until("epoch: 1 /", process)
            process.send_signal(signal.SIGINT)
            text = self.read_until(f"\n{24 * '='}\n", process)
            text += self.read_until(f"\n{24 * '='}\n", process)
            process.send_signal(signal.SIGINT)
            status, _, error = self.end(process)
        assert status == 130 and set(error) == {"\n"}
        assert results(text)

    def test_several_at_the_question_are_quiet(self, script):
        with start(command(script)) as process:
            self.read_until(PROMPT[script], process)
            with contextlib.suppress(ProcessLookupError):
                while process.poll() is None:  # Python loses one before it reads
                    process.send_signal(signal.SIGINT)
                    process.send_signal(signal.SIGINT)
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(0.2)
            status, text, error = self.end(process)
        assert (status, text) == (130, "") and set(error) == {"\n"}

    @pytest.mark.parametrize("way", ["-i", "import", "main"])
    def test_afterwards_the_handler_is_pythons_own(self, script, way):
        told = "import signal; print(signal.getsignal(signal.SIGINT))"
        args = {
            "-i": ["-i", script, "1", "--epochs", "2"],
            "import": ["-c", f"import {script[:-3]}; {told}"],
            "main": ["-c", f"import scripts; scripts.printed({script!r}, '1'); {told}"],
        }[way]
        env = {**ENVIRONMENT, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
        _, text, _ = finished([sys.executable, *args], f"{told}\n", env=env)
        assert text.splitlines()[-1] == str(signal.default_int_handler)


@posix
@each_script
class TestTerminal:
    """At a pseudo-terminal, standard output and error are one screen."""

    def spawn(self, script, *args):
        first, *rest = command(script, *args)
        return pexpect.spawn(
            first, rest, encoding="utf-8", timeout=SECONDS, cwd=str(ROOT), env=ENVIRONMENT
        )

    def status(self, child):
        child.close()
        return child.exitstatus

    def test_question_answer_summary_losses_results(self, script):
        child = self.spawn(script, "--epochs", "1500")
        child.expect_exact(PROMPT[script])
        child.sendline("abc")
        child.expect_exact("'abc' is not a whole number from 1 to 10\r\n" + PROMPT[script])
        child.sendline("10")
        child.expect_exact("10\r\n" + "\r\n".join(summary(script, 10)) + "\r\n")
        text = child.read().replace("\r\n", "\n")
        assert [*losses(text, 1500)] == [1, 1000, 1500] and results(text)
        assert self.status(child) == 0

    def test_ctrl_d_at_the_question(self, script):
        child = self.spawn(script)
        child.expect_exact(PROMPT[script])
        child.sendeof()
        child.expect_exact(f"{NO_ANSWER}\n".replace("\n", "\r\n"))
        assert child.read() == "" and self.status(child) == 1

    def test_ctrl_c_at_the_question(self, script):
        child = self.spawn(script)
        child.expect_exact(PROMPT[script])
        child.sendintr()
        while child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=1):  # Python lost it
            child.sendintr()
        assert re.fullmatch(r"(\^C)+(\r\n)+", child.before) and self.status(child) == 130

    def test_ctrl_c_in_training_shows_what_is_learned_so_far(self, script):
        child = self.spawn(script, *ENDLESS)
        child.expect(r"epoch: 1 / .*?\r\n")
        first = child.after
        child.expect(r"epoch: 2000 / .*?\r\n")
        child.sendintr()
        text = (first + child.before + child.after + child.read()).replace("\r\n", "\n")
        assert re.search(r"^\^C\nepoch: ", text, re.M) and "Traceback" not in text
        assert max(losses(text, 1000000000)) >= 2000 and results(text)
        assert self.status(child) == 130
