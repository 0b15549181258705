"""What all benchmarks share: their seeds, their tables, and how Ctrl-C ends them."""

import contextlib
import multiprocessing
import signal
import sys

IGNORED = signal.SIGINT, signal.SIG_IGN


def parse_seeds(parser):
    """Return what parser reads from the command line, and the seeds that it asks for."""
    parser.add_argument("--seeds", type=int, default=50, help="how many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    asked = parser.parse_args()
    return asked, range(asked.first, asked.first + asked.seeds)


def print_table(heads, lines):
    """Print a table; lines may be a generator, and each is printed as soon as it is there."""
    print_line(heads)
    print_line(len(heads) * ["---"])
    for line in lines:
        print_line(line)


def print_line(entries):
    print("| " + " | ".join(entries) + " |", flush=True)


@contextlib.contextmanager
def workers():
    """Return a pool of one process a core; all of them leave Ctrl-C to the process that prints."""
    pressed = []  # while they start, and inherit this
    before = signal.signal(signal.SIGINT, lambda signum, frame: pressed.append(signum))
    pool = multiprocessing.Pool(initializer=signal.signal, initargs=IGNORED)
    signal.signal(signal.SIGINT, before)
    with pool:
        if pressed:
            raise KeyboardInterrupt
        yield pool


def measured(function, lines, cost):
    """Yield each line: its labels, then function(cell) of each of its cells.

    The cells of the highest cost are the first to begin.
    """
    cells = [cell for _, line in lines for cell in line]
    cells.sort(key=cost, reverse=True)
    with workers() as pool:
        results = {cell: pool.apply_async(function, [cell]) for cell in cells}
        yield from finished([(labels, [results[cell] for cell in line]) for labels, line in lines])


def finished(waiting):
    """Yield each line when its results are there; at Ctrl-C, all lines whose results are there."""
    try:
        while waiting:
            labels, results = waiting[0]
            line = sum((result.get() for result in results), labels)
            waiting = waiting[1:]
            yield line
    except KeyboardInterrupt:
        for labels, results in waiting:
            if all(result.ready() for result in results):
                yield sum((result.get() for result in results), labels)
        raise


def run(main):
    """Run a benchmark: Ctrl-C ends it after what it has measured, with exit status 130."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` has it ignored
    try:
        main()
    except KeyboardInterrupt:
        print(file=sys.stderr)  # leave the line of the ^C
        sys.exit(130)
