"""FedAvg in plain PyTorch: one process, one client after the other. What the arithmetic alone costs."""

import json
import sys
import time
from pathlib import Path

import torch

from workloads import WORKLOADS, accuracy, images, network, shards, train


def main(name: str, data: str, result: str) -> None:
    workload = WORKLOADS[name]
    torch.set_num_threads(1)
    inputs, labels = images(Path(data), "train")
    test = images(Path(data), "t10k")
    parts = [torch.from_numpy(part) for part in shards(workload, labels.numpy())]
    clients = [(inputs[part], labels[part]) for part in parts]
    model, local = network(workload), network(workload)
    began = time.time()
    for number in range(workload.rounds):
        start = {key: value.clone() for key, value in model.state_dict().items()}
        total = {key: torch.zeros_like(value) for key, value in start.items()}
        for client, (own, targets) in enumerate(clients):
            local.load_state_dict(start)
            train(local, own, targets, number * len(clients) + client)
            for key, value in local.state_dict().items():
                total[key] += value * (len(own) / len(inputs))
        model.load_state_dict(total)
        score = accuracy(model, *test)
    Path(result).write_text(json.dumps({"began": began, "ended": time.time(), "accuracy": score}))


if __name__ == "__main__":
    main(*sys.argv[1:])
