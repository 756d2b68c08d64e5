"""The workloads, their data, and what every contender does alike.

Nothing here knows any framework but numpy and PyTorch.
"""

import gzip
import json
import struct
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

SEED = 42
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
    clients: int = 8
    topology: str = "ring"

    @property
    def widths(self) -> tuple[int, ...]:
        """Neurons of each layer, inputs and outputs included."""
        return (784, *self.hidden, 10)


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("small", (128,), 10, None, None),
        Workload("large", (2048, 2048), 3, 640, 1000),
        # A tenth of the clients is somebody, and who is left is still connected.
        Workload("churn", (128,), 20, None, None, clients=12, topology="exponential"),
    )
}


@dataclass(frozen=True)
class Task:
    """What all contenders do in one run. It is a file for those that are processes of their own."""

    workload: Workload
    seed: int
    data: str
    shards: list[list[int]]
    away: list[list[int]] = field(default_factory=list)

    def samples(self, client: int) -> int:
        """Training samples of a client."""
        first, end = self.shards[client]
        return end - first

    def order_seed(self, number: int, client: int) -> int:
        """The seed of a client's order of samples in a round, counted from 0."""
        return self.seed * 1_000_003 + number * self.workload.clients + client

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: str) -> "Task":
        fields = json.loads(Path(path).read_text())
        return cls(**(fields | {"workload": Workload(**fields["workload"])}))


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


def deal(workload: Workload, seed: int, source: Path, folder: Path) -> Task:
    """The workload's part of Fashion-MNIST as plain IDX files, one client's training samples after the other's."""
    folder.mkdir(parents=True)
    train = None if workload.samples is None else workload.samples * workload.clients
    parts = shards(workload, seed, read_idx(source, "train-labels-idx1-ubyte")[:train])
    order = np.concatenate(parts)
    for split, chosen in (("train", order), ("t10k", slice(workload.test_images))):
        for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"):
            write_idx(folder / f"{split}-{kind}", read_idx(source, f"{split}-{kind}")[chosen])
    ends = np.cumsum([len(part) for part in parts]).tolist()
    ranges = [list(pair) for pair in zip([0, *ends], ends)]
    return Task(workload, seed, str(folder.absolute()), ranges, [[] for _ in range(workload.rounds)])


def shards(workload: Workload, seed: int, labels: np.ndarray) -> list[np.ndarray]:
    """Sample indices of each client: equal blocks, or Dirichlet(0.3) by class with at least 100 samples a client."""
    if workload.samples is not None:
        return np.array_split(np.arange(len(labels)), workload.clients)
    rng = np.random.default_rng(seed)
    while True:
        parts: list[list[np.ndarray]] = [[] for _ in range(workload.clients)]
        for label in np.unique(labels):
            indices = rng.permutation(np.flatnonzero(labels == label))
            ends = (np.cumsum(rng.dirichlet([0.3] * workload.clients)) * len(indices)).astype(int)[:-1]
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


def network(task: Task):
    """The fully connected network, with PyTorch's own initial values."""
    import torch
    from torch import nn

    torch.manual_seed(task.seed)
    widths = task.workload.widths
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
