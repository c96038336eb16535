"""``python -m benchmarks``: run them all, print the tables and write them as JSON."""

import argparse
import json

from benchmarks import (
    busy,
    growth,
    halving,
    large_data,
    memory,
    prediction,
    search,
    speed,
    waiting,
)
from benchmarks.timing import machine

SECTIONS = {
    "speed": speed.run,
    "busy": busy.run,
    "growth": growth.run,
    "memory": memory.run,
    "large-data": large_data.run,
    "prediction": prediction.run,
    "search": search.run,
    "halving": halving.run,
    "waiting": waiting.run,
}
QUICK = ("speed", "prediction", "waiting")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="section", help=f"among {[*SECTIONS]}")
    parser.add_argument("--quick", action="store_true", help="under three minutes on two cores")
    parser.add_argument("--json", default="benchmark-results.json", help="file to write")
    arguments = parser.parse_args()
    sections = arguments.sections or (QUICK if arguments.quick else SECTIONS)
    if unknown := set(sections) - set(SECTIONS):
        parser.error(f"sections must be among {[*SECTIONS]}. Got {sorted(unknown)} instead.")
    results: dict = {"machine": machine(), "quick": arguments.quick}
    print(", ".join(f"{key} {value}" for key, value in results["machine"].items()))
    for name in sections:
        results[name] = SECTIONS[name](quick=arguments.quick)
    with open(arguments.json, "w") as file:
        json.dump(results, file, indent=2)
    print(f"\nWritten to {arguments.json}.")


if __name__ == "__main__":
    main()
