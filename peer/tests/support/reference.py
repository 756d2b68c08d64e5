"""Trains networks with PyTorch's own layers and optimiser, for a test to compare with.

Usage: python3 reference.py FOLDER
FOLDER/cases.json lists the cases. Of case i, FOLDER/i.start has the parameters to start from and FOLDER/i.inputs the inputs,
both f32; FOLDER/i.end gets the parameters after training. For each case a line is printed: the sum of the cross entropies
before training.
"""

import json
import sys

import torch
from torch import nn
from torch.nn import functional


class Mlp(nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.names = [f"fc{layer}" for layer in range(1, len(widths))]
        for name, inputs, outputs in zip(self.names, widths, widths[1:]):
            self.add_module(name, nn.Linear(inputs, outputs))

    def forward(self, x):
        for name in self.names[:-1]:
            x = torch.relu(getattr(self, name)(x))
        return getattr(self, self.names[-1])(x)


class Lenet(nn.Module):
    def __init__(self, input, classes):
        super().__init__()
        self.input = input
        side = [(extent // 2 - 4) // 2 for extent in input[1:]]
        self.conv1 = nn.Conv2d(input[0], 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * side[0] * side[1], 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)

    def forward(self, x):
        x = functional.max_pool2d(torch.relu(self.conv1(x.reshape(-1, *self.input))), 2)
        x = functional.max_pool2d(torch.relu(self.conv2(x)), 2).flatten(1)
        return self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(x)))))


class Cnn(nn.Module):
    def __init__(self, input, classes):
        super().__init__()
        self.input = input
        self.conv1 = nn.Conv2d(input[0], 32, 5, padding="same")
        self.conv2 = nn.Conv2d(32, 64, 5, padding="same")
        self.fc1 = nn.Linear(64 * (input[1] // 4) * (input[2] // 4), 512)
        self.fc2 = nn.Linear(512, classes)

    def forward(self, x):
        x = functional.max_pool2d(torch.relu(self.conv1(x.reshape(-1, *self.input))), 2)
        x = functional.max_pool2d(torch.relu(self.conv2(x)), 2).flatten(1)
        return self.fc2(torch.relu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, inputs, outputs, groups, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.GroupNorm(groups, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.GroupNorm(groups, outputs)
        self.downsample = nn.Identity()
        if stride > 1:
            narrow = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(narrow, nn.GroupNorm(groups, outputs))

    def forward(self, x):
        inner = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(inner)) + self.downsample(x))


class Resnet18(nn.Module):
    def __init__(self, input, classes, groups):
        super().__init__()
        self.input = input
        self.conv1 = nn.Conv2d(input[0], 64, 3, 1, 1, bias=False)
        self.bn1 = nn.GroupNorm(groups, 64)
        widths = [64, 64, 128, 256, 512]
        for stage in range(1, 5):
            first = Block(widths[stage - 1], widths[stage], groups, 1 if stage == 1 else 2)
            second = Block(widths[stage], widths[stage], groups, 1)
            self.add_module(f"layer{stage}", nn.Sequential(first, second))
        self.fc = nn.Linear(512, classes)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x.reshape(-1, *self.input))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


class Transformer(nn.Module):
    def __init__(self, context, layers, heads, width):
        super().__init__()
        self.token = nn.Embedding(256, width)
        self.position = nn.Embedding(context, width)
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, norm=nn.LayerNorm(width))
        self.head = nn.Linear(width, 256)
        self.mask = torch.triu(torch.full((context, context), -torch.inf), 1)

    def forward(self, x):
        x = self.token(x.long()) + self.position.weight
        return self.head(self.encoder(x, self.mask)).flatten(0, 1)


KINDS = {"mlp": Mlp, "lenet": Lenet, "cnn": Cnn, "resnet18": Resnet18, "transformer": Transformer}


def floats(path):
    return torch.frombuffer(bytearray(open(path, "rb").read()), dtype=torch.float32)


def train(module, inputs, labels, case):
    for step_size, batches in zip(case["stepSizes"], case["batches"]):
        optimiser = torch.optim.SGD(
            module.parameters(),
            lr=step_size,
            momentum=case["momentum"],
            weight_decay=case["weightDecay"],
        )
        anchors = [parameter.detach().clone() for parameter in module.parameters()]
        for batch in batches:
            optimiser.zero_grad()
            loss = functional.cross_entropy(module(inputs[batch]), labels[batch].flatten())
            for parameter, anchor in zip(module.parameters(), anchors):
                loss = loss + case["proximal"] / 2 * ((parameter - anchor) ** 2).sum()
            loss.backward()
            if case["clipNorm"] is not None:
                torch.nn.utils.clip_grad_norm_(module.parameters(), case["clipNorm"])
            optimiser.step()


def main(folder):
    torch.set_num_threads(1)
    for index, case in enumerate(json.load(open(f"{folder}/cases.json"))):
        kind = case["architecture"].pop("type")
        module = KINDS[kind](**case["architecture"])
        tensors = case["tensors"]
        start = floats(f"{folder}/{index}.start").split([tensor["elements"] for tensor in tensors])
        state = {
            tensor["name"]: part.reshape(tensor["shape"]) for tensor, part in zip(tensors, start)
        }
        module.load_state_dict(state, strict=True)
        labels = torch.tensor(case["labels"]).reshape(case["samples"], -1)
        inputs = floats(f"{folder}/{index}.inputs").reshape(case["samples"], -1)
        with torch.no_grad():
            logits = module(inputs).double()
            print(functional.cross_entropy(logits, labels.flatten(), reduction="sum").item())
        train(module, inputs, labels, case)
        state = module.state_dict()
        end = torch.cat([state[tensor["name"]].flatten() for tensor in tensors])
        open(f"{folder}/{index}.end", "wb").write(end.numpy().tobytes())


main(sys.argv[1])
