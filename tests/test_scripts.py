"""The two scripts as their reader runs them: through a pipe and at a terminal."""

import concurrent.futures
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

from XORgatemultihiddenlayers import argument_parser, ask_layer_count, build_network, dense
from XORgateresidualconnectionlayers import residual

os.environ.pop("PYTHONUNBUFFERED", None)  # it would hide that a script does not flush

ROOT = Path(__file__).parents[1]
PLAIN = "XORgatemultihiddenlayers.py"
RESIDUAL = "XORgateresidualconnectionlayers.py"
PROMPT = {
    PLAIN: "Input the number of hidden layers (1 to 10): ",
    RESIDUAL: "Input the number of residual connected hidden layers (1 to 10): ",
}
RULE = 24 * "="

each_script = pytest.mark.parametrize("script", [PLAIN, RESIDUAL])
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and terminals")


def command(script, *args):
    return [sys.executable, "-W", "error", str(ROOT / script), *args]


def run(script, *args, **options):
    return subprocess.run(command(script, *args), capture_output=True, text=True, **options)


def run_without_a_word(script, *args, **options):
    """Return the standard output of a run that succeeds with nothing on standard error."""
    done = run(script, *args, **options)
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout


def summary(row, layers):
    """Return the summary; row is that of hidden layer i."""
    rows = [row.replace("_i", f"_{i}") for i in range(layers)]
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


ROW = {
    PLAIN: "dense_i (Dense)              (None, 4)                 20",
    RESIDUAL: "residual_i (Dense)           (None, 4)                 20",
}


def results(lines):
    """Return the four results of the table that lines end with."""
    assert lines[-7:-5] == ["x0 XOR x1 => result", RULE] and lines[-8] == "" and lines[-1] == RULE
    rows = [re.fullmatch(r"([01] XOR [01]) => (\d\.\d{4})", line).groups() for line in lines[-5:-1]]
    assert [question for question, _ in rows] == ["0 XOR 0", "0 XOR 1", "1 XOR 0", "1 XOR 1"]
    return [float(result) for _, result in rows]


@pytest.fixture(scope="module")
def runs():
    """Every number of layers typed at each prompt, on all processors, the longest runs first."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {
            (script, n): pool.submit(run_without_a_word, script, input=f"{n}\n")
            for script in (PLAIN, RESIDUAL)
            for n in range(10, 0, -1)
        }


@each_script
@pytest.mark.parametrize("layers", range(1, 11))
def test_the_main_job(runs, script, layers):
    text = runs[script, layers].result()
    assert text.isascii() and text.endswith("\n")
    assert not re.search(r"[ \t]$", text, re.MULTILINE)
    assert text.startswith(PROMPT[script])
    lines = text.removeprefix(PROMPT[script]).splitlines()
    table = summary(ROW[script], layers)
    assert lines[: len(table)] == table

    shown = lines[len(table) : -8]
    epochs, losses = zip(
        *(
            re.fullmatch(r"epoch: (\d+) / 100000 Loss = (\d\.\d{6})", line).groups()
            for line in shown
        )
    )
    last = int(epochs[-1])
    assert [int(epoch) for epoch in epochs] == sorted({1, *range(1000, last, 1000), last})

    distances = [abs(y - t) for y, t in zip(results(lines), [0, 1, 1, 0])]
    if script == RESIDUAL or layers <= 4:
        assert last < (10_000 if layers == 10 else 100_000)
        assert losses[-1] == "0.000010"
        assert max(distances) <= 0.01
    elif layers >= 6:
        assert last == 100_000
        assert losses[-1] == "0.500000"
        assert distances == [0.5, 0.5, 0.5, 0.5]


@each_script
def test_layers_on_the_command_line_skip_the_question(script):
    asked = run_without_a_word(script, "--epochs", "1500", "--seed", "5", input="3\n")
    given = run_without_a_word(script, "3", "--epochs", "1500", "--seed", "5")
    assert asked == PROMPT[script] + given
    assert re.findall(r"epoch: (\d+) / 1500 ", given) == ["1", "1000", "1500"]
    assert given != run_without_a_word(script, "3", "--epochs", "1500")


def test_both_stacks_start_from_the_same_draw():
    args = argument_parser("").parse_args(["10"])
    plain, residual_ = (build_network(layer, args) for layer in (dense, residual))
    assert np.array_equal(plain.params, residual_.params)


BAD_ANSWERS = ["abc", "2.5", "1_0", "", "0", "11", "-3", "9" * 5000, "\u0661", "1 0", "+1", "nan"]


@each_script
def test_bad_answers_are_told_and_the_question_comes_again(script):
    answers = "".join(answer + "\n" for answer in [*BAD_ANSWERS, " 2 "])
    done = run(script, "--epochs", "1", input=answers, encoding="utf-8")
    errors = done.stderr.splitlines()
    assert len(errors) == len(BAD_ANSWERS)
    for answer, error in zip(BAD_ANSWERS, errors):
        assert error.endswith(" is not a whole number from 1 to 10") and len(error) < 80
        assert ascii(answer)[1:10].strip("'") in error
    assert done.returncode == 0
    assert done.stdout == PROMPT[script] * len(BAD_ANSWERS) + run_without_a_word(
        script, "--epochs", "1", input="2\n"
    )


@each_script
def test_an_answer_that_is_no_text_is_told(script):
    done = subprocess.run(
        command(script, "--epochs", "1"),
        input=b"\xff\x00\n2\n",
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
    )
    assert done.returncode == 0
    assert done.stderr.count(b"\n") == 1 and b"is not a whole number from 1 to 10" in done.stderr


@each_script
@pytest.mark.parametrize("answers", ["", "abc\n"])
def test_end_of_input_is_one_line(script, answers):
    done = run(script, input=answers)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "error: the input ended before a number of hidden layers"
    assert len(done.stderr.split()) < 25


def test_an_input_that_is_no_stream_of_bytes_is_asked_too(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("abc\n3\n"))  # as IDLE's
    assert ask_layer_count("hidden layers") == 3


@posix
@each_script
def test_a_closed_standard_input_is_one_line(script):
    done = run(script, preexec_fn=lambda: os.close(0))
    assert done.returncode == 1
    assert done.stderr == "\nerror: the input ended before a number of hidden layers\n"


@each_script
@pytest.mark.parametrize(
    "options",
    [
        "0", "11", "-3", "abc", "2.5", "1_0", "3 4",
        "--seed -1", "--seed x", "--seed 1.5", "--seed 4294967296", "--seed",
        "--epochs 0", "--epochs -1", "--epochs 1e5", "--epochs ten",
        "--max-norm -1", "--max-norm 0", "--max-norm nan", "--max-norm x",
        "--activation swish", "--init zeros", "--nonsense",
    ],
)  # fmt: skip
def test_bad_options_get_the_usual_error(script, options):
    done = run(script, *options.split(), stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: ") and f"{script}: error: " in done.stderr


@pytest.mark.parametrize("skip", ["0", "3", "x"])
def test_skip_is_1_or_2_and_only_for_residual_connections(skip):
    assert run(RESIDUAL, "2", "--skip", skip).returncode == 2
    assert run(PLAIN, "2", "--skip", "1").returncode == 2


@each_script
def test_help_tells_every_option(script):
    text = run_without_a_word(script, "--help")
    options = "--seed --epochs --activation --init --batch-norm --max-norm --gradients"
    assert all(word in text for word in ["LAYERS", *options.split()])
    assert ("--skip" in text) == (script == RESIDUAL)
    assert text.isascii()


@each_script
def test_the_folder_and_the_encoding_make_no_difference(script, tmp_path):
    here = run_without_a_word(script, "2", "--epochs", "1000", cwd=ROOT)
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    there = run_without_a_word(script, "2", "--epochs", "1000", cwd=tmp_path, env=environment)
    assert here == there


@each_script
def test_every_line_is_there_as_it_is_printed(script):
    """As for | tee: what a run of seconds prints in its first moment does not wait for its last."""
    options = ["10", "--epochs", "50000", "--max-norm", "1e-9"]
    with subprocess.Popen(command(script, *options), stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("epoch: 1 /"):
                process.kill()
        assert re.match(r"epoch: \d{1,5} ", line) and not line.startswith("epoch: 50000 ")


@posix
@each_script
def test_a_reader_that_leaves_is_no_error(script):
    process = subprocess.Popen(
        command(script, "10"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        for _ in range(5):  # as | head -5 does
            process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line():
    with open("/dev/full", "w") as full:
        done = subprocess.run(command(PLAIN, "1"), stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert re.fullmatch(r"error: .*No space left on device.*\n", done.stderr)


@pytest.mark.parametrize("hidden_layer", ["x.dense", "r.residual"])
@pytest.mark.parametrize("epochs", ["2", "100"])
def test_what_stops_being_finite_is_one_line_and_loses_nothing(hidden_layer, epochs):
    code = f"""if True:
        import sys, XORgatemultihiddenlayers as x, XORgateresidualconnectionlayers as r
        x.LEARNING_RATE = 1e308  # so that the first update overflows
        sys.exit(x.main({hidden_layer}, "", x.argument_parser("").parse_args()))
        """
    options = ["10", "--batch-norm", "--max-norm", "inf", "--epochs", epochs, "--gradients"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr == "error: epoch 2: the loss is nan\n"
    assert f"epoch: 1 / {epochs} Loss = 0." in done.stdout
    assert done.stdout.splitlines()[-7:-5] == ["x0 XOR x1 => result", RULE]


def gradient_tables(text):
    """Return the rows of each table of gradients, as (name, norm, bar)."""
    heading = r"Gradient norm by layer, epoch (\d+) \(one # = half a power of ten\)\n"
    row = r"(\w+) +(\d\.\de[+-]\d\d)((?: [#<>]+)?)\n"
    tables = re.findall(f"{heading}((?:{row})+)", text)
    return [(int(table[0]), re.findall(row, table[1])) for table in tables]


@each_script
@pytest.mark.parametrize("options", ["", "--batch-norm", "--activation relu --max-norm inf"])
def test_gradients_first_and_last(script, options):
    args = ["3", "--epochs", "1200", *options.split()]
    text = run_without_a_word(script, *args, "--gradients")
    (first, rows), (last, last_rows) = gradient_tables(text)
    assert first == 1 and last == int(re.findall(r"epoch: (\d+) / 1200", text)[-1])
    names = re.findall(r"(\w+) \((?:Dense|BatchNormalization)\)", text)
    assert [row[0] for row in rows] == [row[0] for row in last_rows] == names
    assert max(map(len, text.splitlines())) <= 65
    assert re.search(r"Total params: \d+\nGradient norm", text)
    assert re.search(r"dense_out +\d\S+.*\nepoch: 1 /", text)
    without = re.sub(r"Gradient norm .*\n(\w+ +\d\.\de.*\n)+", "", text)
    assert without == run_without_a_word(script, *args)


@each_script
@pytest.mark.parametrize(
    "options", ["--activation tanh", "--activation relu", "--init he", "--init uniform"]
)
def test_every_choice_changes_the_run(script, options):
    text = run_without_a_word(script, "3", "--epochs", "20", *options.split())
    assert text != run_without_a_word(script, "3", "--epochs", "20")
    assert text.splitlines()[:8] == summary(ROW[script], 3)[:8]


def test_batch_norm_rows_are_in_the_summary():
    lines = run_without_a_word(PLAIN, "10", "--batch-norm", "--epochs", "1").splitlines()
    assert lines[4:6] == [
        "norm_0 (BatchNormalization)  (None, 4)                 8",
        "dense_0 (Dense)              (None, 4)                 20",
    ]
    assert "Total params: 297" in lines


def test_skip_2_counts_40_parameters_a_row():
    lines = run_without_a_word(RESIDUAL, "2", "--skip", "2", "--epochs", "1").splitlines()
    assert lines[4] == "residual_0 (Dense)           (None, 4)                 40"
    assert "Total params: 97" in lines


def test_a_dead_network_shows_equal_results_and_exact_zeros():
    text = run_without_a_word(
        PLAIN, *"10 --activation relu --seed 1 --epochs 100 --gradients".split()
    )
    assert results(text.splitlines()) == [0.5, 0.5, 0.5, 0.5]
    for _, rows in gradient_tables(text):
        assert {(norm, bar) for _, norm, bar in rows} == {("0.0e+00", "")}


@pytest.mark.parametrize(
    ("script", "options", "shown"),
    re.findall(r"```\n\$ python (\S+) ?(.*)\n([^`]+)", (ROOT / "README.md").read_text()),
)
def test_the_readme_shows_what_is_printed(runs, script, options, shown):
    if options:
        text = run_without_a_word(script, *options.split())
    else:
        text = runs[script, 10].result().replace(PROMPT[script], PROMPT[script] + "10\n")
    position = 0
    for part in shown.split("...\n"):
        assert part in text[position:]
        position = text.index(part, position) + len(part)


@posix
@each_script
class TestTerminal:
    """At a pseudo-terminal, standard output and error are one screen."""

    def spawn(self, script, *args):
        first, *rest = command(script, *args)
        return pexpect.spawn(
            first,
            rest,
            encoding="ascii",
            timeout=60,
            # A shell's background job, and what it starts, would ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
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
        child.expect_exact(f"{layers}\r\n" + "\r\n".join(summary(ROW[script], layers)) + "\r\n")
        child.expect(r"epoch: 1 / 1500 Loss = 0\.\d{6}\r\n")
        child.expect(r"epoch: 1000 / 1500 Loss = 0\.\d{6}\r\n")
        child.expect(r"epoch: 1500 / 1500 Loss = 0\.\d{6}\r\n")
        results(child.read().splitlines())
        assert self.status(child) == 0

    def test_ctrl_d_at_the_prompt(self, script):
        child = self.spawn(script)
        child.expect_exact(PROMPT[script])
        child.sendeof()
        child.expect_exact("\r\nerror: the input ended before a number of hidden layers\r\n")
        assert child.read() == "" and self.status(child) == 1

    def test_ctrl_c_at_the_prompt(self, script):
        child = self.spawn(script)
        child.expect_exact(PROMPT[script])
        child.sendintr()
        assert child.read() == "^C\r\n" and self.status(child) == 130

    @pytest.mark.parametrize("options", [[], ["--gradients"]])
    def test_ctrl_c_in_training_shows_what_is_learned_so_far(self, script, options):
        child = self.spawn(script, "10", "--epochs", "1000000000", "--max-norm", "1e-9", *options)
        child.expect(r"epoch: 2000 / .*?\r\n")
        child.sendintr()
        text = child.after + child.read()
        assert "Traceback" not in text
        last = re.findall(r"epoch: (\d+) / 1000000000 Loss = 0\.\d{6}\r\n", text)[-1]
        assert 2000 <= int(last) < 1_000_000
        assert (f"Gradient norm by layer, epoch {last} " in text) == bool(options)
        results(text.splitlines())
        assert self.status(child) == 130
