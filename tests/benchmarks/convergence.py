"""How often, and how fast, the two scripts learn XOR: the README's table.

python tests/benchmarks/convergence.py 50    (a quarter of an hour on two cores; 2 seeds: a minute)
"""

from runs import measure
from XORgatemultihiddenlayers import MAX_LAYERS, dense
from XORgateresidualconnectionlayers import residual

if __name__ == "__main__":
    depths = range(1, MAX_LAYERS + 1)
    cells = [(hidden_layer, [str(n)]) for n in depths for hidden_layer in (dense, residual)]
    measured = measure(cells, __doc__)
    print("| hidden layers | plain: solved | epochs | residual: solved | epochs |")
    print("|---|---|---|---|---|")
    for n, plain, resid in zip(depths, measured[::2], measured[1::2]):
        print(f"| {n} | {plain[0]} | {plain[1]} | {resid[0]} | {resid[1]} |")
