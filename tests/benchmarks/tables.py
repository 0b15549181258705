"""What all benchmarks share: their seeds, their tables, and how Ctrl-C ends them."""

import multiprocessing
import signal
import sys


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


def measured(function, lines, cost):
    """Yield each line: its labels, then the entries, function(cell), of each of its cells.

    There is one process a core, and the cells of the highest cost are the first to begin. Ctrl-C
    still yields all lines whose cells are finished.
    """
    cells = [cell for _, line in lines for cell in line]
    cells.sort(key=cost, reverse=True)
    with multiprocessing.Pool(initializer=ignore_interrupts) as pool:
        results = {cell: pool.apply_async(function, [cell]) for cell in cells}
        waiting = list(lines)
        try:
            while waiting:
                labels, line = waiting[0]
                found = [results[cell].get() for cell in line]
                waiting.pop(0)
                yield sum(found, labels)
        except KeyboardInterrupt:
            for labels, line in waiting:
                if all(results[cell].ready() for cell in line):
                    yield sum((results[cell].get() for cell in line), labels)
            raise


def ignore_interrupts():
    """Leave Ctrl-C to the process that prints."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def run(main):
    """Run a benchmark: Ctrl-C ends it after what it has measured, with exit status 130."""
    try:
        main()
    except KeyboardInterrupt:
        print(file=sys.stderr)  # leave the line of the ^C
        sys.exit(130)
