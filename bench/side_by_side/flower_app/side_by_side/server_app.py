"""What the Flower server does: FedAvg, and an evaluation of the new model after each round."""

import json
import time
from pathlib import Path

import torch
from flwr.app import ArrayRecord, Context, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from side_by_side.workloads import CLIENTS, WORKLOADS, accuracy, images, network

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    torch.set_num_threads(1)
    workload = WORKLOADS[context.run_config["workload"]]
    test = images(Path(context.run_config["data"]), "t10k")
    model = network(workload)
    times, scores = [], []

    def evaluate(_number: int, arrays: ArrayRecord) -> MetricRecord:
        model.load_state_dict(arrays.to_torch_state_dict())
        score = accuracy(model, *test)
        times.append(time.time())
        scores.append(score)
        return MetricRecord({"accuracy": score})

    strategy = FedAvg(
        fraction_train=1.0,
        fraction_evaluate=0.0,
        min_train_nodes=CLIENTS,
        min_available_nodes=CLIENTS,
    )
    while len(list(grid.get_node_ids())) < CLIENTS:
        time.sleep(0.1)
    strategy.start(
        grid=grid,
        initial_arrays=ArrayRecord(model.state_dict()),
        num_rounds=workload.rounds,
        evaluate_fn=evaluate,
    )
    outcome = {"began": times[0], "ended": times[-1], "accuracy": scores[-1]}
    Path(context.run_config["result"]).write_text(json.dumps(outcome))
