"""What importing costs, beyond scikit-learn's own network, and what it drags in."""

import statistics
import subprocess
import sys

SEPARATELY = {"matplotlib", "pandas", "torch"}
CODE = """
import sys, time
import sklearn.neural_network
before = set(sys.modules)
start = time.perf_counter()
import sknormnet
print(time.perf_counter() - start, *({names} & (set(sys.modules) - before)))
"""


def run(*, quick: bool) -> dict:
    """Time ``import sknormnet`` after ``import sklearn.neural_network``."""
    milliseconds, dragged = [], set()
    for _ in range(5 if quick else 21):
        done = subprocess.run(
            [sys.executable, "-c", CODE.format(names=SEPARATELY)],
            check=True,
            capture_output=True,
            text=True,
        )
        seconds, *names = done.stdout.split()
        milliseconds.append(float(seconds) * 1e3)
        dragged.update(names)
    result = {"milliseconds": statistics.median(milliseconds), "imported": sorted(dragged)}
    print(f"\nimport sknormnet: {result['milliseconds']:.1f} ms more; drags in {sorted(dragged)}")
    return result
