"""What each remedy buys at 10 hidden layers: the README's table.

python tests/benchmarks/remedies.py 50    (half an hour on two cores; 2 seeds: two minutes)
"""

import functools

from runs import measure
from XORgatemultihiddenlayers import dense
from XORgateresidualconnectionlayers import residual

residual_2 = functools.partial(residual, skip=2)

RUNS = [
    ("plain", dense, ""),
    ("plain", dense, "--init he"),
    ("plain", dense, "--activation relu --max-norm inf"),
    ("plain", dense, "--activation relu"),
    ("plain", dense, "--activation relu --init he"),
    ("plain", dense, "--activation tanh"),
    ("plain", dense, "--batch-norm"),
    ("residual", residual, ""),
    ("residual", residual, "--max-norm inf"),
    ("residual", residual, "--init uniform"),
    ("residual --skip 2", residual_2, ""),
    ("residual --skip 2", residual_2, "--activation tanh --init he --max-norm inf"),
    ("residual --skip 2", residual_2, "--activation tanh --init he"),
]

if __name__ == "__main__":
    cells = [(hidden_layer, ["10", *options.split()]) for _, hidden_layer, options in RUNS]
    measured = measure(cells, __doc__)
    print("| script | options | solved | epochs |")
    print("|---|---|---|---|")
    for (script, _, options), (share, median) in zip(RUNS, measured):
        print(f"| {script} | {options or 'none'} | {share} | {median} |")
