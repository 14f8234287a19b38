"""AdamW against torch's own, bit for bit, and what it does not load."""

import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")

from qviz.pytorch.digits_model import DigitsCNN, digits_tensors
from qviz.pytorch.optimizer import AdamW

EPOCHS, BATCHES = 3, 4


def trained(make, cool):
    """Return the weights after a few epochs on digits."""
    torch.manual_seed(0)
    model, (x, y, _, _) = DigitsCNN(batch_norm=True).train(), digits_tensors()
    model.conv1.bias.requires_grad_(False)
    optimizer = make(model.parameters())
    after = cool(optimizer)
    for epoch in range(EPOCHS):
        for batch, labels in zip(x.split(32)[:BATCHES], y.split(32), strict=False):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(batch), labels).backward()
            optimizer.step()
        after(epoch)
    return model.state_dict()


@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_weights_are_those_of_torch(decay):
    def cosine(optimizer):
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
        return lambda epoch: schedule.step()

    theirs = trained(lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=decay), cosine)
    ours = trained(lambda p: AdamW(p, 0.01, decay), lambda o: lambda epoch: o.set_cosine_lr(epoch + 1, EPOCHS))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_without_decay_it_is_adam():
    def constant(optimizer):
        return lambda epoch: None

    theirs = trained(lambda p: torch.optim.Adam(p, lr=0.01), constant)
    ours = trained(lambda p: AdamW(p, 0.01), constant)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_parameter_without_a_gradient_stays():
    w, unused = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    optimizer = AdamW([w, unused], 0.1)
    w.sum().backward()
    optimizer.step()
    assert unused.tolist() == [1, 1] and w.tolist() != [1, 1]


def test_training_does_not_load_the_compiler():
    program = """
import sys
from qviz.pytorch.digits_model import digits_cnn, train
train(digits_cnn(), epochs=1, lr=1e-3, seed=0)
print("torch._dynamo" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
