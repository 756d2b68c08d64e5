"""What the Flower server does: FedAvg, and an evaluation of the new model after each round."""

import json
import time
from pathlib import Path

import torch
from flwr.app import ArrayRecord, Context, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from side_by_side.workloads import Task, accuracy, images, network

app = ServerApp()


class RecordingFedAvg(FedAvg):
    """FedAvg that writes down whose update each round lacks."""

    def __init__(self, clients: int) -> None:
        super().__init__(
            fraction_train=1.0,
            fraction_evaluate=0.0,
            min_train_nodes=clients,
            min_available_nodes=clients,
        )
        self.clients = clients
        self.missing: list[list[int]] = []

    def aggregate_train(self, server_round, replies):
        replies = list(replies)
        there = {int(reply.content["metrics"]["client"]) for reply in replies if reply.has_content()}
        self.missing.append([client for client in range(self.clients) if client not in there])
        return super().aggregate_train(server_round, replies)


@app.main()
def main(grid: Grid, context: Context) -> None:
    torch.set_num_threads(1)
    task = Task.read(context.run_config["task"])
    clients = task.workload.clients
    test = images(Path(task.data), "t10k")
    model = network(task)
    times, scores = [], []

    def evaluate(_number: int, arrays: ArrayRecord) -> MetricRecord:
        model.load_state_dict(arrays.to_torch_state_dict())
        score = accuracy(model, *test)
        times.append(time.time())
        scores.append(score)
        return MetricRecord({"accuracy": score})

    strategy = RecordingFedAvg(clients)
    while len(list(grid.get_node_ids())) < clients:
        time.sleep(0.1)
    strategy.start(
        grid=grid,
        initial_arrays=ArrayRecord(model.state_dict()),
        num_rounds=task.workload.rounds,
        evaluate_fn=evaluate,
    )
    # The first evaluation is of the initial values.
    outcome = {"began": times[0], "ended": times[-1], "scores": scores[1:], "missing": strategy.missing}
    Path(context.run_config["result"]).write_text(json.dumps(outcome))
