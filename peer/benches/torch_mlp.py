"""The PyTorch side of the training benchmark: an MLP, plain SGD and cross entropy on one thread.

Usage: python3 - INPUTS HIDDEN CLASSES BATCH SAMPLES EPOCHS
Prints one line of JSON: PyTorch's version and the samples trained for each second of CPU time.
"""

import json
import sys
import time

import torch

torch.set_num_threads(1)
torch.set_num_interop_threads(1)
torch.manual_seed(1)
inputs, hidden, classes, batch, samples, epochs = map(int, sys.argv[1:])
model = torch.nn.Sequential(
    torch.nn.Linear(inputs, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, classes)
)
optimiser = torch.optim.SGD(model.parameters(), lr=0.05)
loss_of = torch.nn.CrossEntropyLoss()
images = torch.rand(samples, inputs)
labels = torch.randint(classes, (samples,))


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
