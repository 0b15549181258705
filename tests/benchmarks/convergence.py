"""How often, and how fast, the two scripts learn XOR: the README's table.

python tests/benchmarks/convergence.py 50    (half an hour on two cores; 2 seeds: a minute)
"""

import argparse

from runs import SOLVED, measure, solved
from XORgatemultihiddenlayers import MAX_LAYERS, dense
from XORgateresidualconnectionlayers import residual

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seeds", type=int, help="how many seeds, from 0 on")
    seeds = parser.parse_args().seeds

    depths = range(1, MAX_LAYERS + 1)
    cells = [(hidden_layer, [str(n)]) for n in depths for hidden_layer in (dense, residual)]
    shares = [solved(epochs) for epochs in measure(cells, seeds)]
    print(f"Seeds 0 to {seeds - 1}; solved: Loss < {SOLVED} within 100000 epochs; median epochs\n")
    print("| hidden layers | plain: solved | epochs | residual: solved | epochs |")
    print("|---|---|---|---|---|")
    for n, plain, resid in zip(depths, shares[::2], shares[1::2]):
        print(f"| {n} | {plain[0]} | {plain[1]} | {resid[0]} | {resid[1]} |")
