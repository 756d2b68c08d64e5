"""FedAvg in plain PyTorch: one process, one client after the other. What the arithmetic alone costs."""

import json
import sys
import time
from pathlib import Path

import torch

from workloads import Task, accuracy, images, network, train


def main(path: str, result: str) -> None:
    task = Task.read(path)
    torch.set_num_threads(1)
    inputs, labels = images(Path(task.data), "train")
    test = images(Path(task.data), "t10k")
    model, local = network(task), network(task)
    began, scores, missing = time.time(), [], []
    for number in range(task.workload.rounds):
        start = {key: value.clone() for key, value in model.state_dict().items()}
        total = {key: torch.zeros_like(value) for key, value in start.items()}
        there = [client for client in range(task.workload.clients) if client not in task.away[number]]
        samples = sum(task.samples(client) for client in there)
        for client in there:
            own = slice(*task.shards[client])
            local.load_state_dict(start)
            train(local, inputs[own], labels[own], task.order_seed(number, client))
            for key, value in local.state_dict().items():
                total[key] += value * (task.samples(client) / samples)
        model.load_state_dict(total if there else start)
        scores.append(accuracy(model, *test))
        missing.append(task.away[number])
    outcome = {"began": began, "ended": time.time(), "scores": scores, "missing": missing}
    Path(result).write_text(json.dumps(outcome))


if __name__ == "__main__":
    main(*sys.argv[1:])
