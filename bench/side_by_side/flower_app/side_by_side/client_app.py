"""What a Flower client does: train on its own samples."""

from functools import lru_cache
from pathlib import Path

import torch
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from side_by_side.workloads import WORKLOADS, images, network, shards, train

app = ClientApp()


@lru_cache(maxsize=1)
def training_data(folder: str):
    """Read once a process, as Flower's own examples cache their data set."""
    return images(Path(folder), "train")


@app.train()
def fit(message: Message, context: Context) -> Message:
    torch.set_num_threads(1)
    workload = WORKLOADS[context.run_config["workload"]]
    client = int(context.node_config["partition-id"])
    inputs, labels = training_data(context.run_config["data"])
    own = torch.from_numpy(shards(workload, labels.numpy())[client])
    model = network(workload)
    model.load_state_dict(message.content["arrays"].to_torch_state_dict())
    number = int(message.content["config"]["server-round"])
    train(model, inputs[own], labels[own], number * 8 + client)
    content = RecordDict(
        {
            "arrays": ArrayRecord(model.state_dict()),
            "metrics": MetricRecord({"num-examples": len(own)}),
        }
    )
    return Message(content=content, reply_to=message)
