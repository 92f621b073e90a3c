"""The command line: list, run, status, merge, report, forecast, imagenet, convert."""

import argparse
import contextlib
import io
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from bnnstudy.config import checks
from bnnstudy.config.fields import PRESETS
from bnnstudy.evidence.answers import Answer, answers, holm
from bnnstudy.evidence.records import default_results, in_checkout
from bnnstudy.evidence.verdicts import NOT_RUN

KEPT = "what had finished is recorded, run again to go on"
_OF_MEMORY = re.compile("out of memory|can't allocate memory", re.IGNORECASE)

DEVICES = ("auto", "cpu", "cuda")

_FIELDS = ("epochs", "batch_size", "width", "optimizer", "alpha", "lr", "real_lr", "precision")
"""Fields of a configuration that `imagenet` takes as options."""

REPORT_SCHEMA = 3
"""Version of what `report --json` prints: 1 was a bare list of verdicts, 2 that list in an object."""


class _Parser(argparse.ArgumentParser):
    """argparse, but an error is one line that names what is wrong, and exit status 2."""

    def error(self, message: str) -> NoReturn:
        raise SystemExit(_fail(message))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status.

    0; 1 for a lost worker or want of memory, 2 for bad input, 130 where it was interrupted.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    try:
        status = options.command(options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # Nobody reads on; what is left in the buffer must not be tried again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        _fail(f"interrupted; {KEPT}")
        return 130
    except (ValueError, OSError, ImportError) as error:
        return _fail(str(error))
    except (MemoryError, RuntimeError) as error:
        if not (isinstance(error, MemoryError) or _OF_MEMORY.search(str(error))):
            raise
        _fail(f"out of memory; fewer --workers, or a smaller --stack, may help; {KEPT}")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="bnnstudy", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(
        name: str, does: Callable[[argparse.Namespace], int], help: str
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help, allow_abbrev=False)
        added.set_defaults(command=does)
        return added

    command("list", _list, "the studies, their claims and presets")
    run = command("run", _run, "run what is missing of a study")
    _add_run_options(run)
    status = command("status", _status, "what is recorded, running and missing, with hours left")
    status.add_argument(
        "study", metavar="STUDY", nargs="?", help="a name that `list` shows; all if none"
    )
    status.add_argument("--preset", choices=PRESETS, help="one preset (default: all)")
    merge = command("merge", _merge, "bring records of several folders together")
    merge.add_argument("folders", metavar="DIR", nargs="+", type=_folder, help="where records are")
    report = command("report", _report, "the verdict of each claim")
    report.add_argument(
        "--json", action="store_true", help="a schema version, and one object for each claim"
    )
    forecast = command("forecast", _forecast, "what the ladder's runs say of its next rung, kept")
    for reads in (run, status, report, forecast):
        reads.add_argument("--results", type=_folder, metavar="DIR", help="where records are")
    merge.add_argument("--results", type=_folder, metavar="DIR", help="where they are brought to")
    _add_imagenet_options(command("imagenet", _imagenet, "train on ImageNet, or any folder of images"))
    convert = command("convert", _convert, "a recipe of SGD as (alpha, gamma)")
    convert.add_argument("--lr", type=_number, required=True, help="torch's learning rate")
    convert.add_argument("--weight-decay", type=_number, required=True, help="torch's weight decay")
    convert.add_argument("--momentum", type=_number, default=0.9, help="torch's momentum (0.9)")
    convert.add_argument("--steps", type=_count, metavar="N", help="length of the run in steps")
    return parser


def _add_run_options(run: argparse.ArgumentParser) -> None:
    run.add_argument("study", metavar="STUDY", help="a name that `list` shows")
    run.add_argument("--preset", default="quick", choices=PRESETS)
    run.add_argument(
        "--seeds",
        type=_seeds,
        metavar="N|A-B",
        help="how many seeds judge (default: the preset's), or which of them to run here",
    )
    run.add_argument(
        "--arms",
        action="append",
        default=[],
        metavar="PATTERN",
        help="only these arms, and those that they follow: names, such as 'adam*' or 'mnist mlp: *'; "
        "may be given again",
    )
    run.add_argument("--device", default="auto", choices=DEVICES)
    run.add_argument(
        "--workers",
        type=_count,
        metavar="N",
        help="runs side by side (default: one a core; on a GPU one)",
    )
    run.add_argument("--compile", action="store_true", help="compile networks first, for long runs")
    run.add_argument(
        "--stack", type=_count, default=1, metavar="N", help="seeds to train at once (GPU)"
    )
    run.add_argument("--data", type=_folder, metavar="DIR", help="where data is (or BNNSTUDY_DATA)")
    run.add_argument("--gpus", type=_count, metavar="N", help="N processes, each with a GPU of its own")
    run.add_argument(
        "--shard",
        type=_shard,
        default=(1, 1),
        metavar="I/N",
        help="only the I-th of N shares of the runs",
    )
    run.add_argument(
        "--executor",
        default="",
        choices=("slurm", "local"),
        help="submitit: a cluster's queue, or its stand-in on this machine",
    )
    run.add_argument(
        "--cluster",
        type=_parameters,
        default={},
        metavar="NAME=VALUE,…",
        help="what submitit is told, such as timeout_min=240,slurm_partition=gpu,gpus_per_node=1; "
        "without timeout_min a task is cut after its 5 minutes, and queued again",
    )


def _add_imagenet_options(imagenet: argparse.ArgumentParser) -> None:
    add = imagenet.add_argument
    add(
        "--data", type=_folder, metavar="DIR", required=True, help="has train/<class>/ and val/<class>/"
    )
    add("--teacher", type=Path, metavar="FILE", help="weights of torchvision's resnet34 to distil from")
    add("--preset", choices=("paper",), help="whose arms are trained, without --model (paper)")
    add("--arm", help="of the study `imagenet`, without --model (filter, one step)")
    add("--model", metavar="NAME", help="any network of the package, on any folder of images")
    add("--seed", type=int, default=0, metavar="N")
    add("--epochs", type=_count, metavar="N", help="of all steps of an arm together")
    add("--batch-size", type=_count, metavar="N", help="images of all processes in a step")
    add("--width", type=_count, metavar="N")
    add("--size", type=_count, metavar="N", default=224, help="side of the images (224)")
    add("--optimizer", metavar="NAME", help="of --model: filter, or another of RunConfig's")
    for name in ("--alpha", "--lr", "--real-lr"):
        add(name, type=_number, metavar="RATE")
    add("--precision", choices=("float32", "bfloat16"), help="bfloat16 is autocast's")
    add("--device", default="auto", choices=DEVICES)
    add("--workers", type=_count, metavar="N", help="that read images, a process (its share of cores)")
    add("--compile", action="store_true", help="compile the network first")
    add("--every", type=_count, default=500, metavar="STEPS", help="between checkpoints (500)")
    add("--dry-run", action="store_true", help="time ten steps by part, and say what the whole takes")
    add("--results", type=_folder, metavar="DIR", help="where records and checkpoints are")


def _list(options: argparse.Namespace) -> int:
    from bnnstudy.studies import STUDIES

    for study in STUDIES.values():
        presets = ", ".join(study.arms) or "no arms yet"
        print(f"{study.name:<16} {len(study.claims):>2} claims  {presets:<20}  {study.title}")
    return 0


def _run(options: argparse.Namespace) -> int:
    from bnnstudy.experiments import lookup, sweep
    from bnnstudy.experiments.options import RunOptions
    from bnnstudy.experiments.tasks import WorkerLost
    from bnnstudy.studies import STUDIES, verdicts_of

    if options.study not in STUDIES:
        raise ValueError(f"STUDY must be one of {', '.join(STUDIES)}; got {options.study!r}")
    study = STUDIES[options.study]
    run_options = RunOptions.of(
        device=options.device,
        workers=options.workers,
        results=options.results,
        data=options.data,
        compile=options.compile,
        stack=options.stack,
        gpus=options.gpus,
        executor=options.executor,
        cluster=options.cluster,
        shard=options.shard,
    )
    if not (options.results or in_checkout()):
        print(f"bnnstudy: records go to {run_options.results.absolute()}", file=sys.stderr)
    try:
        with _terminated_as_interrupted():
            records = sweep.run(study, options.preset, options.seeds, run_options, options.arms)
            found = lookup.curves(study, options.preset, run_options.results)
    except WorkerLost as error:
        _fail(str(error))
        return 1
    print(
        f"{study.name} {options.preset}: {len(records)} runs under {run_options.results / study.name}"
    )
    for verdict in verdicts_of(study, found):
        print(verdict.line())
    return 0


def _imagenet(options: argparse.Namespace) -> int:
    from bnnstudy import devices
    from bnnstudy.experiments import image_folder
    from bnnstudy.studies import STUDIES
    from bnnstudy.training.distributed import ProcessLost, processes
    from bnnstudy.training.image_folder import Loading

    try:
        with processes(devices.device_of(options.device)) as group:
            changes = {n: getattr(options, n) for n in _FIELDS if getattr(options, n) is not None}
            if options.model:
                for name in ("arm", "preset"):
                    if given := getattr(options, name):
                        raise ValueError(
                            f"--{name} is of the study imagenet, not of --model: {given!r}"
                        )
                job = image_folder.own(options.model, {**changes, "seed": options.seed})
            else:
                preset, name = options.preset or "paper", options.arm or "filter, one step"
                arm = STUDIES["imagenet"].arm(preset, name)
                job = image_folder.of_arm("imagenet", arm, options.seed, changes)
            job = replace(job, data=options.data, size=options.size, teacher=options.teacher)
            here = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
            workers = options.workers or max(1, (os.cpu_count() or 1) // here)
            loading = Loading(workers=workers, compile=options.compile, every=options.every)
            if options.dry_run:
                lines = image_folder.time_job(job, group, loading).lines()
            else:
                record = image_folder.train_job(job, group, loading, options.results)
                last = record["result"]["last"]["test_accuracy"]
                lines = [f"{record['arm']}: top-1 {100 * last:.2f} % after the last epoch"]
            if group.is_first:
                print("\n".join(lines))
    except ProcessLost as error:
        _fail(str(error))
        return 1
    return 0


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """While it lasts SIGTERM is as Ctrl-C: workers are ended, and one line says what is kept."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _status(options: argparse.Namespace) -> int:
    from bnnstudy.report.status import status
    from bnnstudy.studies import STUDIES

    if options.study and options.study not in STUDIES:
        raise ValueError(f"STUDY must be one of {', '.join(STUDIES)}; got {options.study!r}")
    for study in [STUDIES[options.study]] if options.study else STUDIES.values():
        presets = [options.preset] if options.preset else list(study.arms)
        if not options.study:  # those without the preset have nothing to say
            presets = [preset for preset in presets if preset in study.arms]
        for preset in presets:
            found = status(study, preset, options.results)
            print(found.line())
            for run in found.running:
                print(f"  {run.line()}")
    return 0


def _merge(options: argparse.Namespace) -> int:
    from bnnstudy.evidence.merge import merge

    results = options.results or default_results()
    found = merge(options.folders, results)
    older = f", {found.older} of older code left" if found.older else ""
    print(f"{found.copied} records copied to {results}, {found.there} there already{older}")
    return 0


def _report(options: argparse.Namespace) -> int:
    from bnnstudy.studies import history, verdicts

    if options.results and not checks.is_folder(options.results):
        raise ValueError(f"--results must be a folder, got {str(options.results)!r}")
    found = answers(verdicts(options.results))
    held = holm(found)
    if options.json:
        claims = [
            {**_summary(one, one.claim.id in held), "post_hoc": history.is_post_hoc(one.claim.id)}
            for one in found
        ]
        print(json.dumps({"schema": REPORT_SCHEMA, "claims": claims}, indent=1, allow_nan=False))
        return 0
    run = [one for one in found if one.answer != NOT_RUN]
    for one in run:
        where = f": {one.where()}" if one.where() else ""
        mark = " (post hoc)" if history.is_post_hoc(one.claim.id) else ""
        print(f"{one.answer:<15} {one.claim.id}{mark}{where}{' *' if one.claim.id in held else ''}")
        for verdict in one.verdicts:
            print(f"  {verdict.line()}")
    print(
        f"{len(run)} claims run ({sum(len(one.verdicts) for one in run)} verdicts), "
        f"{len(found) - len(run)} not run; * stands after Holm's correction over claims; records of "
        f"{(options.results or default_results()).absolute()}"
    )
    return 0


def _summary(one: Answer, held: bool) -> dict[str, object]:
    """What a report says of a claim, in JSON's types; None where there is nothing to say."""
    from bnnstudy.studies import paper_scale

    claim = one.claim
    return {
        "id": claim.id,
        "paper": claim.paper,
        "source": claim.source,
        "claim": claim.text,
        "paper_value": claim.paper_value,
        "answer": one.answer,
        "p": one.p,
        "holm": held,
        "contrast": claim.contrast.declared(),
        "metric": claim.contrast.metric,
        "paired": getattr(claim.contrast, "paired", None),
        "requires": [need.declared() for need in claim.requires],
        "with_control": claim.with_control or None,
        "verdicts": [
            {**v.summary(), "paper_scale": paper_scale(claim, v.task) if v.task else {}}
            for v in one.verdicts
        ],
    }


def _forecast(options: argparse.Namespace) -> int:
    from bnnstudy.report import ladder

    for one in ladder.foresee(options.results):
        ends = "unbounded" if one.trend.low is None else f"[{one.trend.low:.3f}, {one.trend.high:.3f}]"
        print(f"{one.rung:<12} {one.effect:<15} {one.trend.mean:8.3f} {ends}")
    return 0


def _convert(options: argparse.Namespace) -> int:
    from bnnstudy.theory.conversion import convert

    found = convert(options.lr, options.weight_decay, options.momentum, options.steps)
    print("\n".join(found.lines()))
    return 0


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, got {text!r}") from None


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of 1 or more, got {text!r}")
    return int(text)


def _seeds(text: str) -> int | range:
    """The number of seeds as it is, or "5-9" as the range of these five."""
    first, dash, last = text.partition("-")
    if not dash:
        return _count(text)
    if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
        raise argparse.ArgumentTypeError(f"must be a number, or a range such as 5-9, got {text!r}")
    return range(int(first), int(last) + 1)


def _shard(text: str) -> tuple[int, int]:
    part, slash, parts = text.partition("/")
    if not (slash and part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"must be I/N with I from 1 to N, such as 2/3, got {text!r}")
    return int(part), int(parts)


def _parameters(text: str) -> dict[str, str | int | float]:
    found: dict[str, str | int | float] = {}
    for pair in text.split(","):
        name, equals, value = pair.partition("=")
        if not (name.isidentifier() and equals and value):
            raise argparse.ArgumentTypeError(f"must be NAME=VALUE,…, got {text!r}")
        for kind in (int, float, str):
            with contextlib.suppress(ValueError):
                found[name] = kind(value)
                break
    return found


def _folder(text: str) -> Path:
    # An empty text, such as a variable that is not set, would be the working folder.
    if not text:
        raise argparse.ArgumentTypeError("must be a folder, got ''")
    return Path(text)


def _fail(message: str) -> int:
    print(f"bnnstudy: {' '.join(message.split())}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
