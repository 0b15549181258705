"""The two scripts as their reader runs them: through a pipe and at a terminal."""

import contextlib
import io
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pexpect
import pytest

import XORgatemultihiddenlayers as plain_script
from ulp import moved
from XORgatemultihiddenlayers import argument_parser, ask_layer_count, build_network, dense
from XORgateresidualconnectionlayers import residual, residual_parser

ROOT = Path(__file__).parents[1]
PLAIN = "XORgatemultihiddenlayers.py"
RESIDUAL = "XORgateresidualconnectionlayers.py"
PROMPT = {
    PLAIN: "Input the number of hidden layers (1 to 10): ",
    RESIDUAL: "Input the number of residual connected hidden layers (1 to 10): ",
}
RULE = 24 * "="
NO_ANSWER = "\nerror: the input ended before a number of hidden layers\n"
SECONDS = 120  # no script runs for ever

# PYTHONUNBUFFERED would hide that a script does not flush; argparse may colour its messages.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name not in ("PYTHONUNBUFFERED", "FORCE_COLOR", "PYTHON_COLORS", "COLUMNS")
}

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background, where it is inherited
    signal.signal(signal.SIGINT, signal.default_int_handler)

each_script = pytest.mark.parametrize("script", [PLAIN, RESIDUAL])
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals, shell and terminals")


def command(script, *args):
    return [sys.executable, "-W", "error", script, *args]


OPTIONS = {"cwd": ROOT, "env": ENVIRONMENT, "encoding": "utf-8"}


def finished(words, **options):
    """Run a command of these words to its end, in the scripts' folder."""
    return subprocess.run(
        words, **{**OPTIONS, "capture_output": True, "timeout": SECONDS, **options}
    )


def run(script, *args, **options):
    if "input" not in options:
        options.setdefault("stdin", subprocess.DEVNULL)
    return finished(command(script, *args), **options)


def run_without_a_word(script, *args, **options):
    """Return the standard output of a run that succeeds with nothing on standard error."""
    done = run(script, *args, **options)
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout


def run_in_shell(script, *args, redirection, **options):
    """Run the script as a shell does with this redirection; return status, output and error."""
    line = f'"$@" {redirection}'
    done = finished(["sh", "-c", line, "sh", *command(script, *args)], **options)
    return done.returncode, done.stdout, done.stderr


def start(script, *args, **options):
    return subprocess.Popen(
        command(script, *args),
        **{**OPTIONS, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )


def summary(script, layers):
    name = {PLAIN: "dense", RESIDUAL: "residual"}[script]
    rows = [f"{f'{name}_{i} (Dense)':<29}(None, 4)                 20" for i in range(layers)]
    return [
        "_________________________________________________________________",
        "Layer (type)                 Output Shape              Param #",
        "=================================================================",
        "dense_in (Dense)             (None, 4)                 12",
        *rows,
        "dense_out (Dense)            (None, 1)                 5",
        "=================================================================",
        f"Total params: {17 + 20 * layers}",
    ]


def results(lines):
    """Return the four results of the table that lines end with."""
    assert lines[-7:-5] == ["x0 XOR x1 => result", RULE] and lines[-8] == "" and lines[-1] == RULE
    rows = [re.fullmatch(r"([01] XOR [01]) => (\d\.\d{4})", line).groups() for line in lines[-5:-1]]
    assert [question for question, _ in rows] == ["0 XOR 0", "0 XOR 1", "1 XOR 0", "1 XOR 1"]
    return [float(result) for _, result in rows]


def epochs(text, limit):
    """Return the numbers of the loss lines; none of them is there twice."""
    numbers = [
        int(n) for n in re.findall(rf"^epoch: (\d+) / {limit} Loss = \d\.\d{{6}}$", text, re.M)
    ]
    assert len(set(numbers)) == len(numbers) == text.count("epoch: ") and sorted(numbers) == numbers
    return numbers


def epoch_limit(script, layers):
    """Return the default, but for what would take long only to stall like its neighbours."""
    return 5_000 if script == PLAIN and 6 <= layers <= 9 else 100_000


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Every number of layers typed at each prompt: all at once, while the other tests go on.

    Processes, and no threads: where one is alive, Python warns of opening a pseudo-terminal.
    """
    folder = tmp_path_factory.mktemp("runs")
    with contextlib.ExitStack() as stack:
        processes = {}
        for script, n in [(script, n) for n in range(10, 0, -1) for script in (PLAIN, RESIDUAL)]:
            printed = stack.enter_context(open(folder / f"{n}{script}", "w+", encoding="utf-8"))
            limit = f"--epochs={epoch_limit(script, n)}"
            process = start(script, limit, stdin=subprocess.PIPE, stdout=printed, stderr=printed)
            stack.enter_context(process)
            stack.callback(process.kill)
            process.stdin.write(f"{n}\n")
            process.stdin.close()
            processes[script, n] = process, printed

        def text(script, n):
            process, printed = processes[script, n]
            assert process.wait(SECONDS) == 0
            printed.seek(0)
            return printed.read()

        yield text


def test_the_long_runs_are_started(runs):
    """First of all, so that they go on behind the other tests; the last ones look at them."""


@each_script
def test_layers_on_the_command_line_skip_the_question(script):
    asked = run_without_a_word(script, "--epochs", "1500", "--seed", "5", input="3\n")
    given = run_without_a_word(script, "3", "--epochs", "1500", "--seed", "5")
    assert asked == PROMPT[script] + given
    assert epochs(given, 1500) == [1, 1000, 1500]
    assert given != run_without_a_word(script, "3", "--epochs", "1500")


@each_script
def test_the_command_line_goes_deeper_than_the_question(script):
    text = run_without_a_word(script, "100", "--epochs", "1", "--gradients")
    lines = text.splitlines()
    table = summary(script, 100)
    assert lines[: len(table)] == table
    (_, before, _), (_, after, _) = charts(text)
    assert len(before) == len(after) == 102
    for line in lines:
        assert len(line) <= 65 or line.startswith("A hidden layer passes on ")


@each_script
def test_one_epoch_updates_once(script):
    """The loss of an epoch is that before its update, so that the second one differs."""
    one = run_without_a_word(script, "1", "--epochs", "1").splitlines()
    two = run_without_a_word(script, "1", "--epochs", "2").splitlines()
    first, second = (line.split()[-1] for line in two[-10:-8])
    assert one[-9].split()[-1] == first != second
    learned = sum((y - t) ** 2 for y, t in zip(results(one), [0, 1, 1, 0])) / 2
    assert learned == pytest.approx(float(second), abs=2e-4)
    assert abs(float(first) - float(second)) > 1e-3


def test_both_stacks_start_from_the_same_draw():
    plain, residual_ = build_network(dense, 10), build_network(residual, 10)
    for a, b in zip(plain.get_params(), residual_.get_params(), strict=True):
        assert np.array_equal(a, b)


BAD_ANSWERS = [
    "abc", "2.5", "1_0", "", "0", "11", "100", "-3", "9" * 20, "9" * 21, "9" * 5000, "\u0661",
    "1 0", "+1", "nan", "inf", "\x1c3", "3\x1d", "\x1e", "\x1f3", "3\x0b", "\xa03", "1e0", "0x3",
]  # fmt: skip


def shortened(answer):
    return ascii(answer if len(answer) <= 20 else answer[:20] + "...")


@each_script
def test_bad_answers_are_told_and_the_question_comes_again(script):
    answers = "".join(answer + "\n" for answer in [*BAD_ANSWERS, " 2\t"])
    done = run(script, "--epochs", "1", input=answers)
    assert done.stderr.splitlines() == [
        f"{shortened(answer)} is not a whole number from 1 to 10" for answer in BAD_ANSWERS
    ]
    assert done.returncode == 0
    assert done.stdout == PROMPT[script] * len(BAD_ANSWERS) + run_without_a_word(
        script, "--epochs", "1", input="2\n"
    )


def in_a_program(code, *args, **options):
    """Run a program that imports both scripts, as x and r, with args on its command line."""
    imports = "import sys, XORgatemultihiddenlayers as x, XORgateresidualconnectionlayers as r\n"
    words = [sys.executable, "-W", "error", "-c", imports + code, *args]
    return finished(words, **options)


def test_main_asks_twice_in_one_program():
    code = "for i in 0, 1: print(x.main(x.dense, 'hidden layers', x.argument_parser('')))"
    done = in_a_program(code, "--epochs", "1", input="abc\n1\n2\n")
    assert done.stderr == "'abc' is not a whole number from 1 to 10\n"
    assert done.stdout == PROMPT[PLAIN] + "".join(
        run_without_a_word(PLAIN, "--epochs", "1", input=f"{n}\n") + "0\n" for n in (1, 2)
    )


def test_main_runs_in_a_thread():
    code = """if True:
        import threading
        parts = r.residual, "residual connected hidden layers", r.residual_parser()
        thread = threading.Thread(target=lambda: print(x.main(*parts)))
        thread.start()
        thread.join()
        """
    done = in_a_program(code, "2", "--epochs", "3")
    assert done.stderr == ""
    assert done.stdout == run_without_a_word(RESIDUAL, "2", "--epochs", "3") + "0\n"


@pytest.mark.skipif(sys.version_info[:3] == (3, 13, 0), reason="its pdb refuses options")
def test_a_debugger_runs_the_script():
    words = [sys.executable, "-m", "pdb", PLAIN, "2", "--epochs", "5"]
    done = finished(words, input="c\nq\n")
    assert run_without_a_word(PLAIN, "2", "--epochs", "5") in done.stdout


def test_three_is_three_however_it_is_written():
    expected = run_without_a_word(PLAIN, "--epochs", "1", input="3\n")
    for answer in ["\ufeff3\n", "3", "003\r\n", " 00000000003 \n\t3\n"]:
        assert run_without_a_word(PLAIN, "--epochs", "1", input=answer) == expected
    latin = {**ENVIRONMENT, "PYTHONIOENCODING": "latin-1"}
    assert run_without_a_word(PLAIN, "--epochs", "1", input="\ufeff3\n", env=latin) == expected


@each_script
def test_an_answer_that_is_no_text_is_told(script):
    done = subprocess.run(
        command(script, "--epochs", "1"),
        input=b"\xff\x00\n2\n",
        capture_output=True,
        cwd=ROOT,
        env={**ENVIRONMENT, "PYTHONIOENCODING": "utf-8:strict"},
        timeout=SECONDS,
    )
    assert done.returncode == 0
    assert done.stderr.count(b"\n") == 1 and b"is not a whole number from 1 to 10" in done.stderr


@each_script
@pytest.mark.parametrize("answers", ["", "abc\n"])
def test_end_of_input_is_one_line(script, answers):
    done = run(script, input=answers)
    assert done.returncode == 1
    told = f"{answers.strip()!a} is not a whole number from 1 to 10\n" if answers else ""
    assert done.stderr == told + NO_ANSWER


def test_an_input_that_is_no_stream_of_bytes_is_asked_too(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("abc\n3\n"))  # as IDLE's
    assert ask_layer_count("hidden layers") == 3


@posix
@each_script
class TestStreams:
    """Closed, full, or left by their reader: one line where there is a place for it, or the run."""

    def test_closed_input(self, script):
        closed = run_in_shell(script, redirection="<&-", stdin=None)
        assert closed == (1, PROMPT[script], NO_ANSWER)
        status, text, error = run_in_shell(script, "1", "--epochs", "1", redirection="<&-")
        assert (status, error) == (0, "") and results(text.splitlines())

    def test_closed_output(self, script):
        args = [script, "--epochs", "1"]
        assert run_in_shell(*args, redirection=">&-", input="1\n") == (0, "", "")
        assert run_in_shell(*args, "1", redirection=">&-") == (0, "", "")
        assert run_in_shell(*args, "1", redirection="<&- >&- 2>&-") == (0, "", "")
        assert run_in_shell(*args, redirection=">&-", input="") == (1, "", NO_ANSWER)
        assert run_in_shell(script, "--help", redirection=">&-") == (0, "", "")

    def test_closed_error(self, script):
        args = [script, "--epochs", "1"]
        status, text, _ = run_in_shell(*args, redirection="2>&-", input="abc\n1\n")
        assert status == 0
        assert text == PROMPT[script] + run_without_a_word(*args, input="1\n")
        assert run_in_shell(*args, redirection="2>&-", input="")[0] == 1
        assert run_in_shell(script, "--nonsense", redirection="2>&-")[0] == 2

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_full_output(self, script):
        for args in [script, "1"], [script, "--epochs", "1"], [script, "--help"]:
            status, _, error = run_in_shell(*args, redirection=">/dev/full", input="1\n")
            assert re.fullmatch(r"(error: .*No space left on device.*\n)?", error)
            assert (status, bool(error)) == (1, True) or args[1] == "--help" and status in (0, 1)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_full_error(self, script):
        args = [script, "--epochs", "1"]
        for answers in "abc\n1\n", "":
            status, _, _ = run_in_shell(*args, redirection="2>/dev/full", input=answers)
            assert status == 1
        assert run_in_shell(script, "--nonsense", redirection="2>/dev/full")[0] in (1, 2)

    def test_a_reader_that_leaves_is_no_error(self, script):
        for args in [script, "10"], [script, "--help"]:
            with start(*args) as process:
                for _ in range(5):  # as | head -5 does
                    process.stdout.readline()
                process.stdout.close()
                assert process.stderr.read() == ""
        assert run_in_shell(script, "--help", redirection="| true") == (0, "", "")


def test_a_reader_that_leaves_on_windows_is_no_error():
    code = """if True:
        import errno, io
        class Left(io.StringIO):
            def write(self, text):
                raise OSError(errno.EINVAL, "Invalid argument")
            def fileno(self):
                return 1
        sys.stdout = Left()
        sys.exit(x.main(x.dense, "", x.argument_parser("")))
        """
    done = in_a_program(code, "1")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


WHOLE = "a whole number from"
BAD_NUMBERS = [
    ("", f"{WHOLE} 1 to 100", ["0", "101", "abc", "2.5", "1_0", "\x1d3", "\u0663", "9" * 30]),
    ("--seed", f"{WHOLE} 0 to 4294967295", ["-1", "x", "1.5", "4294967296", "", "9" * 5000]),
    ("--epochs", f"{WHOLE} 1 to 1000000000", ["0", "-1", "1e5", "ten", "1000000001", "+1"]),
    *(
        (option, "a number above 0", values)
        for option in ("--max-norm", "--gain", "--learning-rate", "--lr")
        for values in (
            ["-1", "0", "nan", "x", "1_0", "1e400", "1e-400", "\u0661"],
            ["", "1" + 30 * "x", "infinite", "-inf", "0x1p3"],
        )
    ),
]


@pytest.mark.parametrize(
    ("option", "what", "value"),
    [(option, what, value) for option, what, values in BAD_NUMBERS for value in values],
)
def test_a_bad_number_gets_the_usual_error(option, what, value, capsys, monkeypatch):
    monkeypatch.setenv("PYTHON_COLORS", "0")
    with pytest.raises(SystemExit) as stop:
        argument_parser("").parse_args([f"{option}={value}" if option else value])
    assert stop.value.code == 2
    error = capsys.readouterr().err.splitlines()[-1]
    rate = "--learning-rate/--lr"
    name = {"": "LAYERS", "--lr": rate, "--learning-rate": rate}.get(option, option)
    assert error.endswith(f": error: argument {name}: {shortened(value)} is not {what}")


@pytest.mark.parametrize(
    "options",
    [
        "-3", "101", "3 4", "--seed", "--activation swish", "--init zeros", "--nonsense",
        "--skip 1", "1 --seed=--", "1 --epochs=--", "1 --max-norm=--", "1 --init=--",
        "1 --gain=--", "1 --lr=--", "--gain", "--lr",
    ],
)  # fmt: skip
def test_bad_options_get_the_usual_error(options):
    done = run(PLAIN, *options.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: ") and f"{PLAIN}: error: " in done.stderr


@pytest.mark.parametrize(
    ("option", "values"),
    {
        "--seed": ["4294967295", "0", "000", "1234567890"],
        "--epochs": ["1000000000", "00000000000300000"],
        "--max-norm": ["inf", "INF", "0.25", ".25", "2.5e-1", "1e+308", " 1 ", "5e-324"],
        "--gain": ["inf", "4", "5e-324", "1.7e308"],
        "--learning-rate": ["inf", "0.03", "5e-324", "1.7e308"],
        "--lr": ["3", "1e-1"],
    }.items(),
)
def test_numbers_at_both_ends_are_taken(option, values):
    for value in values:
        args = argument_parser("").parse_args([option, value])
        taken = getattr(args, "learning_rate" if option == "--lr" else option[2:].replace("-", "_"))
        assert taken == float(value)
        assert isinstance(taken, int if option in ("--seed", "--epochs") else float)


def test_skip_is_1_or_2():
    for skip in ("0", "3", "1.0", "--"):
        done = run(RESIDUAL, "2", f"--skip={skip}")
        assert done.returncode == 2 and f"{RESIDUAL}: error: " in done.stderr
    one, given, two = (
        run_without_a_word(RESIDUAL, "2", "--epochs", "20", *options)
        for options in ([], ["--skip", "1"], ["--skip", "2"])
    )
    assert one == given != two


@each_script
def test_help_tells_every_option_and_default(script):
    text = " ".join(run_without_a_word(script, "--help").split())
    options = "--seed --epochs --activation --init --gain --batch-norm --learning-rate --lr"
    assert all(word in text for word in ["LAYERS", *options.split(), "--max-norm", "--gradients"])
    defaults = re.findall(r"\(default: (.*?)\)", text)
    assert defaults[:7] == ["0", "100000", "sigmoid", "glorot", "1.0", "1.0", "0.25"]
    assert defaults[7:] == ["1"] * (script == RESIDUAL)
    assert ("--skip" in text) == (script == RESIDUAL)
    assert text.isascii()


@each_script
def test_the_folder_and_the_encoding_make_no_difference(script, tmp_path):
    here = run_without_a_word(script, "2", "--epochs", "1000")
    environment = {**ENVIRONMENT, "PYTHONIOENCODING": "ascii"}
    there = run_without_a_word(
        str(ROOT / script), "2", "--epochs", "1000", cwd=tmp_path, env=environment
    )
    assert here == there


@each_script
def test_every_line_is_there_as_it_is_printed(script):
    """As for | tee: what a run of seconds prints in its first moment does not wait for its last."""
    with start(script, "10", "--epochs", "50000", "--max-norm", "1e-9") as process:
        for line in process.stdout:
            if line.startswith("epoch: 1 /"):
                process.kill()
        assert re.match(r"epoch: \d{1,5} ", line) and not line.startswith("epoch: 50000 ")


@each_script
@pytest.mark.parametrize("limit", ["2", "100"])
@pytest.mark.parametrize(
    ("options", "epoch"),
    [("--lr inf", 2), ("--lr inf --activation relu --max-norm inf", 2), ("--gain inf", 1)],
)
def test_what_stops_being_finite_is_one_line_and_loses_nothing(script, options, epoch, limit):
    done = run(script, "10", *options.split(), "--epochs", limit, "--gradients")
    assert done.returncode == 1
    assert re.fullmatch(
        f"error: epoch {epoch}: the norm of the gradient is (nan|inf)\n", done.stderr
    )
    assert epochs(done.stdout, limit) == [1][: epoch - 1]
    assert [heading for heading, _, _ in charts(done.stdout)] == [
        "Before training",
        f"After {epoch - 1} epoch{'s' * (epoch == 1)}",
    ]
    assert done.stdout.splitlines()[-7:-5] == ["x0 XOR x1 => result", RULE]


def charts(text):
    """Return (heading, rows, last line) of each chart; a row is (name, signal, error, gradient)."""
    found = []
    lines = text.splitlines()
    for i, line in enumerate(lines):
        if line.endswith(" (one # a power of ten, 1e-09 to 1e+04)"):
            heads = "layer       v signal, read down  ^ error dL/dy, read up  gradient"
            assert lines[i + 1] == heads
            rows, i = [], i + 2
            number = r"(\d\.\de[+-]\d\d\d?|nan|inf)"
            row = rf"(\w+) +{number} ([#<>]*) +{number} ([#<>]*) +{number}"
            while match := re.fullmatch(row, lines[i]):
                name, signal, _, error, _, gradient = match.groups()
                rows.append((name, float(signal), float(error), float(gradient)))
                i += 1
            found.append((line.split(" (")[0], rows, lines[i]))
    return found


@each_script
@pytest.mark.parametrize("options", ["", "--batch-norm", "--activation relu --max-norm inf"])
def test_charts_before_and_after(script, options):
    args = ["3", "--epochs", "1200", *options.split()]
    text = run_without_a_word(script, *args, "--gradients")
    (first, before, words), (last, after, last_words) = charts(text)
    assert first == "Before training" and last == f"After {epochs(text, 1200)[-1]} epochs"
    names = re.findall(r"(\w+) \((?:Dense|BatchNormalization)\)", text)
    assert [row[0] for row in before] == [row[0] for row in after] == names
    factor = r"A hidden layer passes on \d+\.\d\d of the signal and \d+\.\d\d of the error\."
    assert re.fullmatch(factor, words) and re.fullmatch(factor, last_words)
    assert max(map(len, set(text.splitlines()) - {words, last_words})) <= 65
    assert re.search(r"Total params: \d+\nBefore training", text)
    chart = r"(Before|After) .* \(one # a power(.*\n)+?A hidden layer.*\n"
    assert re.sub(chart, "", text) == run_without_a_word(script, *args)


def test_charts_belong_to_the_weights_of_their_moment():
    text = run_without_a_word(PLAIN, "3", "--epochs", "1", "--gradients")
    (_, before, _), (heading, after, _) = charts(text)
    assert heading == "After 1 epoch" and before != after
    y = np.array(results(text.splitlines()))
    assert after[-1][1] == pytest.approx(np.linalg.norm(y - y.mean()), abs=2e-3)
    assert after[-1][2] == pytest.approx(np.linalg.norm(y - [0, 1, 1, 0]), abs=0.05)


@each_script
def test_the_contrast_at_ten_layers(script):
    text = run_without_a_word(script, "10", "--epochs", "1", "--gradients")
    factors = [float(x) for x in re.findall(r"passes on (\S+) of the signal and (\S+) of", text)[0]]
    assert all(0.2 < x < 0.25 if script == PLAIN else 0.99 < x < 1.01 for x in factors)


@each_script
def test_every_choice_changes_the_run(script):
    choices = [
        "", "--activation tanh", "--activation relu", "--init he", "--init uniform",
        "--gain 4", "--learning-rate 0.1", "--max-norm 0.01", "--seed 1",
    ]  # fmt: skip
    texts = [run_without_a_word(script, "3", "--epochs", "20", *c.split()) for c in choices]
    assert texts[0] == run_without_a_word(script, "3", *"--epochs 20 --gain 1 --lr 1".split())
    assert texts[6] == run_without_a_word(script, "3", *"--epochs 20 --lr .1".split())
    assert len(set(texts)) == len(texts)
    assert {tuple(text.splitlines()[:8]) for text in texts} == {tuple(summary(script, 3)[:8])}


def test_batch_norm_rows_are_in_the_summary():
    lines = run_without_a_word(PLAIN, "10", "--batch-norm", "--epochs", "1").splitlines()
    assert lines[4:6] == [
        "norm_0 (BatchNormalization)  (None, 4)                 8",
        "dense_0 (Dense)              (None, 4)                 20",
    ]
    assert "Total params: 297" in lines


def test_batch_norm_is_counted_in_the_residual_row():
    for skip, size in ("1", 28), ("2", 56):
        text = run_without_a_word(RESIDUAL, *"2 --batch-norm --epochs 1 --skip".split(), skip)
        assert (
            text.splitlines()[4] == f"residual_0 (Dense)           (None, 4)                 {size}"
        )
        assert f"Total params: {17 + 2 * size}" in text


def test_skip_2_counts_40_parameters_a_row():
    lines = run_without_a_word(RESIDUAL, "2", "--skip", "2", "--epochs", "1").splitlines()
    assert lines[4] == "residual_0 (Dense)           (None, 4)                 40"
    assert "Total params: 97" in lines


@pytest.mark.trained
def test_a_dead_network_shows_equal_results_and_where_the_signal_ends():
    text = run_without_a_word(
        PLAIN, *"10 --activation relu --seed 1 --epochs 100 --gradients".split()
    )
    assert results(text.splitlines()) == [0.5, 0.5, 0.5, 0.5]
    for _, rows, words in charts(text):
        assert words == "The signal ends at dense_5. The error ends at dense_8."
        assert {gradient for _, _, _, gradient in rows} == {0.0}
        signals = dict(row[:2] for row in rows)
        assert signals["dense_4"] > 0 == signals["dense_5"]


README = (ROOT / "README.md").read_text(encoding="utf-8")


def captures():
    """Return (script, options, lines shown) of each capture in the README."""
    found, block = [], None
    for line in README.splitlines():
        if line.strip().startswith("```"):
            if block and block[0].startswith("$ python3 "):
                script, *options = block[0].split()[2:]
                found.append((script, options, block[1:]))
            block = [] if block is None else None
        elif block is not None:
            block.append(line)
    return found


def same(shown, printed):
    """Tell whether two lines are equal up to the last digits, which depend on the machine."""
    number = r"\d+(?:\.\d+)?(?:e[+-]\d+)?"
    if re.sub(f"{number}| |#", "", shown) != re.sub(f"{number}| |#", "", printed):
        return False
    return all(
        math.isclose(float(a), float(b), rel_tol=0.02, abs_tol=2e-4 if "e" not in a else 0)
        for a, b in zip(re.findall(number, shown), re.findall(number, printed), strict=True)
    )


def test_the_readme_has_captures():
    assert len(captures()) == README.count("$ python3 ") >= 3


@posix
@each_script
class TestInterrupt:
    """Ctrl-C without a terminal: SIGINT."""

    ENDLESS = "10", "--epochs", "1000000000", "--max-norm", "1e-9"

    def wait_for(self, end, process):
        """Read until what is printed ends so, in the middle of a line perhaps."""
        text = ""
        while not text.endswith(end):
            character = process.stdout.read(1)
            assert character, text  # or it would wait for ever
            text += character

    def wait_for_training(self, process):
        for line in process.stdout:
            if line.startswith("epoch: 1 /"):
                return line

    @pytest.mark.parametrize("options", [[], ["--gradients"]])
    def test_twice_at_once_in_training_shows_what_is_learned_so_far(self, script, options):
        for _ in range(2):
            with start(script, *self.ENDLESS, *options) as process:
                first = self.wait_for_training(process)
                process.send_signal(signal.SIGINT)
                process.send_signal(signal.SIGINT)
                text, error = process.communicate(timeout=SECONDS)
            assert process.returncode == 130
            assert set(error) <= {"\n"} and error
            last = epochs(first + text, 1000000000)[-1]
            assert len(charts(text)) == len(options)
            assert not options or f"After {last} epoch" in text
            results(text.splitlines())

    def test_several_at_once_at_the_prompt(self, script):
        with start(script, stdin=subprocess.PIPE) as process:
            self.wait_for(PROMPT[script], process)
            for _ in range(100):  # Python loses those that come between question and reading
                for _ in range(4):
                    process.send_signal(signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(1)
                    break
            text, error = process.communicate(timeout=SECONDS)
        assert process.returncode == 130
        assert text == "" and set(error) == {"\n"}

    @pytest.mark.parametrize("args", [[], ENDLESS])
    def test_once_more_while_python_exits(self, script, args):
        with start(script, *args, stdin=subprocess.PIPE) as process:
            self.wait_for("Loss = " if args else PROMPT[script], process)
            time.sleep(0.01)  # let it read: Python loses what comes between question and reading
            for _ in range(2):
                process.send_signal(signal.SIGINT)
                time.sleep(0.01)
            text, error = process.communicate(timeout=SECONDS)
        assert process.returncode == 130
        assert error in ("\n", "\n\n")
        assert not args or results(text.splitlines())

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_a_full_standard_error_loses_nothing(self, script):
        with open("/dev/full", "w") as full, start(script, *self.ENDLESS, stderr=full) as process:
            self.wait_for_training(process)
            process.send_signal(signal.SIGINT)
            text, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == 130
        results(text.splitlines())

    @pytest.mark.parametrize("way", ["-i", "import"])
    def test_after_the_run_it_is_pythons_again(self, script, way):
        told = "import signal; print(signal.getsignal(signal.SIGINT))"
        args = [sys.executable, "-c", f"import {script[:-3]}; {told}"]
        if way == "-i":
            args = [sys.executable, "-i", script, "1", "--epochs", "2"]
        done = finished(
            args,
            input=f"{told}\n",
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        assert done.stdout.splitlines()[-1] == str(signal.default_int_handler)

    def test_a_job_in_the_background_goes_on(self, script):
        line = 'trap "" INT; exec "$@"'
        with subprocess.Popen(
            ["sh", "-c", line, "sh", *command(script, "2", "--epochs", "3000")],
            **{**OPTIONS, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE},
        ) as process:
            self.wait_for_training(process)
            process.send_signal(signal.SIGINT)
            text, error = process.communicate(timeout=SECONDS)
        assert (process.returncode, error) == (0, "")
        assert epochs(text, 3000)[-1] > 1000


@posix
def test_a_second_ctrl_c_while_the_first_is_on_its_way():
    code = """if True:
        import io, signal
        signal.signal(signal.SIGINT, signal.default_int_handler)
        class Out(io.StringIO):
            def flush(self):  # at the question, and before the end
                signal.raise_signal(signal.SIGINT)
        sys.stdout = Out()
        sys.exit(x.main(x.dense, "hidden layers", x.argument_parser("")))
        """
    done = in_a_program(code, input="")
    assert (done.returncode, done.stdout) == (130, "") and set(done.stderr) == {"\n"}


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

    @pytest.mark.parametrize("layers", [1, 10])
    def test_question_answer_summary_losses_results(self, script, layers):
        child = self.spawn(script, "--epochs", "1500")
        child.expect_exact(PROMPT[script])
        child.sendline("abc")
        child.expect_exact("'abc' is not a whole number from 1 to 10\r\n" + PROMPT[script])
        child.sendline(str(layers))
        child.expect_exact(f"{layers}\r\n" + "\r\n".join(summary(script, layers)) + "\r\n")
        child.expect(r"epoch: 1 / 1500 Loss = 0\.\d{6}\r\n")
        child.expect(r"epoch: 1000 / 1500 Loss = 0\.\d{6}\r\n")
        child.expect(r"epoch: 1500 / 1500 Loss = 0\.\d{6}\r\n")
        results(child.read().splitlines())
        assert self.status(child) == 0

    def test_ctrl_d_at_the_prompt(self, script):
        child = self.spawn(script)
        child.expect_exact(PROMPT[script])
        child.sendeof()
        child.expect_exact(NO_ANSWER.replace("\n", "\r\n"))
        assert child.read() == "" and self.status(child) == 1

    def test_ctrl_c_at_the_prompt(self, script):
        child = self.spawn(script)
        child.expect_exact(PROMPT[script])
        presses = 0
        while presses < 100:  # Python loses one that comes between the question and the reading
            child.sendintr()
            presses += 1
            if child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=1) == 0:
                break
        assert re.fullmatch(r"(\^C)+(\r\n)+", child.before) and self.status(child) == 130

    @pytest.mark.parametrize("options", [[], ["--gradients"]])
    def test_ctrl_c_in_training_shows_what_is_learned_so_far(self, script, options):
        child = self.spawn(script, *TestInterrupt.ENDLESS, *options)
        child.expect(r"epoch: 1 / .*?\r\n")
        first = child.after
        child.expect(r"epoch: 2000 / .*?\r\n")
        child.sendintr()
        text = (first + child.before + child.after + child.read()).replace("\r\n", "\n")
        assert re.search(r"^\^C\nepoch: ", text, re.M) and "Traceback" not in text
        last = epochs(text, 1000000000)[-1]
        assert 2000 <= last < 1_000_000
        assert (f"After {last} epochs" in text) == bool(options)
        results(text.splitlines())
        assert self.status(child) == 130


@each_script
@pytest.mark.parametrize("layers", range(1, 11))
@pytest.mark.trained
def test_the_main_job(runs, script, layers):
    text = runs(script, layers)
    assert text.isascii() and text.endswith("\n")
    assert not re.search(r"[ \t]$", text, re.MULTILINE)
    assert text.startswith(PROMPT[script])
    lines = text.removeprefix(PROMPT[script]).splitlines()
    table = summary(script, layers)
    assert lines[: len(table)] == table

    limit = epoch_limit(script, layers)
    numbers = epochs(text, limit)
    last = numbers[-1]
    assert numbers == sorted({1, *range(1000, last, 1000), last})
    assert len(lines) == len(table) + len(numbers) + 8

    loss = lines[-9].split()[-1]
    distances = [abs(y - t) for y, t in zip(results(lines), [0, 1, 1, 0])]
    if script == RESIDUAL or layers <= 5:
        assert last < limit and loss == "0.000010"
        assert last < 10_000 or script == PLAIN or layers < 10
        assert max(distances) <= 0.01
    else:
        assert last == limit and loss == "0.500000"
        assert distances == [0.5, 0.5, 0.5, 0.5]


@pytest.fixture
def printed(runs, copy, monkeypatch, capsys):
    """Return what a copy prints: copy 0 as a script, another one in this process."""

    def text(script, options):
        if copy:
            build = plain_script.build_network
            monkeypatch.setattr(
                plain_script,
                "build_network",
                lambda *args, **options: moved(build(*args, **options), copy),
            )
            short = [] if options or script == RESIDUAL else ["--epochs", "5000"]  # it only stalls
            monkeypatch.setattr(sys, "argv", [script, *(options or ["10"]), *short])
            parts = {
                PLAIN: (dense, "hidden layers", argument_parser("")),
                RESIDUAL: (residual, "residual connected hidden layers", residual_parser()),
            }
            assert plain_script.main(*parts[script]) == 0
            text = capsys.readouterr().out
            if short:
                text = text.replace(" 5000 ", " 100000 ")
            return text if options else f"{PROMPT[script]}10\n{text}"
        if options:
            return run_without_a_word(script, *options)
        return runs(script, 10).replace(PROMPT[script], PROMPT[script] + "10\n")

    return text


@pytest.mark.parametrize(("script", "options", "shown"), captures())
def test_the_readme_shows_what_is_printed(printed, script, options, shown):
    lines = printed(script, options).splitlines()
    position = 0
    for part in "\n".join(shown).split("\n...\n"):
        part = part.removeprefix("...\n").removesuffix("\n...").splitlines()
        while not all(map(same, part, lines[position : position + len(part)])):
            position += 1
            assert position + len(part) <= len(lines), part
        position += len(part)
