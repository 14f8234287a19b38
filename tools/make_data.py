"""Make the digits, the photograph and the trained networks in qviz/data/files: `python tools/make_data.py`.

This needs torch, scikit-learn, scikit-image and pillow, which qviz itself does not need at run time. It needs no
network, because the digits and the photograph are in the installed packages. On one machine it always writes the same
bytes. On a different processor or version of torch, the CNN's weights may differ in their last digits, and so may its
accuracy. The MLPs are trained in float64, so that their weights are the same to six digits on every processor.
"""

import argparse
from importlib.resources import files
from pathlib import Path

import numpy as np

from qviz.networks.digits_mlp import MLPS

SEED = 0
TEST_FRACTION = 0.2
# Width, height. The original, 600 x 400, has the same aspect ratio, so nothing is cropped.
PHOTOGRAPH_SIZE = (384, 256)
LUMA = (0.2126, 0.7152, 0.0722)  # Rec. 709 luma weights of red, green and blue
# Of eight settings, the one with the best 4-fold cross-validation inside the training part (0.991).
EPOCHS, BATCH, LEARNING_RATE, WEIGHT_DECAY = 120, 64, 3e-3, 5e-2


def stratified_test_split(labels, fraction, seed):
    """Return the sorted indices of the test part: the same fraction of every class."""
    rng = np.random.default_rng(seed)
    parts = []
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        parts.append(members[: round(len(members) * fraction)])
    return np.sort(np.concatenate(parts))


def make_digits():
    """Return scikit-learn's digits as small integers, and the split."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return {
        "pixels": bunch.images.astype(np.uint8),
        "labels": bunch.target.astype(np.uint8),
        "test": stratified_test_split(bunch.target, TEST_FRACTION, SEED).astype(np.uint16),
    }


def make_photograph():
    """Return scikit-image's coffee cup in grey, 256 x 384, one byte per pixel."""
    from PIL import Image

    with files("skimage").joinpath("data/coffee.png").open("rb") as stream:
        colour = np.asarray(Image.open(stream).convert("RGB"), dtype=np.float32)
    grey = Image.fromarray(colour @ np.asarray(LUMA, dtype=np.float32))
    small = np.asarray(grey.resize(PHOTOGRAPH_SIZE, Image.Resampling.LANCZOS))
    return {"grey": np.clip(np.round(small), 0, 255).astype(np.uint8)}


def build_network():
    """Return the untrained CNN; layer names are those of the stored weights."""
    from collections import OrderedDict

    from torch import nn

    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 16, 3, padding=1),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(16, 32, 3, padding=1),
            relu2=nn.ReLU(),
            pool=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            fc1=nn.Linear(512, 64),
            relu3=nn.ReLU(),
            fc2=nn.Linear(64, 10),
        )
    )


def build_mlp():
    """Return an untrained MLP, in float64; layer names are those of the stored weights."""
    from collections import OrderedDict

    from torch import nn

    return nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            fc1=nn.Linear(64, 64),
            relu1=nn.ReLU(),
            fc2=nn.Linear(64, 64),
            relu2=nn.ReLU(),
            fc3=nn.Linear(64, 10),
        )
    ).double()


def shift(images, generator):
    """Shift each (1, 8, 8) image by -1, 0 or 1 pixels in both directions, at random."""
    import torch

    down, across = torch.randint(0, 3, (2, len(images), 1), generator=generator)
    rows = (down + torch.arange(8))[:, :, None]
    columns = (across + torch.arange(8))[:, None, :]
    padded = torch.nn.functional.pad(images, (1, 1, 1, 1))
    return padded[torch.arange(len(images))[:, None, None], 0, rows, columns].unsqueeze(1)


def train(network, images, labels, seed):
    """Train in place with AdamW, shifted images, and a learning rate that falls to 0 along a cosine."""
    import torch
    from torch.nn.functional import cross_entropy

    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(images), generator=generator).split(BATCH):
            optimizer.zero_grad()
            cross_entropy(network(shift(images[batch], generator)), labels[batch]).backward()
            optimizer.step()
        schedule.step()


def make_trained(build, digits, seed=SEED):
    """Train a network on the training part; return its weights and the number of test images it gets right."""
    import torch

    torch.set_num_threads(1)  # the order of additions, and so the last bit, depends on the number of threads
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)
    network = build()
    images = torch.from_numpy(digits["pixels"] / 16).unsqueeze(1).to(next(network.parameters()).dtype)
    labels = torch.from_numpy(digits["labels"].astype(np.int64))
    is_test = torch.zeros(len(labels), dtype=torch.bool)
    is_test[torch.from_numpy(digits["test"].astype(np.int64))] = True
    train(network, images[~is_test], labels[~is_test], seed)
    with torch.no_grad():
        right = network(images[is_test]).argmax(1) == labels[is_test]
    return {name: value.detach().float().numpy() for name, value in network.named_parameters()}, int(right.sum())


def make_mlps(digits):
    """Train an MLP from each seed; return their weights in float16, in which all of them take 135 KB."""
    networks = [make_trained(build_mlp, digits, seed)[0] for seed in range(MLPS)]
    return {name: np.stack([weights[name] for weights in networks]).astype(np.float16) for name in networks[0]}


def write(path, arrays):
    """Write a compressed npz. NumPy dates its members 1980-01-01, so equal arrays give equal bytes."""
    np.savez_compressed(path, **arrays)
    names = ", ".join(f"{name} {array.shape} {array.dtype}" for name, array in arrays.items())
    print(f"{path.name}: {path.stat().st_size} bytes: {names}")


def main():
    """Make the four files and print what was written."""
    parser = argparse.ArgumentParser(description="Remake the data files that qviz ships.")
    default = Path(__file__).resolve().parent.parent / "qviz" / "data" / "files"
    parser.add_argument("--out", type=Path, default=default, help="folder to write to (default: qviz/data/files)")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    digits = make_digits()
    write(out / "digits.npz", digits)
    write(out / "photograph.npz", make_photograph())
    weights, right = make_trained(build_network, digits)
    write(out / "cnn.npz", weights)
    print(f"cnn.npz: {right} of {len(digits['test'])} test images right, accuracy {right / len(digits['test']):.4f}")
    write(out / "mlps.npz", make_mlps(digits))


if __name__ == "__main__":
    main()
