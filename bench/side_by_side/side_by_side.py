#!/usr/bin/env python3
"""FLTorrent beside Flower and plain PyTorch: one machine, one run, one table.

    python3 bench/side_by_side/side_by_side.py --fltorrent target/release/fltorrent

Makes a virtual environment with Flower and PyTorch from PyPI (several GB the first time) unless --python names an
interpreter that has them. Runs each contender --repetitions times in turns, prints a Markdown table of medians.
"""

import json
import statistics
import sys
from pathlib import Path

from environment import enter, options, results, slug, versions

CONTENDERS = ("plain PyTorch", "Flower, simulation", "Flower, deployment", "FLTorrent")
WORKLOADS = ("small", "large")
HEADING = (
    "| | start-up, s | wall, s a round | CPU, s a round | CPU of the whole run, s | loopback, MB a round "
    "| peak RSS in sum, GB | accuracy |\n|---|---:|---:|---:|---:|---:|---:|---:|"
)


def arguments():
    parser = options(__doc__, CONTENDERS)
    parser.add_argument("--workload", choices=WORKLOADS, action="append", help="only this one; may be given again")
    parser.add_argument("--repetitions", type=int, default=1)
    return parser.parse_args()


def row(name: str, runs: list[dict[str, float]]) -> str:
    """One line of the table."""
    median = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    return (
        f"| {name} | {median['startup']:.2f} | {median['wall']:.2f} | {median['cpu']:.2f} | {median['cpu_all']:.1f} "
        f"| {median['bytes'] / 1e6:.1f} | {median['memory'] / 1e9:.2f} | {median['accuracy']:.3f} |"
    )


def main() -> int:
    given = arguments()
    enter(given)
    from contenders import Failed, Setting, measure
    from workloads import SEED, WORKLOADS as ALL, deal

    names = given.contender or list(CONTENDERS)
    print(versions(names))
    failed = False
    with results(given.keep) as base:
        for workload in (ALL[name] for name in given.workload or WORKLOADS):
            task = deal(workload, SEED, given.data, base / workload.name / "data")
            figures: dict[str, list[dict[str, float]]] = {name: [] for name in names}
            for repetition in range(given.repetitions):
                for name in names:
                    folder = base / workload.name / f"{slug(name)}-{repetition}"
                    folder.mkdir()
                    print(f"{workload.name}: {name}, run {repetition + 1} of {given.repetitions}", file=sys.stderr)
                    try:
                        run = measure(name, Setting(task, folder, Path(sys.executable), given.fltorrent.absolute()))
                    except Failed as error:
                        failed = True
                        print(f"{name} failed: {error}", file=sys.stderr)
                        continue
                    print(json.dumps(run), file=sys.stderr)
                    figures[name].append(run)
            print(f"\n**{workload.name}**: MLP {'-'.join(map(str, workload.widths))}, {workload.rounds} rounds\n")
            print(HEADING)
            for name, runs in figures.items():
                print(row(name, runs) if runs else f"| {name} | failed | | | | | | |", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
