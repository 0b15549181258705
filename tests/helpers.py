"""What several test files need: the scripts as a reader runs them, and the textbook's formulas."""

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

from layers import Dense
from XORgatemultihiddenlayers import argument_parser, dense, main
from XORgateresidualconnectionlayers import PARSER, residual

ROOT = Path(__file__).parents[1]
PLAIN = "XORgatemultihiddenlayers.py"
RESIDUAL = "XORgateresidualconnectionlayers.py"
MAIN = {
    PLAIN: (dense, "hidden layers", argument_parser("")),
    RESIDUAL: (residual, "residual connected hidden layers", PARSER),
}
PROMPT = {script: f"Input the number of {MAIN[script][1]} (1 to 10): " for script in MAIN}

# No result depends on it: it is there so that a script that hangs is ended some day.
TIMEOUT = 3600

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
        out, err = process.communicate(typed, timeout=TIMEOUT)
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


def losses(text, limit):
    """Return {epoch: loss} of the loss lines."""
    found = re.findall(rf"^epoch: (\d+) / {limit} Loss = (\d\.\d{{6}})$", text, re.M)
    by_epoch = {int(epoch): float(loss) for epoch, loss in found}
    assert len(by_epoch) == text.count("epoch: ") and sorted(by_epoch) == [*by_epoch]
    return by_epoch


def forward(hidden_layer, y, arrays):
    """Return the outputs of the layers with arrays W, b, W, b, ..., y being the first one's input.

    The textbook formulas, and nothing of the project's, so that complex numbers go through.
    """
    outputs = []
    for W, b in zip(arrays[::2], arrays[1::2], strict=True):
        F = 1 / (1 + np.exp(-(y @ W + b)))
        y = y + F if hidden_layer is residual and W.shape == (4, 4) else F
        outputs.append(y)
    return outputs


README = (ROOT / "README.md").read_text(encoding="utf-8")
EXPERIMENT = re.compile(
    r"(?:```diff\n(\S+)\n((?:[-+].*\n)+)```\n\n)?"  # the file, its old and new lines
    r"```sh\n((?:python3 .*\n)+)```\n"  # the commands
    r"(?:(?!```).*\n)*?<details><summary>The screen</summary>\n\n"
    r"```\n((?:.*\n)+?)```\n"  # what they print
)


def experiments():
    """Return (file, edits, commands, shown) of each experiment of the page.

    edits is [(old line, new line), ...], and a command the script with its arguments.
    """
    found = []
    for file, changed, commands, shown in EXPERIMENT.findall(README):
        lines = changed.splitlines()
        edits = [(old[1:], new[1:]) for old, new in zip(lines[::2], lines[1::2], strict=True)]
        assert all(line[0] == "-" for line in lines[::2])
        assert all(line[0] == "+" for line in lines[1::2])
        commands = [command.split()[1:] for command in commands.splitlines()]
        found.append((file, edits, commands, shown))
    return found


def told(*phrases):
    """Assert that the page has these numbers, with the few words beside them."""
    for phrase in phrases:
        assert phrase in README, phrase


def printed_edited(file, edits, commands, folder):
    """Return what commands print in a copy of the sources, which is made in this folder.

    edits are pairs of an old line, which must be in the file once, and a new one.
    """
    for source in ROOT.glob("*.py"):
        text = source.read_text(encoding="utf-8")
        for old, new in edits:
            if source.name == file:
                assert text.count(old + "\n") == 1, old
                text = text.replace(old + "\n", new + "\n")
        (folder / source.name).write_text(text, encoding="utf-8")
    texts = []
    for words in commands:
        status, text, error = finished(command(*words), cwd=folder)
        assert (status, error) == (0, "")
        texts.append(text)
    return "".join(texts)


def central_difference(function, array, step=1e-5):
    """Return d function() / d array, by changing array element by element, in place."""
    numeric = np.empty_like(array)
    for index in np.ndindex(array.shape):
        value = array[index]
        array[index] = value + step
        above = function()
        array[index] = value - step
        numeric[index] = (above - function()) / (2 * step)
        array[index] = value
    return numeric


class ResidualOfTheChapter:
    """The four methods and nothing else, and new arrays for gradients."""

    def __init__(self, node_size, activate_func, deriv_activate_func, **options):
        self.dense = Dense(node_size, node_size, activate_func, deriv_activate_func, **options)

    def get_params(self):
        return [param[:] for param in self.dense.get_params()]

    def get_grads(self):
        return [grad.copy() for grad in self.dense.get_grads()]

    def forward_prop(self, x):
        return x + self.dense.forward_prop(x)

    def back_prop(self, grads):
        return grads + self.dense.back_prop(grads)
