#!/usr/bin/env python3
"""FLTorrent beside Flower and plain PyTorch: one machine, one run, one table.

    python3 bench/side_by_side/side_by_side.py --fltorrent target/release/fltorrent

Makes a virtual environment with Flower and PyTorch from PyPI (several GB the first time) unless --python names an
interpreter that has them. Runs each contender --repetitions times in turns, prints a Markdown table of medians.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import venv
from importlib.metadata import version
from pathlib import Path

CONTENDERS = ("plain PyTorch", "Flower, simulation", "Flower, deployment", "FLTorrent")
WORKLOADS = ("small", "large")
PACKAGES = ["flwr[simulation]", "torch", "numpy"]


def interpreter(arguments) -> Path:
    """A Python that has Flower and PyTorch."""
    if arguments.python:
        return arguments.python.absolute()
    folder = arguments.venv.absolute()
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"installing {', '.join(PACKAGES)} into {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return python


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fltorrent", type=Path, default=Path("target/release/fltorrent"), help="the program to measure")
    parser.add_argument("--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"), help="Fashion-MNIST as IDX files")
    parser.add_argument("--python", type=Path, help="an interpreter with flwr[simulation], torch and numpy")
    parser.add_argument("--venv", type=Path, default=Path("target/side-by-side"), help="where to make the environment")
    parser.add_argument("--workload", choices=WORKLOADS, action="append", help="only this one; may be given again")
    parser.add_argument("--contender", choices=CONTENDERS, action="append", help="only this one; may be given again")
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="keep logs and results in this new folder")
    return parser.parse_args()


def in_environment(options) -> None:
    """Goes on in the interpreter that has what the workloads need."""
    python = interpreter(options)
    if not options.python:
        os.execv(python, [str(python), *sys.argv, "--python", str(python)])
    if python != Path(sys.executable):
        os.execv(python, [str(python), *sys.argv])


def versions(names: list[str]) -> list[str]:
    """What is compared; a package that none of the contenders needs may be absent."""
    used = [("Flower", "flwr")] if any(name.startswith("Flower") for name in names) else []
    packages = [*used, ("PyTorch", "torch")]
    return [f"{name} {version(package)}" for name, package in packages] + [f"Python {platform.python_version()}"]


def row(name: str, runs: list[dict[str, float]]) -> str:
    """One line of the table."""
    median = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    return (
        f"| {name} | {median['startup']:.2f} | {median['wall']:.2f} | {median['cpu']:.2f} | {median['cpu_all']:.1f} "
        f"| {median['bytes'] / 1e6:.1f} | {median['memory'] / 1e9:.2f} | {median['accuracy']:.3f} |"
    )


def main() -> int:
    options = arguments()
    if not options.fltorrent.exists():
        print(f"{options.fltorrent} is not there: build it with cargo build --release", file=sys.stderr)
        return 2
    in_environment(options)
    from contenders import Failed, Setting, measure
    from workloads import WORKLOADS, cut

    base = options.keep or Path(tempfile.mkdtemp(prefix="side-by-side-"))
    base.mkdir(parents=True, exist_ok=bool(not options.keep))
    python = Path(sys.executable)
    names = options.contender or list(CONTENDERS)
    print(", ".join(versions(names)))
    failed = False
    for workload in (WORKLOADS[name] for name in options.workload or WORKLOADS):
        data = cut(workload, options.data, base / workload.name / "data").absolute()
        figures: dict[str, list[dict[str, float]]] = {name: [] for name in names}
        for repetition in range(options.repetitions):
            for name in names:
                slug = name.lower().replace(", ", "-").replace(" ", "-")
                folder = (base / workload.name / f"{slug}-{repetition}").absolute()
                folder.mkdir()
                print(f"{workload.name}: {name}, run {repetition + 1} of {options.repetitions}", file=sys.stderr)
                try:
                    run = measure(name, Setting(workload, data, folder, python, options.fltorrent.absolute()))
                except Failed as error:
                    failed = True
                    print(f"{name} failed: {error}", file=sys.stderr)
                    continue
                print(json.dumps(run), file=sys.stderr)
                figures[name].append(run)
        print(f"\n**{workload.name}**: MLP {'-'.join(map(str, (784, *workload.hidden, 10)))}, {workload.rounds} rounds\n")
        print("| | start-up, s | wall, s a round | CPU, s a round | CPU of the whole run, s | loopback, MB a round | peak RSS in sum, GB | accuracy |")
        print("|---|---:|---:|---:|---:|---:|---:|---:|")
        for name, runs in figures.items():
            print(row(name, runs) if runs else f"| {name} | failed | | | | | | |", flush=True)
    if not options.keep:
        shutil.rmtree(base)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
