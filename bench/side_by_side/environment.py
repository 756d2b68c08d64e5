"""The Python that has Flower and PyTorch, and what both scripts ask of the command line."""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import venv
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from shutil import rmtree

PACKAGES = ["flwr[simulation]", "torch", "numpy"]


def options(description: str, contenders: tuple[str, ...]) -> argparse.ArgumentParser:
    """The options that both scripts have."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    data = Path("/usr/share/datasets/fashion-mnist")
    add("--fltorrent", type=Path, default=Path("target/release/fltorrent"), help="the program to measure")
    add("--data", type=Path, default=data, help="Fashion-MNIST as IDX files")
    add("--python", type=Path, help="an interpreter with flwr[simulation], torch and numpy")
    add("--venv", type=Path, default=Path("target/side-by-side"), help="where to make the environment")
    add("--contender", choices=contenders, action="append", help="only this one; may be given again")
    add("--keep", type=Path, help="keep logs and results in this new folder")
    return parser


def enter(given) -> None:
    """Goes on in the interpreter that has what the workloads need, or ends if there is nothing to measure."""
    if not given.fltorrent.exists():
        print(f"{given.fltorrent} is not there: build it with cargo build --release", file=sys.stderr)
        sys.exit(2)
    python = interpreter(given)
    if not given.python:
        os.execv(python, [str(python), *sys.argv, "--python", str(python)])
    if python != Path(sys.executable):
        os.execv(python, [str(python), *sys.argv])


def interpreter(given) -> Path:
    """A Python that has Flower and PyTorch."""
    if given.python:
        return given.python.absolute()
    folder = given.venv.absolute()
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"installing {', '.join(PACKAGES)} into {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return python


def versions(names: list[str]) -> str:
    """What is compared; a package that none of the contenders needs may be absent."""
    used = [("Flower", "flwr")] if any(name.startswith("Flower") for name in names) else []
    found = [f"{name} {version(package)}" for name, package in [*used, ("PyTorch", "torch")]]
    return ", ".join([*found, f"Python {platform.python_version()}"])


@contextmanager
def results(keep: Path | None):
    """The folder for logs and results, which goes at the end unless it is to be kept."""
    base = keep or Path(tempfile.mkdtemp(prefix="side-by-side-"))
    base.mkdir(parents=True, exist_ok=not keep)
    yield base.absolute()
    if not keep:
        rmtree(base)


def slug(name: str) -> str:
    """A contender's name in file names."""
    return name.lower().replace(", ", "-").replace(" ", "-")
