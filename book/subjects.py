"""Sphinx extension: the search finds a chapter first by its own subject.

A chapter's subjects are entries of the index. The search of Sphinx ranks a page with an entry that
equals the words asked for before all pages in whose text these words stand.
"""

from typing import Any

from sphinx import addnodes
from sphinx.transforms import SphinxTransform

CHAPTERS = "book/executed/"

SUBJECTS = {
    "why_one_bit": ("one bit", "memory saved", "binary network"),
    "what_we_learned": ("findings", "summary", "conclusions"),
    "binary_layers": ("binary layer", "latent weight", "surrogate", "straight-through estimator"),
    "two_views": ("latent SGD", "filter", "equivalence", "torch SGD"),
    "optimizers": ("optimizer", "optimizers", "SGD", "RMSProp", "AdaGrad"),
    "sgd": ("momentum", "batch size", "effective rate"),
    "adam_betas": ("beta1", "beta2", "betas", "moments"),
    "clipping": ("clipping", "gradient clipping", "weight clipping", "clamp"),
    "batch_norm": ("batch norm", "batch normalization", "moving average", "running statistics"),
    "pooling_order": ("pooling", "max pooling", "order of layers"),
    "lr_scaling": ("learning rate scaling", "scaled rates", "Glorot"),
    "pretraining": ("pre-training", "pretraining"),
    "two_stage": ("early stopping", "two stages"),
    "recipe": ("recipe", "recommendations"),
    "filters": ("filters", "noise gain", "impulse response", "group delay", "poles"),
    "lr_vs_init": ("initialization", "initialisation", "start", "initial magnitude"),
    "lr_sensitivity": ("learning rate", "scaling", "sensitivity"),
    "alpha": ("alpha", "outer average", "bias correction"),
    "alpha_decay": ("alpha decay", "cosine", "decay", "schedule"),
    "equivalence": ("two trainings", "rounding", "closed loop"),
    "cifar10": ("CIFAR-10", "BiRealNet", "IR-Net"),
    "search": ("hyperparameter search", "search", "Bayesian optimisation", "random search"),
    "imagenet": ("ImageNet", "ReActNet", "distillation"),
    "one_knob": ("hyperparameters", "weight decay", "convert", "converter"),
    "adam_as_filter": ("Adam", "second moments", "AdamW", "factorial"),
    "flip_rates": ("forecast of flips", "autocorrelation", "spectrum"),
    "contested": ("averaging", "oscillations", "gradient estimators", "language models"),
    "bop": ("Bop", "threshold", "hysteresis"),
    "designed_filters": ("Butterworth", "Bessel", "window", "gain margin", "phase"),
    "collapse": ("memories", "data collapse", "length of a run"),
    "ladder": ("scale", "ladder", "forecast", "extrapolation"),
    "silent_weights": ("silent weights", "flips", "OvSW", "dead weights"),
    "flip_budget": ("flip budget", "controller", "transition rate", "feedback"),
    "going_further": ("shifts", "improvements", "best of many"),
    "guide": ("what to choose", "guide", "recommendation"),
    "own_network": ("own network", "ONNX", "export", "ResNet-18", "convert a network"),
    "scoreboard": ("scoreboard", "claims", "verdicts"),
    "how_it_was_run": ("devices", "versions", "reproducibility"),
    "cost": ("cost", "hours"),
}
"""By chapter what a reader would ask for to find it."""


class Subjects(SphinxTransform):
    """Puts the index entries of a chapter at its top, before Sphinx collects them."""

    default_priority = 200

    def apply(self, **options: Any) -> None:
        words = SUBJECTS.get(self.env.docname.removeprefix(CHAPTERS), ())
        if words and self.env.docname.startswith(CHAPTERS):
            entries = [("single", word, "", "main", None) for word in words]
            self.document.insert(0, addnodes.index(entries=entries))


def on_read(app: Any, env: Any) -> None:
    """env-updated: pages that have not changed keep their subjects.

    Where Sphinx writes only what changed, it forgets index entries of all other pages for its search.
    """
    for name, words in SUBJECTS.items():
        if (page := f"{CHAPTERS}{name}") in env.all_docs:
            env._search_index_index_entries.setdefault(page, [(word, "", "main") for word in words])


def setup(app: Any) -> dict[str, Any]:
    app.add_transform(Subjects)
    app.connect("env-updated", on_read)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
