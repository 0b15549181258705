"""The two scripts as their reader runs them, for the tests: by name, in this process or apart."""

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

from XORgatemultihiddenlayers import argument_parser, dense, main
from XORgateresidualconnectionlayers import residual, residual_parser

ROOT = Path(__file__).parents[1]
PLAIN = "XORgatemultihiddenlayers.py"
RESIDUAL = "XORgateresidualconnectionlayers.py"
MAIN = {
    PLAIN: (dense, "hidden layers", argument_parser("")),
    RESIDUAL: (residual, "residual connected hidden layers", residual_parser()),
}
PROMPT = {script: f"Input the number of {MAIN[script][1]} (1 to 10): " for script in MAIN}
RULE = 24 * "="
SECONDS = 60

# PYTHONUNBUFFERED would hide that a script does not flush; argparse may colour its messages.
HIDDEN = "PYTHONUNBUFFERED", "FORCE_COLOR", "PYTHON_COLORS", "COLUMNS"
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in HIDDEN}


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


def run(script, *args, typed=""):
    """Return what main hands to sys.exit, and what it prints, in this process."""
    argv, stdin, out = sys.argv, sys.stdin, io.StringIO()
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
    heads = r"(.*) \(one # a power of ten, 1e-09 to 1e\+04\)\n"
    heads += re.escape("layer       v signal, read down  ^ error dL/dy, read up  gradient\n")
    number = r"(\d\.\de[+-]\d\d\d?|nan|inf)"
    row = rf"(\w+) +{number} [#<>]* +{number} [#<>]* +{number}\n"
    found = []
    for chart in re.finditer(rf"{heads}((?:{row})+)(.*)\n", text):
        rows = [(name, *map(float, norms)) for name, *norms in re.findall(row, chart[2])]
        found.append((chart[1], rows, chart.groups()[-1]))
    return found
