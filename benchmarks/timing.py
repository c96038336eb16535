"""Timing side by side: interleaved runs, medians of ratios, and on what machine."""

import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version

import numpy as np


def cores() -> int:
    """Number of cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def interleave(
    sides: dict[str, Callable[[], object]], repeats: int, *, warm_up: bool = True
) -> dict[str, np.ndarray]:
    """Time every side once, then every side again, and so on, after one run to warm up.

    Returns
    -------
    seconds : dict of str to ndarray of shape (repeats,)
        The n-th entries were measured next to each other.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for repeat in range(not warm_up, repeats + 1):
        for name, run in sides.items():
            start = time.perf_counter()
            run()
            if repeat:
                seconds[name].append(time.perf_counter() - start)
    return {name: np.array(values) for name, values in seconds.items()}


def ratio(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Median over the repeats of theirs / ours: how many times faster we are."""
    return float(np.median(theirs / ours))


def machine() -> dict[str, object]:
    """What it was measured on."""
    packages = ("numpy", "scipy", "scikit-learn", "torch", "skorch", "numba", "sknormnet")
    return {
        "processor": _processor(),
        "cores": cores(),
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":")[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def table(title: str, columns: list[str], rows: dict[str, list[object]]) -> str:
    """A Markdown table; numbers with two decimals, None as a dash."""

    def cell(value: object) -> str:
        if value is None:
            return "-"
        return f"{value:.2f}" if isinstance(value, float) else str(value)

    lines = [["", *columns], *([name, *map(cell, values)] for name, values in rows.items())]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns) + 1)]
    drawn = [
        "| "
        + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    ]
    drawn.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return f"\n{title}\n\n" + "\n".join(drawn)
