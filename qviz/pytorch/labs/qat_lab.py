"""Trainings with quantization in them, by their settings: what is known at once, and what an epoch each adds to it.

What leaves here are arrays and numbers, so that pictures and widgets need no torch. No network is kept.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .. import digits_model, engines
from ..conversion import convert
from ..layer_comparison import agreement
from ..ptq import SIMULATED
from ..qat import QATConfig, QATRun, train_qat_by_epoch
from ..reproducible import ReproducibleSums

KEPT = 128  # results, of about 1 kB each; there are 98 settings of bits and granularity to be observed


@dataclass(frozen=True, eq=False)
class QATResult:
    """What is known of a training with n epochs done so far.

    Attributes
    ----------
    config : QATConfig
    losses : (n,) float64: the mean of each epoch, from number 1
    accuracies : (n + 1,) float64: of the fake-quantized network on the test images, 0 to 1. Number 0 is before
        training: post-training quantization at the same bits
    crossings : (n,) int64: weights that have another code than an epoch before
    weights : int: how many there are
    float_accuracy : float
    converted_accuracy : float: of the integer network, simulated where there is no engine; NaN until it is complete
    agreement : float: share of test images that both name the same; NaN likewise
    engine : str: whose kernel ran, or "simulated"; "stored" where it was done beforehand; "" until it is complete
    complete : bool: whether all epochs are done
    """

    config: QATConfig
    losses: np.ndarray
    accuracies: np.ndarray
    crossings: np.ndarray
    weights: int
    float_accuracy: float
    converted_accuracy: float = float("nan")
    agreement: float = float("nan")
    engine: str = ""
    complete: bool = False

    @property
    def done(self) -> int:
        """How many epochs are done."""
        return len(self.losses)


class QATLab:
    """Train the network of the course at any settings, and remember the last trainings.

    Called with the fields of a QATConfig it says what is known, and trains nothing: a training that is done or was
    stopped, else the network as it is before the first epoch.

    Parameters
    ----------
    known : iterable of QATResult
        Trainings done before, such as `stored_trainings()`: they are returned as if they had been done here.

    Examples
    --------
    >>> lab = QATLab()
    >>> result = lab(weight_bits=2, activation_bits=4, epochs=1)
    >>> result.done, result.complete
    (0, False)
    >>> lab.train(weight_bits=2, activation_bits=4, epochs=1).complete
    True
    >>> result = lab(weight_bits=2, activation_bits=4, epochs=1)
    >>> result.done, bool(result.accuracies[1] > result.accuracies[0])
    (1, True)
    """

    def __init__(self, known: Iterable[QATResult] = ()):
        self._known: OrderedDict[QATConfig, QATResult] = OrderedDict((result.config, result) for result in known)

    def __call__(self, **settings) -> QATResult:
        """Return what is known of a training; at new settings observe the network, which takes 0.05 s."""
        config = QATConfig(**settings)
        if config in self._known:
            self._known.move_to_end(config)
            return self._known[config]
        untrained = replace(config, epochs=0, lr=QATConfig.lr, seed=QATConfig.seed)
        if untrained not in self._known:
            for _ in self._epochs(untrained):
                pass
        known = self._known[untrained]
        if config.epochs:
            return replace(known, config=config, converted_accuracy=np.nan, agreement=np.nan, engine="", complete=False)
        return replace(known, config=config)

    def train(self, **settings) -> QATResult:
        """Train to the end, and return the result.

        Parameters, Raises : as for a call
        """
        for _ in self.epochs(**settings):
            pass
        return self(**settings)

    def epochs(self, **settings) -> Iterator[QATResult]:
        """Train from the start, one epoch each time the next result is asked for; what is done is remembered.

        Parameters, Raises : as for a call

        Yields
        ------
        QATResult
            From number 0 on. The last one holds the converted network's accuracy, too.
        """
        return self._epochs(QATConfig(**settings))

    def _epochs(self, config: QATConfig) -> Iterator[QATResult]:
        with closing(train_qat_by_epoch(digits_model.digits_cnn(), config)) as steps:
            for run in steps:
                result = self._result(run)
                if result.done < config.epochs:
                    yield self._keep(result)
        yield self._keep(self._converted(result, run))

    def _keep(self, result: QATResult) -> QATResult:
        self._known[result.config] = result
        self._known.move_to_end(result.config)
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        return result

    def _result(self, run: QATRun) -> QATResult:
        return QATResult(
            config=run.config,
            losses=np.array([epoch.loss for epoch in run.history[1:]]),
            accuracies=np.array([epoch.accuracy for epoch in run.history]),
            crossings=np.array(run.crossings(), np.int64),
            weights=sum(layer.codes.size for layer in run.snapshots[0].values()),
            float_accuracy=self._float_accuracy,
        )

    def _converted(self, result: QATResult, run: QATRun) -> QATResult:
        """Run the network in integers."""
        _, _, images, labels = digits_model.digits_tensors()
        converted = convert(run.model)
        engine = nullcontext() if converted.engine == SIMULATED else engines.using(converted.engine)
        with engines.threads(1), engine, ReproducibleSums():
            accuracy = digits_model.accuracy(converted, images, labels)
            same = agreement(run.model, converted, images).predictions
        return replace(result, converted_accuracy=accuracy, agreement=same, engine=converted.engine, complete=True)

    @cached_property
    def _float_accuracy(self) -> float:
        return digits_model.accuracy(digits_model.digits_cnn(), *digits_model.digits_tensors()[2:])
