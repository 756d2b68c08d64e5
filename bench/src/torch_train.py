"""The PyTorch side of the training benchmark: a network, plain SGD and cross entropy on one thread.

Usage: python3 - MODEL BATCH SAMPLES EPOCHS
MODEL is mlp, lenet or cnn, as docs/models.md describes them, on images of 28×28 pixels in 10 classes.
Prints one line of JSON: PyTorch's version and the samples trained for each second of CPU time.
"""

import json
import sys
import time

import torch
from torch import nn

torch.set_num_threads(1)
torch.set_num_interop_threads(1)
torch.manual_seed(1)
name = sys.argv[1]
batch, samples, epochs = map(int, sys.argv[2:])


def halve():
    return [nn.ReLU(), nn.MaxPool2d(2)]


networks = {
    "mlp": lambda: [nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)],
    "lenet": lambda: [
        nn.Conv2d(1, 6, 5, padding=2),
        *halve(),
        nn.Conv2d(6, 16, 5),
        *halve(),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    ],
    "cnn": lambda: [
        nn.Conv2d(1, 32, 5, padding=2),
        *halve(),
        nn.Conv2d(32, 64, 5, padding=2),
        *halve(),
        nn.Flatten(),
        nn.Linear(3136, 512),
        nn.ReLU(),
        nn.Linear(512, 10),
    ],
}
model = nn.Sequential(*networks[name]())
optimiser = torch.optim.SGD(model.parameters(), lr=0.05)
loss_of = nn.CrossEntropyLoss()
images = torch.rand(samples, 1, 28, 28)
labels = torch.randint(10, (samples,))


def epoch():
    order = torch.randperm(samples)
    for start in range(0, samples, batch):
        chosen = order[start : start + batch]
        optimiser.zero_grad(set_to_none=True)
        loss_of(model(images[chosen]), labels[chosen]).backward()
        optimiser.step()


epoch()
start = time.process_time()
for _ in range(epochs):
    epoch()
seconds = time.process_time() - start
print(json.dumps({"version": torch.__version__, "samplesPerCpuSecond": samples * epochs / seconds}))
