"""Learn XOR with a stack of residual connections: the gradient arrives, however deep the stack.

The experiment is that of XORgatemultihiddenlayers.py, where 6 and more hidden layers stall. Only
the hidden layer is another one: x + f(x W + b) takes the place of f(x W + b).
"""

import functools
import sys

from residual import ResidualConnection
from XORgatemultihiddenlayers import NODES, argument_parser, main


def residual(i, activate_func, deriv_activate_func, **options):
    """Return hidden layer i: the one thing that differs from the plain script."""
    return ResidualConnection(
        NODES, activate_func, deriv_activate_func, name=f"residual_{i}", **options
    )


if __name__ == "__main__":
    parser = argument_parser(__doc__)
    parser.add_argument(
        "--skip",
        metavar="N",
        type=int,
        choices=(1, 2),
        default=1,
        help="Dense layers that each connection skips, 1 or 2: both learn (default: %(default)s)",
    )
    args = parser.parse_args()
    hidden_layer = functools.partial(residual, skip=args.skip)
    sys.exit(main(hidden_layer, "residual connected hidden layers", args))
