"""Verdicts worked out anew from the files, with numpy and scipy alone; the package is held to them.

Nothing here calls the package's statistics. It takes from the package what a claim declares, which
tuned values judge an arm, and the figures of requirements that stand at no path of a result.
"""

import base64
import json
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from bnnstudy.evidence import requirements
from bnnstudy.experiments import lookup
from bnnstudy.studies import history

HISTORY = [json.loads(line) for line in history.FILE.read_text().splitlines()]
KNOWN = {entry["claim"]: entry.get("known", 0) for entry in HISTORY}
ANEW = {entry["claim"]: entry.get("anew", []) for entry in HISTORY}


def at(result, contrast, metric: str = "") -> float:
    for part in (metric or contrast.metric).split("."):
        result = result[int(part)] if isinstance(result, list) else result[part]
    return math.log10(max(result, 1e-6)) if getattr(contrast, "log", False) else result


def difference(runs, side, seed, contrast, metric: str = "") -> float:
    if not side:
        return 0.0
    if isinstance(side, str):
        return at(runs[side][seed], contrast, metric)
    return at(runs[side[0]][seed], contrast) - at(runs[side[1]][seed], contrast)


def speed(runs, seed, contrast) -> int:
    curves = [at(runs[side][seed], contrast) for side in (contrast.arm, contrast.control)]
    ends = [curve[-1] for curve in curves]
    if contrast.level != "own":
        ends = [ends[1] if contrast.level == "control" else min(ends)] * 2
    reached = []
    for end, curve in zip(ends, curves, strict=True):
        there = [k for k, v in enumerate(curve, start=1) if v >= end - contrast.below]
        reached.append((there or [len(curve) + 1])[0])
    return reached[0] - reached[1]


def effect(runs, seed, contrast) -> float:
    """A contrast's effect for one seed, worked out anew."""
    if contrast.kind == "speed":
        return speed(runs, seed, contrast)
    if contrast.kind == "trend":
        heights = [at(runs[arm][seed], contrast) for arm, _ in contrast.arms]
        return contrast.scale * np.polyfit([x for _, x in contrast.arms], heights, 1)[0]
    if contrast.kind == "factorial effect":
        sides = [[at(runs[a][seed], contrast) for a in side] for side in (contrast.high, contrast.low)]
        return contrast.scale * (np.mean(sides[0]) - np.mean(sides[1]))
    arm = difference(runs, contrast.arm, seed, contrast)
    control = difference(runs, contrast.control, seed, contrast, contrast.control_metric)
    return contrast.scale * (arm - control)


TEST_IMAGES = {"digits": 400, "mnist": 10_000, "cifar10": 10_000, "fsdd": 300}


@dataclass(frozen=True, eq=False)
class Rates:
    """One arm's results by tuned value and seed, and the validation accuracies that choose for it."""

    results: dict[float | None, dict[int, dict]]
    chooser: str
    choosing: dict[float | None, dict[int, float]]


def from_files(results: Path, study, preset: str, task: str) -> dict[str, Rates]:
    """By arm (or "arm, part") what the files hold, at the values that judge.

    The package says which these are (`tests/test_rates.py` has that), and which file is whose: two arms
    that came to one configuration share a file. All numbers are read from the files.
    """
    files = {}
    for file in (results / study.name / preset).glob("*-s*.json"):
        record = json.loads(file.read_text())
        files[record["digest"]] = {**record["result"], "config": record["config"]}
    found = {}
    for curve in lookup.curves(study, preset, results).get((preset, task), {}).values():
        chooser = curve.leader or curve
        whole, choosing = (
            {
                value: {seed: files[run["digest"]] for seed, run in one.runs[value].items()}
                for value in chooser.near
            }
            for one in (curve, chooser)
        )
        accuracies = {
            value: {seed: run.get("validation_accuracy", 0.0) for seed, run in runs.items()}
            for value, runs in choosing.items()
        }
        parts = {
            name for runs in whole.values() for run in runs.values() for name in run.get("parts", {})
        }
        found[curve.arm] = Rates(whole, chooser.arm, accuracies)
        for part in parts:
            of_part = {
                value: {
                    seed: {**run["parts"][part], "config": run["config"]}
                    for seed, run in runs.items()
                    if part in run.get("parts", {})
                }
                for value, runs in whole.items()
            }
            found[f"{curve.arm}, {part}"] = Rates(of_part, chooser.arm, accuracies)
    return found


def seeds_of(arms: dict[str, Rates], contrast) -> set[int]:
    """The seeds that all compared arms have at every value that judges them."""
    runs = [by_seed for name in contrast.named() for by_seed in arms[name].results.values()]
    return set.intersection(*map(set, runs))


def best_without(choosing: dict, seeds: list[int], out: int) -> float | None:
    """The value that is best over some seeds (with repetitions) but one; over all if that is all."""
    others = [seed for seed in seeds if seed != out] or [out]
    return max(
        choosing, key=lambda value: (round(sum(choosing[value][s] for s in others), 9), -(value or 0.0))
    )


def judged(arms: dict[str, Rates], contrast, seeds: list[int]) -> dict[str, dict[int, dict]]:
    """Of each compared arm the result of each seed, at the value that is best over the other seeds."""
    return {
        name: {s: arm.results[best_without(arm.choosing, seeds, s)][s] for s in seeds}
        for name, arm in arms.items()
        if name in contrast.named()
    }


def interval_of(contrast, arms, seeds, task: str, level: float = 0.95) -> tuple[float, float, float]:
    """Effect and interval, worked out anew."""
    if contrast.kind in ("every", "spread"):
        return extreme(contrast, arms, seeds, task)
    mean, error, freedom = estimate_of(contrast, arms, seeds, task)
    half = stats.t.ppf((1 + level) / 2, freedom) * error
    return mean, mean - half, mean + half


def estimate_of(contrast, arms, seeds, task: str) -> tuple[float, float, float]:
    """Effect, standard error and degrees of freedom of one difference, trend or speed."""
    runs = judged(arms, contrast, seeds)
    values = [effect(runs, seed, contrast) for seed in seeds]
    seeds_part, images_part = np.var(values, ddof=1) / len(values), images(runs, seeds, task, contrast)
    seeds_part = max(seeds_part, chosen_anew(contrast, arms, seeds))
    error = (seeds_part + images_part) ** 0.5
    # Satterthwaite: what is known of thousands of images is as good as exact.
    freedom = (len(values) - 1) * (error**2 / seeds_part) ** 2 if seeds_part else len(values) - 1
    return np.mean(values), error, freedom


def p_of(contrast, arms, seeds, task: str, holds: bool | None) -> float:
    """The p-value of a verdict: how rare an effect so far beyond its margin is if it lies on it."""
    if holds is None:
        return 1.0
    if contrast.kind not in ("every", "spread"):
        return p_of_one(contrast, arms, seeds, task)
    parts = {part: estimate_of(part, arms, seeds, task)[0] for part in contrast.differences()}
    p = {part: p_of_one(part, arms, seeds, task) for part in parts}
    if holds == (contrast.kind == "every" or contrast.direction < 0):
        # Each part has to show it; one that is the same training in both arms has nothing to show.
        apart = [value for part, value in p.items() if has_spread(part, arms, seeds, task)]
        return max(apart or p.values())
    up = contrast.direction if holds else -contrast.direction
    shown = [p[part] for part, mean in parts.items() if up * (mean - edge_of(contrast)) > 0]
    return min(1.0, len(parts) * min(shown))


def p_of_one(contrast, arms, seeds, task: str) -> float:
    mean, error, freedom = estimate_of(contrast, arms, seeds, task)
    if not has_spread(contrast, arms, seeds, task):
        return 1.0
    return 2 * stats.t.sf(distance(contrast, mean) / error, freedom)


def has_spread(contrast, arms, seeds, task: str) -> bool:
    mean, error, _ = estimate_of(contrast, arms, seeds, task)
    return error > 1e-9 * max(abs(mean), distance(contrast, mean))


def distance(contrast, mean: float) -> float:
    """From the nearest value at which a verdict turns."""
    if contrast.kind == "equivalence":
        return min(abs(mean - contrast.margin), abs(mean + contrast.margin))
    return abs(mean - edge_of(contrast))


def edge_of(contrast) -> float:
    return contrast.direction * contrast.margin


def chosen_anew(contrast, arms, seeds: list[int]) -> float:
    """The variance of the effect over 1,000 resamples of the seeds; in each every arm chooses again."""
    names, n = contrast.named(), len(seeds)
    if all(len(arms[name].results) == 1 for name in names):
        return 0.0
    generator, means, known = np.random.default_rng(0), [], {}
    for places in generator.integers(n, size=(1000, n)):
        drawn = [seeds[place] for place in places]
        effects = []
        for seed in drawn:
            values = tuple(best_without(arms[name].choosing, drawn, seed) for name in names)
            if (values, seed) not in known:
                picked = zip(names, values, strict=True)
                runs = {name: {seed: arms[name].results[value][seed]} for name, value in picked}
                known[values, seed] = effect(runs, seed, contrast)
            effects.append(known[values, seed])
        means.append(np.mean(effects))
    return np.var(means, ddof=1) * n / (n - 1)


def extreme(contrast, arms, seeds, task: str) -> tuple[float, float, float]:
    """Of a claim on several differences: the least of the claimed sign, or the largest of all."""
    parts = contrast.differences()
    usual = [interval_of(part, arms, seeds, task) for part in parts]
    strict = [interval_of(part, arms, seeds, task, 1 - 0.05 / len(parts)) for part in parts]
    means, lows, highs = zip(*usual, strict=True)
    if contrast.kind == "spread" or contrast.direction < 0:
        return max(means), max(low for _, low, _ in strict), max(highs)
    return min(means), min(lows), min(high for _, _, high in strict)


def images(runs, seeds, task: str, contrast) -> float:
    """The variance of an effect over other test images, worked out anew."""
    if contrast.kind not in ("difference", "equivalence", "trend", "factorial effect") or contrast.log:
        return 0.0
    weights = weights_of(contrast)
    metrics = dict.fromkeys(weights, contrast.metric)
    if getattr(contrast, "control_metric", ""):
        metrics[contrast.control] = contrast.control_metric
    if any(metric.split(".")[-1] != "test_accuracy" for metric in metrics.values()):
        return 0.0
    kept = {
        arm: [runs[arm][seed].get("right", {}).get(metrics[arm]) for seed in seeds] for arm in weights
    }
    count = TEST_IMAGES[task.split()[0]]
    if all(text for texts in kept.values() for text in texts):
        every = sum(
            weight * np.mean([unpacked(text, count) for text in kept[arm]], axis=0)
            for arm, weight in weights.items()
        )
        return contrast.scale**2 * np.var(every, ddof=1) / count
    whole = 0.0
    for arm, weight in weights.items():
        p = np.mean([at(runs[arm][seed], contrast, metrics[arm]) for seed in seeds])
        whole += weight**2 * p * (1 - p) / count
    return contrast.scale**2 * whole


def unpacked(text: str, count: int) -> np.ndarray:
    packed = zlib.decompress(base64.b85decode(text))
    return np.unpackbits(np.frombuffer(packed, np.uint8))[:count]


def weights_of(contrast) -> dict[str, float]:
    if contrast.kind == "trend":
        x = np.array([position for _, position in contrast.arms])
        slopes = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
        return {arm: slope for (arm, _), slope in zip(contrast.arms, slopes, strict=True)}
    if contrast.kind == "factorial effect":
        sides = ((contrast.high, 1.0), (contrast.low, -1.0))
        return {arm: sign / len(side) for side, sign in sides for arm in side}
    weights: dict[str, float] = {}
    for side, sign in ((contrast.arm, 1.0), (contrast.control, -1.0)):
        names = (side,) if isinstance(side, str) else side or ()
        for name, part in zip(names, (1.0, -1.0), strict=False):
            weights[name] = weights.get(name, 0.0) + sign * part
    return weights


def one_training(runs, seeds, contrast) -> bool:
    first, *others = contrast.named()
    if not others or not all("train_loss" in runs[n][s].get("curves", {}) for n in runs for s in seeds):
        return False  # parts have no course of their own, and a search has many
    own = getattr(contrast, "control_metric", "")  # a control may be measured elsewhere
    return all(
        runs[first][seed]["curves"]["train_loss"] == runs[other][seed]["curves"]["train_loss"]
        and at(runs[first][seed], contrast) == at(runs[other][seed], contrast, own)
        for other in others
        for seed in seeds
    )


def never_there(runs, seeds, contrast) -> bool:
    """Whether a curve comes to its level in fewer than half of the seeds."""
    if contrast.kind != "speed":
        return False
    ends = {side: [] for side in (contrast.arm, contrast.control)}
    for seed in seeds:
        curves = {side: at(runs[side][seed], contrast) for side in ends}
        last = {side: curve[-1] for side, curve in curves.items()}
        own = {"own": last, "lower": dict.fromkeys(last, min(last.values())),
               "control": dict.fromkeys(last, last[contrast.control])}[contrast.level]  # fmt: skip
        for side, curve in curves.items():
            ends[side].append(max(curve) < own[side] - contrast.below)
    return any(2 * sum(missed) > len(missed) for missed in ends.values())


def unmet(arms, seeds, requires) -> bool:
    """Whether something that has to act did not, in half of the seeds or more."""
    for need in requires:
        held = measured = 0
        arm = arms.get(need.arm)
        there = [s for s in seeds if arm and all(s in by_seed for by_seed in arm.results.values())]
        for seed in there:
            run = arm.results[best_without(arm.choosing, there, seed)][seed]
            value = figure_of(run, need.figure) if run else None
            if value is not None:
                measured += 1
                low = -math.inf if need.at_least is None else need.at_least
                held += low <= value <= (math.inf if need.at_most is None else need.at_most)
        if 2 * held <= measured:
            return True
    return False


def figure_of(run, name: str) -> float | None:
    if name.startswith("@"):  # tests/test_requirements.py has these by hand
        return requirements.figure(name, {"config": run["config"], "result": run})
    for part in name.split("."):
        run = run[int(part)] if isinstance(run, list) else run[part]
    return max(run) if isinstance(run, list) else run


def expected_verdict(claim, low, high) -> str:
    contrast = claim.contrast
    good, bad = exact_word(claim, 0), exact_word(claim, 1)
    if contrast.kind == "equivalence":
        yes = max(abs(low), abs(high)) <= contrast.margin
        no = min(abs(low), abs(high)) > contrast.margin and low * high > 0
    else:
        ends = sorted((contrast.direction * low, contrast.direction * high))
        yes, no = ends[0] > contrast.margin, ends[1] < contrast.margin
        # Arms that are equal in every seed are no test of a difference.
        no = no and not (low == high == 0 and contrast.margin >= 0)
    return good if yes else bad if no else "inconclusive"


def exact_word(claim, counterexamples: int) -> str:
    good, bad = ("supported", "refuted") if claim.paper == "ours" else ("reproduced", "not reproduced")
    return bad if counterexamples else good


def counted(contrast, arms: dict[str, Rates]) -> dict[str, int]:
    """Counterexamples and comparisons of an exact claim, over all its runs."""
    (runs,) = arms[contrast.arm].results.values()
    found = [at(run, contrast) for run in runs.values()]
    return {name: sum(counts[name] for counts in found) for name in ("differing", "compared")}


def judging_seeds(claim, arms: dict[str, Rates], preset: str, task: str) -> list[int]:
    """The seeds that judge: none that chose, and none that was known if there are three others."""
    there = seeds_of(arms, claim.contrast)
    chose, spent = claim.contrast.spent
    there = {seed for seed in there if seed >= (spent if chose == preset else 0)}
    if preset == "desk" and KNOWN[claim.id] and task not in ANEW[claim.id]:
        later = {seed for seed in there if seed >= KNOWN[claim.id]}
        there = later if len(later) >= 3 else there
    return sorted(there)


def verdict_of(
    claim, arms: dict[str, Rates], preset: str, task: str
) -> tuple[str, float, float, float, float]:
    """Word, effect, interval and p of a claim that is estimated, and has no seed without a value."""
    contrast, seeds = claim.contrast, judging_seeds(claim, arms, preset, task)
    mean, low, high = interval_of(contrast, arms, seeds, task)
    runs = judged(arms, contrast, seeds)
    idle = one_training(runs, seeds, contrast) or never_there(runs, seeds, contrast)
    word = expected_verdict(claim, low, high)
    p = p_of(contrast, arms, seeds, task, STATES[word])
    tested = not idle and not unmet(arms, seeds, claim.requires)
    return (word if tested else "not tested"), mean, low, high, p


STATES = {
    "reproduced": True, "supported": True, "not reproduced": False, "refuted": False,
    "inconclusive": None,
}  # fmt: skip


def answer_of(words: list[str], p_values: list[float | None]) -> tuple[str, float | None]:
    """What verdicts on one claim come to, and the p that Holm's correction counts it with."""
    tested = [STATES[word] for word in words if word in STATES]
    known = [p for word, p in zip(words, p_values, strict=True) if word in STATES and p is not None]
    if not tested:
        return ("not tested" if "not tested" in words else "not run"), None
    answer = {
        frozenset({True}): "holds",
        frozenset({True, None}): "holds in some",
        frozenset({False}): "fails",
        frozenset({False, None}): "fails in some",
        frozenset({None}): "open",
    }.get(frozenset(tested), "mixed")
    if not known:
        return answer, None
    if answer == "open":
        return answer, 1.0
    return answer, max(known) if answer in ("holds", "fails") else min(1.0, len(known) * min(known))


def standing(p_values: dict[str, float], level: float = 0.05) -> set[str]:
    """What Holm's correction leaves, by adjusted p-values."""
    names = sorted(p_values, key=p_values.__getitem__)
    factors = len(names) - np.arange(len(names))
    adjusted = np.maximum.accumulate([p_values[name] for name in names] * factors)
    return {name for name, p in zip(names, adjusted, strict=True) if p <= level}
