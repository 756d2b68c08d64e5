"""Writes train.csv and test.csv from scikit-learn's copy of the data: python3 convert.py sklearn/datasets/data/breast_cancer.csv"""

import csv
import sys

MEASURES = [
    "radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity", "concave points", "symmetry",
    "fractal dimension",
]
HEADER = [f"{kind} {measure}" for kind in ("mean", "error of", "worst") for measure in MEASURES] + ["benign"]

with open(sys.argv[1], newline="") as source:
    _, *rows = csv.reader(source)

is_test = [index % 3 == 2 for index in range(len(rows))]
for name, wanted in (("train.csv", False), ("test.csv", True)):
    with open(name, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(row for row, test in zip(rows, is_test) if test == wanted)
