"""The two workloads, their data, and what every contender does alike.

Nothing here knows any framework but numpy and PyTorch.
"""

import gzip
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SEED = 42
CLIENTS = 8
BATCH = 64
LEARNING_RATE = 0.05


@dataclass(frozen=True)
class Workload:
    """One workload; `samples` is what each client has, none: all of the data by Dirichlet(0.3)."""

    name: str
    hidden: tuple[int, ...]
    rounds: int
    samples: int | None
    test_images: int | None


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("small", (128,), 10, None, None),
        Workload("large", (2048, 2048), 3, 640, 1000),
    )
}


def read_idx(folder: Path, name: str) -> np.ndarray:
    """An IDX file of bytes, plain or gzipped."""
    plain = folder / name
    content = plain.read_bytes() if plain.exists() else gzip.decompress((folder / f"{name}.gz").read_bytes())
    rank = content[3]
    shape = struct.unpack(f">{rank}I", content[4 : 4 + 4 * rank])
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def write_idx(path: Path, array: np.ndarray) -> None:
    """Writes bytes as an IDX file."""
    header = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(header + np.ascontiguousarray(array, np.uint8).tobytes())


def cut(workload: Workload, source: Path, folder: Path) -> Path:
    """The workload's part of Fashion-MNIST as plain IDX files in `folder`, the same for all contenders."""
    folder.mkdir(parents=True, exist_ok=True)
    train = None if workload.samples is None else workload.samples * CLIENTS
    for split, count in (("train", train), ("t10k", workload.test_images)):
        for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"):
            array = read_idx(source, f"{split}-{kind}")
            write_idx(folder / f"{split}-{kind}", array[:count])
    return folder


def shards(workload: Workload, labels: np.ndarray) -> list[np.ndarray]:
    """Sample indices of each client: equal blocks, or Dirichlet(0.3) by class with at least 100 samples a client."""
    if workload.samples is not None:
        return np.array_split(np.arange(len(labels)), CLIENTS)
    rng = np.random.default_rng(SEED)
    while True:
        parts: list[list[np.ndarray]] = [[] for _ in range(CLIENTS)]
        for label in np.unique(labels):
            indices = rng.permutation(np.flatnonzero(labels == label))
            ends = (np.cumsum(rng.dirichlet([0.3] * CLIENTS)) * len(indices)).astype(int)[:-1]
            for part, own in zip(parts, np.split(indices, ends)):
                part.append(own)
        whole = [np.concatenate(part) for part in parts]
        if min(map(len, whole)) >= 100:
            return whole


def images(folder: Path, split: str):
    """Images as f32 in 0..1, flattened, and labels, as PyTorch tensors."""
    import torch

    pixels = read_idx(folder, f"{split}-images-idx3-ubyte")
    labels = read_idx(folder, f"{split}-labels-idx1-ubyte")
    flat = torch.from_numpy(pixels.reshape(len(pixels), -1).astype(np.float32) / 255.0)
    return flat, torch.from_numpy(labels.astype(np.int64))


def network(workload: Workload):
    """The fully connected network, with PyTorch's own initial values."""
    import torch
    from torch import nn

    torch.manual_seed(SEED)
    widths = (784, *workload.hidden, 10)
    layers: list[nn.Module] = []
    for inputs, outputs in zip(widths, widths[1:]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def train(model, inputs, labels, order_seed: int) -> None:
    """One epoch of plain SGD."""
    import torch
    from torch import nn

    optimiser = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(order_seed))
    for batch in order.split(BATCH):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(inputs[batch]), labels[batch]).backward()
        optimiser.step()


def accuracy(model, inputs, labels) -> float:
    """Test accuracy."""
    import torch

    with torch.no_grad():
        return (model(inputs).argmax(1) == labels).float().mean().item()
