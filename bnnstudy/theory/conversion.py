"""From a recipe of SGD to the filter that it is: (lr, weight decay, momentum) to (alpha, gamma)."""

from dataclasses import dataclass

from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.config.run import RunConfig
from bnnstudy.theory import filters


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Numbers for `torch.optim.SGD` (no dampening), and for how many steps.

        >>> recipe = Recipe(lr=0.1, weight_decay=1e-4, steps=78_000)
        >>> recipe.momentum, round(conversion_of(recipe).gamma, 4)
        (0.9, 0.0999)

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """

    lr: float
    weight_decay: float
    momentum: float = 0.9
    steps: int | None = None
    name: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        checks.settle(self, {"lr": checks.POSITIVE, "weight_decay": checks.NOT_NEGATIVE})
        checks.settle(self, {"momentum": checks.MOMENTUM, "steps": checks.COUNT}, or_none=("steps",))
        checks.settle(self, {"name": checks.NAME, "source": checks.NAME})


RECIPES = (
    Recipe(
        name="ResNet on ImageNet", lr=0.1, weight_decay=1e-4, steps=450_000, source="common practice"
    ),
    Recipe(
        name="paper B's baseline", lr=0.1, weight_decay=1e-4, steps=78_000, source="paper B, Table 2"
    ),
    Recipe(name="IR-Net", lr=0.1, weight_decay=1e-4, steps=156_000, source="Qin et al. 2020"),
    Recipe(
        name="ResNet on CIFAR-10", lr=0.1, weight_decay=5e-4, steps=78_000, source="common practice"
    ),
    Recipe(name="Bi-Real Net", lr=0.01, weight_decay=0.0, source="Liu et al. 2018"),
    Recipe(name="no momentum", lr=0.1, weight_decay=1e-4, momentum=0.0, source="for comparison"),
    Recipe(name="strong decay", lr=0.1, weight_decay=5e-2, source="for comparison"),
)
"""Recipes in common use for binary networks and others; the last two are there for comparison."""


_RATE = checks.Rule(float, "0 or more", lambda value: value >= 0)


@dataclass(frozen=True)
class Conversion:
    """What a recipe is as a filter of gradients.

        >>> for line in convert(lr=0.1, weight_decay=1e-4, steps=78_000).lines()[1:5]:
        ...     print(line)
        at a constant rate and from a zero start:
          alpha 0.0001001, gamma 0.09991
          memory 1/alpha = 9,991 steps, 1/gamma = 10 steps
          alpha x 78,000 steps = 7.807: the start is forgotten

    Attributes:
        recipe: the numbers for SGD.
        alpha, gamma: rates of the cascade that moves every sign as this SGD does, at a constant rate
            and from a zero start, alpha the smaller one; None where none does (poles that are complex,
            or negative).
        literal: the same two if the recipe's numbers are those of paper B's Eq 2-3 (damped momentum,
            decoupled decay): lr * weight_decay and 1 - momentum.
        limit: (1 - sqrt(momentum))^2, the largest lr * weight_decay with real poles.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    recipe: Recipe
    alpha: float | None
    gamma: float | None
    literal: tuple[float, float]
    limit: float

    def __post_init__(self) -> None:
        checks.instance("recipe", self.recipe, Recipe)
        rates = {"alpha": checks.NOT_NEGATIVE, "gamma": checks.POSITIVE}
        checks.settle(self, {**rates, "limit": checks.NOT_NEGATIVE}, or_none=tuple(rates))
        if not isinstance(self.literal, tuple) or len(self.literal) != 2:
            raise ValueError(f"literal must be a pair of rates, got {shown(self.literal)}")
        literal = tuple(_RATE.checked("a rate of literal", rate) for rate in self.literal)
        object.__setattr__(self, "literal", literal)

    @property
    def memories(self) -> float | None:
        """alpha * steps: the run's length in memories of the outer average; None if not known."""
        if self.alpha is None or self.recipe.steps is None:
            return None
        return self.alpha * self.recipe.steps

    def lines(self) -> list[str]:
        """The conversion in words."""
        recipe = self.recipe
        numbers = (
            f"lr {recipe.lr:g}, weight decay {recipe.weight_decay:g}, momentum {recipe.momentum:g}"
        )
        lines = [f"torch's SGD with {numbers},", "at a constant rate and from a zero start:"]
        lines += [f"  {line}" for line in self._filter()]
        alpha, gamma = self.literal
        lines += ["the same numbers in paper B's Eq 2-3 (damped momentum, decoupled decay):"]
        lines += [f"  alpha {alpha:.4g}, gamma {gamma:.4g}"]
        return lines

    def _filter(self) -> list[str]:
        if self.alpha is None or self.gamma is None:
            product = self.recipe.lr * self.recipe.weight_decay
            root = self.recipe.momentum**0.5
            poles = "the poles are complex, the state rings"
            if product > 2 * (1 + self.recipe.momentum):
                poles = "a pole is below -1, the state grows without end"
            elif product >= (1 + root) ** 2:
                poles = "the poles are negative, the state alternates"
            return [
                f"no cascade of two averages: lr * weight_decay = {product:.4g} is above",
                f"(1 - sqrt(momentum))^2 = {self.limit:.4g}; {poles}",
            ]
        lines = [f"alpha {self.alpha:.4g}, gamma {self.gamma:.4g}"]
        if self.alpha == 0:
            lines += ["no decay: the state is a running sum, which forgets nothing"]
            return lines
        lines += [
            f"memory 1/alpha = {1 / self.alpha:,.0f} steps, 1/gamma = {1 / self.gamma:,.0f} steps"
        ]
        if self.memories is not None:
            lines += [f"alpha x {self.recipe.steps:,} steps = {self.memories:.4g}: {self._regime()}"]
        return lines

    def _regime(self) -> str:
        memories = self.memories or 0.0
        if memories < 0.1:
            return "too short a run for alpha to matter, the state is nearly a running sum"
        if memories < 3:
            return "the run is about as long as the memory"
        return "the start is forgotten"


def convert(
    lr: float, weight_decay: float, momentum: float = 0.9, steps: int | None = None
) -> Conversion:
    """What `torch.optim.SGD(lr, momentum, weight_decay)` is as a filter of gradients.

    alpha + gamma = 1 - momentum + lr weight_decay and alpha gamma = lr weight_decay
    (`filters.torch_to_cascade`); without decay alpha is 0 and gamma 1 - momentum. Paper B has
    lr weight_decay for alpha, which holds for its own Eq 2-3 and not for torch's SGD.

        >>> found = convert(lr=0.1, weight_decay=1e-4, momentum=0.9, steps=78_000)
        >>> f"alpha {found.alpha:.3g}, gamma {found.gamma:.3g}, memories {found.memories:.3g}"
        'alpha 0.0001, gamma 0.0999, memories 7.81'
        >>> f"alpha {found.literal[0]:.3g}"  # of the same numbers in paper B's equations
        'alpha 1e-05'

    Args:
        steps: length of the run, to say what alpha can do in it.

    Raises:
        ValueError: naming the argument, its value and what is allowed.

    Source: Quist et al. 2023, Eq 2-9, and their audit in the chapter "Two views of one optimizer".
    """
    recipe = Recipe(lr=lr, weight_decay=weight_decay, momentum=momentum, steps=steps)
    return conversion_of(recipe)


def conversion_of(recipe: Recipe) -> Conversion:
    """`convert` of a recipe's numbers.

        >>> found = conversion_of(RECIPES[-1])
        >>> found.recipe.name, found.alpha  # its poles are complex: no cascade is this filter
        ('strong decay', None)

    Raises:
        ValueError: if it is no `Recipe`.
    """
    checks.instance("recipe", recipe, Recipe)
    product, limit = recipe.lr * recipe.weight_decay, (1 - recipe.momentum**0.5) ** 2
    alpha: float | None
    gamma: float | None
    if product == 0:
        alpha, gamma = 0.0, 1 - recipe.momentum
    elif product <= limit:
        alpha, gamma = filters.torch_to_cascade(recipe.lr, recipe.momentum, recipe.weight_decay)
    else:
        alpha = gamma = None
    return Conversion(recipe, alpha, gamma, (product, 1 - recipe.momentum), limit)


def rates_of(config: RunConfig) -> tuple[float, float]:
    """(alpha, gamma) of the filter that moves a configuration's binary weights, at a constant rate.

        >>> rates_of(RunConfig(optimizer="latent_sgd", lr=0.5, weight_decay=0.25, gamma=0.1))
        (0.125, 0.1)

    Raises:
        ValueError: if its optimizer is no cascade of two averages (Adam, Bop, complex poles), or it is
            none.
    """
    checks.instance("config", config, RunConfig)
    if config.optimizer.startswith("filter"):
        return config.alpha, config.gamma
    if config.optimizer == "latent_sgd":
        return filters.latent_to_filter(config.lr, config.weight_decay)[0], config.gamma
    if config.optimizer in ("sgd", "momentum"):
        momentum = config.momentum if config.optimizer == "momentum" else 0.0
        return filters.torch_to_cascade(config.lr, momentum, config.weight_decay)
    raise ValueError(
        f"optimizer must be a filter, latent_sgd, sgd or momentum, got {shown(config.optimizer)}"
    )
