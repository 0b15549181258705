"""Each reason of the project with its cause taken away: does what it explains go away with it?

python tests/benchmarks/causes.py causes    (or gain, dead, samples, step, zigzag, rules)
"""

import argparse
import functools

import numpy as np

from batch import data, networks, parsed, train, trained
from convergence import SOLVED, cost, dense_layers, entries, factors, mean_factor
from layers import Sequential
from reasons import factors_of_gradients, line_of
from tables import measured, parse_seeds, print_table, run, workers
from XORgatemultihiddenlayers import (
    LOSS_GOAL,
    MAX_NORM,
    T,
    X,
    deriv_loss,
    loss,
    signal_error_gradient,
)

COLUMNS = ["solved", "after", "signal", "error", "begins at", "fails at", "rises"]
STEEP, HALF = ("f", "4 sigmoid(h) - 2"), ("f", "2.4 sigmoid(h) - 0.7")
SHIFT = "shift", -0.5
COPY = "T", "x0"
BOTH_SIGNS = "X", "2 X - 1"
WIDE = "nodes", 64
XOR_ALONE = "dense_in gain", 4
ERROR_ALONE, SIGNAL_ALONE = ("forward", 0.0), ("backward", 0.0)
TANH = "10 --activation tanh --gain 3"
RELU = "10 --activation relu --init he"
UNCLIPPED = "--max-norm inf"
SHORT = f"{UNCLIPPED} --epochs 2000"  # 64 nodes take long

# What is changed, and the cell that does it.
CAUSES = [
    ("plain", ("plain", "10")),
    ("plain, f(h) = 4 sigmoid(h) - 2", ("plain", "10", STEEP)),
    ("plain, f(h) = 4 sigmoid(h) - 1.5", ("plain", "10", ("f", "4 sigmoid(h) - 1.5"))),
    ("plain, f(h) = sigmoid(h) - 0.5", ("plain", "10", ("f", "sigmoid(h) - 0.5"))),
    *((f"plain, {n} layers", ("plain", f"{n}")) for n in (3, 4, 5)),
    *((f"plain, {n} layers, T = x0", ("plain", f"{n}", COPY)) for n in (5, 6, 7, 10)),
    ("residual", ("residual", "10")),
    (f"residual {UNCLIPPED}", ("residual", f"10 {UNCLIPPED}")),
    ("residual, y = x + F(x) - 0.5", ("residual", "10", SHIFT)),
    (f"residual {UNCLIPPED}, y = x + F(x) - 0.5", ("residual", f"10 {UNCLIPPED}", SHIFT)),
    ("residual, 100 layers", ("residual", "100")),
    ("residual, 100 layers, y = x + F(x) - 0.5", ("residual", "100", SHIFT)),
    ("residual, y = F(x), dx = dy + dF", ("residual", "10", ERROR_ALONE)),
    ("residual, y = x + F(x), dx = dF", ("residual", "10", SIGNAL_ALONE)),
    ("residual, y = x + F(x) - 0.5, dx = dF", ("residual", "10", SHIFT, SIGNAL_ALONE)),
    ("residual, the hidden layers frozen", ("residual", "10", ("frozen", "hidden"))),
    ("residual, y = x", ("residual", "10", ("hidden", "none"))),
    ("residual --max-norm 0.025", ("residual", "10 --max-norm 0.025")),
    ("residual --max-norm 0.0025", ("residual", "10 --max-norm 0.0025")),
    ("tanh, gain 3", ("plain", TANH)),
    (f"tanh, gain 3 {UNCLIPPED}", ("plain", f"{TANH} {UNCLIPPED}")),
    ("tanh, gain 3, the first step alone clipped", ("plain", TANH, ("clipped", "first step"))),
    ("tanh, gain 3, X = 2 X - 1", ("plain", TANH, BOTH_SIGNS)),
    (f"tanh, gain 3 {UNCLIPPED}, X = 2 X - 1", ("plain", f"{TANH} {UNCLIPPED}", BOTH_SIGNS)),
    ("tanh, gain 3, 64 nodes", ("plain", TANH, WIDE)),
    (f"tanh, gain 3 {SHORT}, 64 nodes", ("plain", f"{TANH} {SHORT}", WIDE)),
    ("tanh, gain 3, 64 nodes, X = 2 X - 1", ("plain", TANH, WIDE, BOTH_SIGNS)),
    (
        f"tanh, gain 3 {SHORT}, 64 nodes, X = 2 X - 1",
        ("plain", f"{TANH} {SHORT}", WIDE, BOTH_SIGNS),
    ),
    ("relu, he", ("plain", RELU)),
    ("relu, he, f(h) = max(h, 0.3 h)", ("plain", RELU, ("f", "max(h, 0.3 h)"))),
    ("relu, he, f(h) = max(h, 0.01 h)", ("plain", RELU, ("f", "max(h, 0.01 h)"))),
    ("batch norm", ("plain", "10 --batch-norm")),
    *(
        (f"batch norm, divides {way}", ("plain", "10 --batch-norm", ("divides", way)))
        for way in ("forward", "backward", "neither")
    ),
    ("gain 4", ("plain", "10 --gain 4")),
    ("gain 4 of dense_in alone", ("plain", "10", XOR_ALONE)),
    ("f(h) = 2.4 sigmoid(h) - 0.7", ("plain", "10", HALF)),
    ("f(h) = 2.4 sigmoid(h) - 0.7, gain 4 of dense_in", ("plain", "10", HALF, XOR_ALONE)),
    ("gain 1.41", ("plain", "10 --gain 1.41")),
    ("he", ("plain", "10 --init he")),
]


def causes(seeds):
    lines = [([what], [cell]) for what, cell in CAUSES]
    measure = functools.partial(entries, seeds=seeds, columns=COLUMNS)
    return ["changed", *COLUMNS], measured(measure, lines, cost)


# ---- Gain 4: half passes on, and more is XOR ----


def gain(seeds):
    """Return the table of what a hidden layer passes on, and of the XOR that reaches dense_out."""
    heads = ["changed", "signal", "error", "slope", "XOR in the signal at dense_out"]
    return heads, gain_lines(seeds)


def gain_lines(seeds):
    for what, cell in [
        ("plain", ("plain", "10")),
        ("gain 4", ("plain", "10 --gain 4")),
        ("gain 4 of dense_in alone", ("plain", "10", XOR_ALONE)),
        ("f(h) = 2.4 sigmoid(h) - 0.7", ("plain", "10", HALF)),
        ("f(h) = 2.4 sigmoid(h) - 0.7, gain 4 of dense_in", ("plain", "10", HALF, XOR_ALONE)),
    ]:
        found = networks(cell, seeds)
        passed = np.median([factors(network, 10) for network in found], axis=0)
        shares = [factors_of_gradients(network)[-1][1] for network in found]
        yield [what, *(f"{factor:.2f}" for factor in passed), f"{np.median(shares):.2f}"]


# ---- ReLU: which runs fail ----


def dead(seeds):
    """Return the table of the runs with ReLU that fail: is a layer dead, and since when?

    A layer is dead where its signal is exactly 0: it gives the same for all samples.
    """
    return ["a layer is dead", "failing runs", "end at a loss of"], dead_lines(seeds)


def has_dead_layer(network):
    """Return whether the signal ends before dense_out."""
    signals, _, _ = signal_error_gradient(network)
    return min(signals[:-1]) == 0


def dead_lines(seeds):
    cell = "plain", RELU
    at_start = [has_dead_layer(network) for network in networks(cell, seeds)]
    lines = {"at the start": [], "only later": [], "never": []}
    for network, was_dead in zip(trained(cell, seeds), at_start):
        last = loss(network.forward_prop(X), T)
        if last > SOLVED:
            is_dead = has_dead_layer(network)
            when = "at the start" if was_dead else "only later" if is_dead else "never"
            lines[when].append(f"{last:.2f}")
    for when, losses in lines.items():
        counts = {loss: losses.count(loss) for loss in sorted(losses)}
        yield [when, f"{len(losses)}", ", ".join(f"{n} at {loss}" for loss, n in counts.items())]


# ---- What explodes is one sample ----

SAMPLE_HEADS = [
    *("10 hidden layers", "X", "0 XOR 0", "0 XOR 1", "1 XOR 0", "1 XOR 1"),
    *("slope for the last three", "share of 0 XOR 0", "least share", "only 0 XOR 0 grows"),
]
STACKS = [
    *((f"tanh, gain {g}", ("plain", f"10 --activation tanh --gain {g}")) for g in (1, 2, 3, 4)),
    *((f"tanh, gain 3, {n} nodes", ("plain", TANH, ("nodes", n))) for n in (16, 64, 256)),
    ("skip 2, tanh, he", ("residual", "10 --skip 2 --activation tanh --init he")),
    ("plain", ("plain", "10")),
    ("gain 4", ("plain", "10 --gain 4")),
    ("residual", ("residual", "10")),
    ("batch norm", ("plain", "10 --batch-norm")),
]


def samples(seeds):
    """Return the table of the error's factor a layer for each sample by itself, before training.

    The slope is the mean f'(h) of the hidden layers, the share that of 0 XOR 0 in the square of
    dense_in's error. The last column counts the seeds with its factor above 1 and the others below.
    """
    return SAMPLE_HEADS, sample_lines(seeds)


def errors_of_samples(network, x, t):
    """Return |dL/dy| at the output of each layer, (layers, samples)."""
    dy = deriv_loss(network.forward_prop(x), t)
    found = []
    for layer in reversed(network.layers):
        found.insert(0, np.linalg.norm(dy, axis=1))
        dy = layer.back_prop(dy)
    return np.array(found)


def sample_lines(seeds):
    for what, cell in STACKS:
        for signs in ("X", "2 X - 1"):
            changed = (*cell, ("X", signs))
            x, t, _ = data(changed)
            lines = []
            for network in networks(changed, seeds):
                errors = errors_of_samples(network, x, t)
                passed = [mean_factor(*error, 10) for error in errors[[-2, 0]].T]
                hidden = dense_layers(network)[1:-1]
                slope = np.mean([layer.deriv_activate_func(layer.h[1:]) for layer in hidden])
                share = errors[0, 0] ** 2 / (errors[0] ** 2).sum()
                lines.append([*passed, slope, share])
            lines = np.array(lines)
            shares = lines[:, 5]
            texts = [f"{median:.2f}" for median in np.median(lines[:, :5], axis=0)]
            texts += [f"{np.median(shares):.4f}", f"{shares.min():.4f}"]
            alone = (lines[:, 0] > 1) & (lines[:, 1:4] < 1).all(axis=1)
            yield [what, signs, *texts, f"{alone.sum()}/{len(seeds)}"]


# ---- One clipped step ends it ----

STEP_HEADS = ["tanh, gain 3", "seeds", "gradient", "factor of the error", "signal of dense_in"]
STEP_HEADS += ["h of dense_in"]


def step(seeds):
    """Return the table of what a step changes; of the first seed, and of the median.

    h is the mean of |h|.
    """
    return STEP_HEADS, step_lines(seeds)


def step_lines(seeds):
    for what, found in [
        ("before training", networks(("plain", TANH), seeds)),
        ("after 1 step", trained(("plain", f"{TANH} --epochs 1"), seeds)),
        ("after 50 steps", trained(("plain", f"{TANH} --epochs 50"), seeds)),
        ("after 1 step, not clipped", trained(("plain", f"{TANH} --epochs 1 {UNCLIPPED}"), seeds)),
    ]:
        numbers = []
        for network in found:
            signals, errors, gradients = signal_error_gradient(network)
            error_factor = mean_factor(errors[-2], errors[0], 10)
            size = np.abs(network.layers[0].h).mean()
            numbers.append([np.linalg.norm(gradients), error_factor, signals[0], size])
        for whose, line in [(f"{seeds[0]}", numbers[0]), ("median", np.median(numbers, axis=0))]:
            gradient, error_factor, signal, size = line
            sizes = [f"{signal:.1e}", f"{size:.1e}"]
            yield [what, whose, f"{gradient:.1e}", f"{error_factor:.2f}", *sizes]


# ---- The zigzag ends with the last clipped step ----

ZIGZAG_HEADS = ["residual", "seeds", "least", "lower quarter", "median", "upper quarter", "most"]


def zigzag(seeds):
    """Return the table of the last epochs of what is named, in runs down to a loss of 1e-5."""
    return ZIGZAG_HEADS, zigzag_lines(seeds)


def zigzag_lines(seeds):
    rise, clipped = np.zeros((2, len(seeds)))
    solved = np.full(len(seeds), np.inf)
    before = np.full(len(seeds), np.inf)
    for epoch, losses, norms in train(("residual", "10"), seeds):
        running = before > LOSS_GOAL  # the others keep their losses and norms
        rise[running & (losses > before)] = epoch
        clipped[running & (norms > MAX_NORM)] = epoch
        solved[(losses <= SOLVED) & (solved == np.inf)] = epoch
        before = losses
    learned = before <= LOSS_GOAL
    for what, epochs in [
        ("last epoch with a higher loss than the one before", rise),
        (f"last epoch with a gradient longer than {MAX_NORM}", clipped),
        ("the second minus the first", clipped - rise),
        (f"first epoch with a loss of {SOLVED}", solved),
        ("that minus the last epoch with a higher loss", solved - rise),
    ]:
        yield line_of(what, epochs[learned], "{:.0f}")


# ---- A layer learns where signal and error meet: tried as a prediction ----

LIMITS = [0.0, 1e-7, 1e-5, 1e-3, 0.1, 10.0, np.inf]
STACKS_A_SEED = 6
RULE_COLUMNS = [
    *("plain, with the slope", "residual, with the slope"),
    *("plain, from the chart", "residual, from the chart", "not clipped", "relu"),
]
RULE_HEADS = ["largest product of a row", *RULE_COLUMNS]


def rules(seeds):
    """Return the table of how many random stacks learn, by what meets in a layer before training.

    The stacks are six a seed, all drawn from one Generator, with the first seed. The products:

    from the chart: the signal of the row above (dense_in's is that of X, 1.4) times the error of
    the row, dense_out's left out, which may begin saturated
    with the slope: that times the mean f'(h) of the row's Dense layers, dense_out's row among them

    All but the last column are of sigmoid and tanh. The last two are of both scripts, by the
    product from the chart; the last but one trains the same stacks with --max-norm inf.
    """
    rng = np.random.default_rng(seeds[0])
    stacks = [random_stack(rng) for _ in range(STACKS_A_SEED * len(seeds))]
    return RULE_HEADS, rule_lines(stacks)


def random_stack(rng):
    """Return a random cell, and the seed of its weights."""
    script = rng.choice(["plain", "residual"])
    n = rng.integers(2, 11)
    activation = rng.choice(["sigmoid", "tanh", "relu"])
    init = rng.choice(["glorot", "he"])
    norm = rng.choice(["", "--batch-norm"])
    skip = f"--skip {rng.integers(1, 3)}" if script == "residual" else ""
    line = f"{n} --activation {activation} --init {init} --gain {rng.uniform(0.5, 4):.2f}"
    return (str(script), f"{line} {norm} {skip} --epochs 20000"), int(rng.integers(2**32))


def products(network):
    """Return the largest product with the slope, and the largest from the chart."""
    signals, errors, _ = signal_error_gradient(network)
    arriving = [np.linalg.norm(X - X.mean(axis=0)), *signals[:-1]]
    charted = []
    with_slope = []
    for layer, signal, error in zip(network.layers, arriving, errors):
        charted.append(signal * error)
        dense = dense_layers(Sequential([layer]))  # none in a norm's row
        slopes = [inner.deriv_activate_func(inner.h).mean() for inner in dense]
        with_slope += [signal * error * np.mean(slopes)] if dense else []
    return max(with_slope), max(charted[:-1])


def learns(cell, seed):
    for _, losses, _ in train(cell, [seed], SOLVED):
        pass
    return losses[0] <= SOLVED


@np.errstate(all="ignore")  # in a process of its own
def outcome(stack):
    """Return a stack's script and activation, its products, and whether it learns, clipped or not.

    None stands for a ReLU stack that is not clipped, which is not tried.
    """
    (script, line), seed = stack
    activation = parsed(script, line)[3]["activation"]
    [network] = networks((script, line), [seed])
    clipped = learns((script, line), seed)
    free = None if activation == "relu" else learns((script, f"{line} {UNCLIPPED}"), seed)
    return script, activation, *products(network), clipped, free


def rule_lines(stacks):
    outcomes = []
    try:
        with workers() as pool:
            for found in pool.imap_unordered(outcome, stacks):
                outcomes.append(found)
    except KeyboardInterrupt:
        yield from by_product(outcomes)
        raise
    yield from by_product(outcomes)


def by_product(outcomes):
    """Yield a line a range of products: learned/tried."""
    found = []  # the column, the product, and whether it learned
    for script, activation, with_slope, charted, clipped, free in outcomes:
        if activation == "relu":
            found.append(("relu", charted, clipped))
        else:
            found.append((f"{script}, with the slope", with_slope, clipped))
            found.append((f"{script}, from the chart", charted, clipped))
            found.append(("not clipped", charted, free))
    for low, high in zip(LIMITS, LIMITS[1:]):
        line = [f"{low:g} to {high:g}"]
        for column in RULE_COLUMNS:
            those = [
                learned for c, product, learned in found if c == column and low <= product < high
            ]
            line.append(f"{sum(those)}/{len(those)}")
        yield line


# A table is a function of the seeds that returns its heads and its lines.
TABLES = {
    "causes": causes,
    "gain": gain,
    "dead": dead,
    "samples": samples,
    "step": step,
    "zigzag": zigzag,
    "rules": rules,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", choices=TABLES)
    asked, seeds = parse_seeds(parser)
    with np.errstate(all="ignore"):  # what is not clipped may overflow
        print_table(*TABLES[asked.table](seeds))


if __name__ == "__main__":
    run(main)
