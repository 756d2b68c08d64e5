"""Loads a model file into the documented module and prints the sum of its cross entropies.

Usage: python3 load_model.py MODEL IMAGES LABEL...
The file is read by hand, since Debian has no package for safetensors.
"""

import collections
import json
import struct
import sys

import torch

model_path, images_path, *labels = sys.argv[1:]
content = open(model_path, "rb").read()
(header_len,) = struct.unpack("<Q", content[:8])
header = json.loads(content[8 : 8 + header_len])
assert header.pop("__metadata__") == {"rounds": "1"}
body = bytearray(content[8 + header_len :])
assert all(entry["dtype"] == "F32" for entry in header.values())
whole = torch.frombuffer(body, dtype=torch.float32)
state = {
    name: whole[entry["data_offsets"][0] // 4 : entry["data_offsets"][1] // 4].reshape(entry["shape"])
    for name, entry in header.items()
}
module = torch.nn.Sequential(
    collections.OrderedDict(
        fc1=torch.nn.Linear(64, 64), relu1=torch.nn.ReLU(), fc2=torch.nn.Linear(64, 10)
    )
)
module.load_state_dict(state, strict=True)
images = torch.frombuffer(bytearray(open(images_path, "rb").read()), dtype=torch.float32).reshape(-1, 64)
logits = module(images).double()
targets = torch.tensor([int(label) for label in labels])
print(torch.nn.functional.cross_entropy(logits, targets, reduction="sum").item())
