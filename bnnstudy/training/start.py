"""What a network has before its first step: weights as they are drawn, and their first gradients."""

from torch import Tensor

from bnnstudy.config import checks
from bnnstudy.config.run import RunConfig
from bnnstudy.data import Dataset
from bnnstudy.nn import models
from bnnstudy.nn.parameters import observed_weights
from bnnstudy.training.step import Loss


def first_gradients(
    config: RunConfig, dataset: Dataset, images: int = 500
) -> dict[str, tuple[Tensor, Tensor]]:
    """The binary weights of a network as it is drawn, each with its gradient; by name.

    The gradient is that of the configuration's loss over the first so many training images, as one
    batch. No optimizer has a part in it: it is there to predict what a first step does.

        >>> from bnnstudy import data
        >>> found = first_gradients(RunConfig(width=16, depth=1), data.load("digits"))
        >>> {name: tuple(gradient.shape) for name, (weights, gradient) in found.items()}
        {'1.weight': (16, 64), '4.weight': (10, 16)}

    Args:
        images: how many; all where there are fewer.

    Returns:
        By name (weights, gradient), both of the weights' shape.

    Raises:
        ValueError: if `images` is not 1 or more, or another argument none of its kind.
    """
    images = checks.COUNT.checked("images", images)
    checks.instance("config", config, RunConfig)
    checks.instance("dataset", dataset, Dataset)
    model = models.build(config, dataset.shape, dataset.classes).to(dataset.train.images.device)
    dtype = next(model.parameters()).dtype
    inputs = dataset.inputs(dataset.train.images[:images], dtype)
    Loss(config, model)(inputs, dataset.train.labels[:images]).backward()
    found = observed_weights(model).items()
    return {name: (w.detach(), w.grad) for name, w in found if w.grad is not None}
