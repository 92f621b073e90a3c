"""How sensitive is training to alpha? Paper B, Figure 5 and the text with Eq 9-13."""

from collections.abc import Iterable
from dataclasses import replace

from bnnstudy.config.run import RunConfig
from bnnstudy.evidence.claims import Claim, Contrast, exact
from bnnstudy.experiments.study import Arm, Study, named
from bnnstudy.studies._paper_b import CURVES, claim, networks, ours

ALPHAS = ("1e-6", "1e-5", "1e-4", "1e-3", "1e-2", "1e-1")

SHORTER = {"quick": 4, "desk": 5, "paper": 4}
"""How much shorter the short runs are; what alpha can do depends on alpha times the steps."""


def _flips(id: str, paper: str, text: str, suffix: str) -> Claim:
    arms = tuple((f"1e-{k}{suffix}", -float(k)) for k in (4, 3, 2, 1))
    contrast = Contrast(
        kind="trend", metric="flips.late", arms=arms, log=True, scale=1.0,
        unit="decades of flip ratio a decade of alpha",
    )  # fmt: skip
    value = CURVES if paper == "B" else None
    return Claim(id=id, paper=paper, source="Figure 5", text=text, paper_value=value, contrast=contrast)


CLAIMS = (
    _flips("alpha-flips", "B", "The larger alpha, the more flips.", ""),
    _flips(
        "alpha-flips-constant",
        "ours",
        "Without decay too, the larger alpha, the more flips.",
        ", constant",
    ),
    claim(
        "alpha-large",
        "Figure 5",
        "Too large an alpha flips too much to converge.",
        "1e-3",
        "1e-1",
        margin=1.0,
    ),
    ours(
        "alpha-large-decay",
        "audit of Figure 5",
        "Alpha's decay hides most of what too large an alpha costs.",
        ("1e-3, constant", "1e-1, constant"),
        ("1e-3", "1e-1"),
        margin=1.0,
    ),
    claim(
        "alpha-small",
        "Figure 5",
        "Too small an alpha converges too fast, to a worse result.",
        "1e-3",
        "1e-6",
        margin=0.3,
    ),
    ours(
        "alpha-small-constant",
        "audit of Figure 5",
        "Without decay a small alpha is no worse.",
        "1e-6, constant",
        "1e-3, constant",
        margin=-0.3,
    ),
    ours(
        "alpha-steps",
        "audit of Figure 5",
        "What alpha is best depends on how long one trains: in a shorter run a larger one does better "
        "by comparison.",
        ("1e-2, short", "1e-4, short"),
        ("1e-2", "1e-4"),
        margin=0.3,
    ),
    claim(
        "alpha-tiny",
        "text with Eq 9-13",
        "alpha cannot be 0; 1e-20 behaves like any alpha that is small enough.",
        "1e-20",
        "1e-10",
        "same behaviour, no number given",
        kind="equivalence",
        margin=0.2,
    ),
    exact(
        "alpha-tiny-exact",
        "ours",
        "audit of Eq 9-13",
        "Where alpha is small enough, half of it or less is the same training: 2^-33 and 2^-66.",
        "2^-33",
    ),
    claim(
        "alpha-bias",
        "text with Eq 9-13",
        "Correcting the averages for their bias at the start hurts.",
        "1e-3, bias corrected",
        "1e-3",
        "no number given",
        direction=-1,
        margin=0.1,
    ),
)


NETWORKS = networks(400)
NETWORKS["desk"] = replace(NETWORKS["desk"], width=64, epochs=50)
"""The steps matter here: 5,000 of them, for which the network is smaller."""


def _arms(long: RunConfig) -> Iterable[Arm]:
    short = replace(long, epochs=long.epochs // SHORTER[long.preset])
    for alpha in ALPHAS:
        cosine = replace(long, alpha=float(alpha))
        constant = replace(cosine, weight_schedule="constant")
        for name, config in (
            (alpha, cosine),
            (f"{alpha}, constant", constant),
            (f"{alpha}, short", replace(short, alpha=float(alpha))),
        ):
            yield Arm(name=name, config=config, callbacks=(named("FlipsByEpoch"),))
    corrected = replace(long, alpha=1e-3, optimizer="filter_corrected")
    yield Arm(name="1e-3, bias corrected", config=corrected, callbacks=(named("FlipsByEpoch"),))
    halves = replace(long, alpha=2.0**-33)
    same = named("paired.sign_by_sign", changes={"alpha": 2.0**-66})
    yield Arm(name="2^-33", config=halves, procedure=same)
    for alpha in ("1e-10", "1e-20"):
        yield Arm(
            name=alpha, config=replace(long, alpha=float(alpha)), callbacks=(named("FlipsByEpoch"),)
        )


STUDY = Study(
    name="alpha",
    title="The outer average",
    claims=CLAIMS,
    arms={preset: tuple(_arms(network)) for preset, network in NETWORKS.items()},
    seeds={"quick": 3, "desk": 5, "paper": 3},
)
