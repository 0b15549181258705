"""Learn XOR with a stack of residual connections: the gradient arrives in every layer.

The experiment of XORgatemultihiddenlayers.py with hidden layers x + f(x W + b), not f(x W + b).
One seed gives both scripts the same initial weights (with --skip 1).
"""

import sys

from residual import ResidualConnection
from XORgatemultihiddenlayers import NODES, argument_parser, main, whole


def residual(i, f, deriv_f, **options):
    """Return hidden layer i, x + f(x W + b), in a list: all that differs from the plain script."""
    return [ResidualConnection(NODES, f, deriv_f, name=f"residual_{i}", **options)]


PARSER = argument_parser(__doc__)
PARSER.add_argument(
    "--skip",
    type=whole(1, 2),
    default=1,
    help="Dense layers that a connection skips, 1 or 2 (default: %(default)s)",
)

if __name__ == "__main__":
    sys.exit(main(residual, "residual connected hidden layers", PARSER))
