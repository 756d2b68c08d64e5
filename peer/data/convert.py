"""Converts scikit-learn's `digits.csv.gz` (64 pixels of 0..16 and a label a line) into two gzipped IDX files.

Usage: python3 convert.py digits.csv.gz OUTPUT_FOLDER
"""

import gzip
import pathlib
import struct
import sys

SIDE = 8


def main(source: str, folder: str) -> None:
    with gzip.open(source, "rt") as lines:
        rows = [[int(float(field)) for field in line.split(",")] for line in lines]
    assert all(len(row) == SIDE * SIDE + 1 for row in rows)
    pixels = bytes(value for row in rows for value in row[:-1])
    labels = bytes(row[-1] for row in rows)
    write(folder, "digits-images-idx3-ubyte.gz", struct.pack(">IIII", 0x803, len(rows), SIDE, SIDE) + pixels)
    write(folder, "digits-labels-idx1-ubyte.gz", struct.pack(">II", 0x801, len(rows)) + labels)


def write(folder: str, name: str, content: bytes) -> None:
    pathlib.Path(folder, name).write_bytes(gzip.compress(content, compresslevel=9, mtime=0))


main(*sys.argv[1:])
