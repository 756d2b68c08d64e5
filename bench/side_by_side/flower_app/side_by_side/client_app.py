"""What a Flower client does: train on its own samples, or fail in the rounds in which it is away."""

from functools import lru_cache
from pathlib import Path

import torch
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from side_by_side.workloads import Task, images, network, train

app = ClientApp()


class Away(Exception):
    """The client is away in this round. Flower tells its server of the failure."""


@lru_cache(maxsize=1)
def prepared(path: str):
    """The task and the training data, read once a process, as Flower's own examples cache their data set."""
    task = Task.read(path)
    return task, *images(Path(task.data), "train")


@app.train()
def fit(message: Message, context: Context) -> Message:
    torch.set_num_threads(1)
    task, inputs, labels = prepared(context.run_config["task"])
    client = int(context.node_config["partition-id"])
    number = int(message.content["config"]["server-round"]) - 1
    if client in task.away[number]:
        raise Away(f"client {client} in round {number + 1}")
    own = slice(*task.shards[client])
    model = network(task)
    model.load_state_dict(message.content["arrays"].to_torch_state_dict())
    train(model, inputs[own], labels[own], task.order_seed(number, client))
    content = RecordDict(
        {
            "arrays": ArrayRecord(model.state_dict()),
            "metrics": MetricRecord({"num-examples": task.samples(client), "client": client}),
        }
    )
    return Message(content=content, reply_to=message)
