"""Runs on a folder of images, by one or more processes: an arm of a study, or any network.

They are no part of a sweep: one run takes all processes. Its record is like any other.
"""

import contextlib
import hashlib
import itertools
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn, cast

from bnnstudy import devices, files
from bnnstudy.config import checks
from bnnstudy.config.fields import BINARY_OPTIMIZERS, READS
from bnnstudy.config.run import RunConfig
from bnnstudy.config.stage import Stage
from bnnstudy.data.datasets import FOLDERS, require_resident
from bnnstudy.data.imagenet import ImageFolder
from bnnstudy.evidence import provenance, records
from bnnstudy.evidence.records import Record
from bnnstudy.experiments import markers
from bnnstudy.experiments.markers import Owner
from bnnstudy.experiments.study import Arm
from bnnstudy.training import teacher as teachers
from bnnstudy.training.distributed import Processes
from bnnstudy.training.dry_run import Timing, time_steps
from bnnstudy.training.image_folder import FolderRun, Loading, train
from bnnstudy.training.sharded_checkpoint import ShardedCheckpoint

OWN = "folder"
"""What records of networks on a folder of one's own have as study and data set."""

WIDTHS = {"reactnet_a": 32, "resnet18": 64, "birealnet18": 64, "birealnet20": 16}
"""The published widths; others have that of `RunConfig`."""


@dataclass(frozen=True, kw_only=True)
class FolderJob:
    """One run on a folder of images.

        >>> job = own("resnet18", {"width": 8, "epochs": 3})
        >>> job.study, job.config.model, job.config.optimizer, job.config.epochs
        ('folder', 'resnet18', 'filter', 3)

    Attributes:
        study, arm: whose run it is.
        config: its configuration, with the seed.
        options: what else its record is told by.
        data: where the images are; `size` is the side at which they are read.
        teacher: the file of the teacher's weights, if there is one.
    """

    study: str
    arm: str
    config: RunConfig
    options: Mapping[str, Any] = field(default_factory=dict)
    data: Path = Path()
    size: int = 224
    teacher: Path | None = None


def of_arm(study: str, arm: Arm, seed: int = 0, changes: Mapping[str, Any] | None = None) -> FolderJob:
    """An arm of a study as a job, with a seed.

        >>> from bnnstudy.studies import STUDIES
        >>> arm = STUDIES["imagenet"].arm("paper", "adambnn, two steps")
        >>> [stage.epochs for stage in of_arm("imagenet", arm, changes={"epochs": 5}).config.stages]
        [2, 3]

    Args:
        changes: fields of its configuration that are changed. Its record is then another one, which
            judges no claim. `epochs` are those of all its stages, which keep their shares.

    Raises:
        ValueError: if the changes are no configuration, or stages would have no epoch.
    """
    changes = dict(changes or {})
    if arm.config.stages and "epochs" in changes and "stages" not in changes:
        changes["stages"] = _stages(arm, checks.COUNT.checked("epochs", changes["epochs"]))
    config = replace(arm.config, seed=seed, **changes)
    return FolderJob(study=study, arm=arm.name, config=config, options=arm.options)


def _stages(arm: Arm, epochs: int) -> tuple[Stage, ...]:
    """An arm's stages in so many epochs together."""
    stages, whole = arm.config.stages, arm.config.epochs
    ends = [epochs * sum(s.epochs for s in stages[:k]) // whole for k in range(len(stages) + 1)]
    lengths = [end - begin for begin, end in itertools.pairwise(ends)]
    if min(lengths) < 1:
        raise ValueError(
            f"epochs must leave one or more to each of the {len(stages)} steps of arm {arm.name!r}, "
            f"got {epochs}"
        )
    return tuple(replace(s, epochs=n) for s, n in zip(stages, lengths, strict=True))


def own(model: str, changes: Mapping[str, Any] | None = None) -> FolderJob:
    """Any network of the package on a folder of one's own, as a job: 1W/1A, first and last layer real.

    Trained by the filter at alpha 1e-4, real parameters by Adam at 0.0025, both falling linearly to 0,
    in 10 epochs of batches of 64, to the labels; none of it is tuned. With another `optimizer` than the
    filter's kind the weights are latent, clipped, at `lr` 0.001.

    Args:
        changes: fields of its configuration that are changed.

    Raises:
        ValueError: if they are no configuration.
    """
    fields: dict[str, Any] = {
        "dataset": OWN, "preset": "short", "model": model, "activation": "sign",
        "activation_surrogate": "approx", "real_first": True, "real_last": True,
        "loss": "cross_entropy", "optimizer": "filter", "real_optimizer": "adam", "real_lr": 0.0025,
        "schedule": "linear", "epochs": 10, "batch_size": 64, "batch_norm_eps": 1e-5,
        **({"width": WIDTHS[model]} if model in WIDTHS else {}),
        **dict(changes or {}),
    }  # fmt: skip
    if fields["optimizer"] in BINARY_OPTIMIZERS:
        fields = {
            "view": "filter",
            **({"alpha": 1e-4} if "alpha" in READS[fields["optimizer"]] else {}),
            **fields,
        }
    elif "clamp" not in fields and fields.get("binary_weights", True):
        fields["clamp"] = True
    return FolderJob(study=OWN, arm=model, config=RunConfig(**fields))


def train_job(
    job: FolderJob, group: Processes, loading: Loading, results: str | os.PathLike[str] | None = None
) -> Record:
    """The record of a job: that which is there, or the one that its training leaves.

    The training goes on from its newest checkpoint, in a folder beside the record that all processes
    have to see; it is removed when the record is written. While it lasts the run is marked as this
    job's (`markers`), which `bnnstudy status` shows. A job that finds a marker looks first whether that
    job is still there (`markers.awaited`): so one that is started again on another machine after a kill
    goes on within `markers.SILENT` seconds, and a second one beside a living one is refused.

    Args:
        group: the processes.
        loading: how it is computed.
        results: the folder of records; None is `records.default_results`.

    Raises:
        ValueError, OSError: if the images, the teacher, a checkpoint or the number of processes are not
            as they should be, or another job is at this run; it names what is wrong.
    """
    code = provenance.Code.started()
    folder = ImageFolder(job.data, job.size)
    _require_data(job, folder)
    # By one process: it looks at each file.
    data = str(group.from_first(folder.fingerprint if group.is_first else None))
    options = _options(job, data)
    results = records.default_results() if results is None else results

    def there() -> Record | None:
        found = records.finished(results, job.study, job.config, options)
        return cast(Record | None, group.from_first(found))

    if found := there():
        return found
    file = records.path(results, job.study, job.config, options)
    with _claimed(file, group):
        # Whoever was waited for may have ended it.
        return there() or _trained(job, group, loading, folder, file, code, data)


@contextlib.contextmanager
def _claimed(file: Path, group: Processes) -> Iterator[None]:
    """Marks a run as this job's while it lasts: by the first process, and all of them end if it cannot.

    Raises:
        ValueError: in all processes, if another job is at the run, or its folder cannot be made.
    """
    with contextlib.ExitStack() as stack:
        refusal = ""
        if group.is_first:
            try:
                files.make_folder(file.parent)
            except OSError as error:
                refusal = f"results must be a folder that can be written: {error}"
            else:
                who = _marked(file)
                if who:
                    print(f"waits to see whether {who} is still at this run", flush=True)
                if not stack.enter_context(markers.awaited([file])):
                    refusal = (
                        f"results must have no other job at this run, and {who or _marked(file)} is at "
                        "it: wait for its record or end it, or choose another --results or --seed"
                    )
        if refusal := str(group.from_first(refusal)):
            raise ValueError(refusal)
        yield


def _marked(file: Path) -> str:
    """Who has marked a run, in words; empty if nobody is known to."""
    marker = markers.beside(file)
    owner = Owner.of(marker)
    if owner is None:
        return f"whoever made {marker}" if marker.exists() else ""
    return "" if owner.is_gone() else owner.line()


def _trained(
    job: FolderJob,
    group: Processes,
    loading: Loading,
    folder: ImageFolder,
    file: Path,
    code: provenance.Code,
    data: str,
) -> Record:
    """The record of a job that this one is at; it is written, and the checkpoints are removed."""
    options = _options(job, data)
    run = FolderRun(job.config, folder, group, _teacher(job, folder), loading)
    known = {"config": job.config.to_dict(), "options": options, "data": data, "code": code.source,
             "teacher": _digest(job.teacher)}  # fmt: skip
    checkpoint = ShardedCheckpoint(file.with_suffix(".checkpoints"), known, group)
    result: dict[str, Any] = {**train(run, checkpoint, lambda line: print(line, flush=True))}
    if job.teacher:
        result["teacher"] = known["teacher"]
    origin = provenance.collect(
        device=devices.device_name(group.device),
        seconds=run.seconds,
        precision=job.config.precision,
        data=data,
        code=code,
        compiled=loading.compile,
        processes=group.size,
    )
    record = records.make(job.study, job.arm, job.config, result, origin, options)
    if group.is_first:
        records.save(record, file)
    group.from_first(None)  # no process ends before the record is written
    checkpoint.remove()
    return record


def time_job(job: FolderJob, group: Processes, loading: Loading, steps: int = 10) -> Timing:
    """What a job takes: some of its steps, timed part by part; nothing is recorded.

    Raises:
        ValueError, OSError: as `train_job`; any folder will do.
    """
    folder = ImageFolder(job.data, job.size)
    return time_steps(FolderRun(job.config, folder, group, _teacher(job, folder), loading), steps)


def distilled(config: RunConfig, *arguments: Any, teacher: str, **keywords: Any) -> NoReturn:
    """What stands for the procedure of an arm that is trained from a folder: it says how to run it.

    Raises:
        ValueError: always.
    """
    require_resident(config.dataset)
    raise ValueError(f"an arm with the teacher {teacher!r} must be trained from a folder of images")


def _require_data(job: FolderJob, folder: ImageFolder) -> None:
    if job.config.dataset not in FOLDERS:
        return
    (train, _, val), _, classes = FOLDERS[job.config.dataset]
    found = (folder.count("train"), folder.count("val"), folder.classes)
    if found != (train, val, classes):
        raise ValueError(
            f"data must be all of {job.config.dataset} for its study, {train:,} and {val:,} images of "
            f"{classes:,} classes, and {folder.folder} has {found[0]:,} and {found[1]:,} of "
            f"{found[2]:,}; --model NAME trains on any folder"
        )


def _options(job: FolderJob, data: str) -> dict[str, Any]:
    """What a record goes by beside its configuration: of networks of one's own the images, too."""
    if job.study != OWN:
        return dict(job.options)
    taught = {"teacher": _digest(job.teacher)} if job.teacher else {}
    return {**job.options, "data": data, "size": job.size, **taught}


def _teacher(job: FolderJob, folder: ImageFolder) -> Any:
    wanted = job.options.get("teacher")
    if wanted and not job.teacher:
        raise ValueError(f"teacher must be a file of weights of {wanted}, got none")
    return teachers.load_teacher(job.teacher, folder.classes) if job.teacher else None


def _digest(file: Path | None) -> str | None:
    if file is None:
        return None
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]
