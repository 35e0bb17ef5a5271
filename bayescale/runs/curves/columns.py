"""What a table of checkpoints may hold beyond what a run log may."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from bayescale.runs.reading.aliases import match_columns, squash
from bayescale.runs.reading.columns import COLUMNS, NOT_NEGATIVE, Column

HELD_OUT = (
    *(f"{text}{joint}loss" for joint in "_/" for text in ("val", "valid", "validation", "eval", "test")),
    *("loss/val", "loss/eval", "loss/validation"),
)
TRAINING = ("train_loss", "training_loss", "train/loss", "training/loss", "loss/train", "loss_train")
# Properties of a whole run. A run with two values of one of them is two runs under one name.
OF_RUN = (
    *("family", "params", "seed", "width", "depth", "unique_tokens", "experts", "granularity", "sparsity"),
    *("bits_weights", "bits_activations", "bits_kv", "bits_post", "peak_lr", "schedule"),
)
PLANNED = {"step": "total_steps", "tokens": "total_tokens"}


def _make_curve_columns() -> dict[str, Column]:
    known = {name: about for name, about in COLUMNS.items() if name not in ("accuracy", "error", "questions")}
    more = {
        "step": "train/global_step trainer/global_step iteration iterations",
        "tokens": (
            "num_input_tokens_seen train/num_input_tokens_seen tokens_seen n_tokens_seen train/tokens consumed_tokens "
            "throughput/total_tokens"
        ),
        "loss": " ".join(HELD_OUT),
    }
    for name, aliases in more.items():
        known[name] = replace(known[name], aliases=f"{known[name].aliases} {aliases}")
    for name in ("step", "tokens"):  # a log may begin before the first step
        accepted = known[name].accepted.replace("above 0", "from 0")
        known[name] = replace(known[name], **NOT_NEGATIVE | {"accepted": accepted})
    return known | {column.name: column for column in _OWN}


_OWN = (
    Column(
        *("lr", "note", "learning rate at the checkpoint"),
        aliases="learning_rate train/learning_rate train/lr lr/group0",
        **NOT_NEGATIVE,
    ),
    Column(
        *("lr_fraction", "note", "learning rate as a share of its peak"), aliases="lr_share lr_scale", **NOT_NEGATIVE
    ),
    Column(
        *("peak_lr", "note", "highest learning rate of the run"),
        aliases="max_lr base_lr peak_learning_rate max_learning_rate",
    ),
    Column(
        *("schedule", "label", "learning-rate schedule"),
        aliases="lr_schedule lr_scheduler lr_scheduler_type",
        accepted="a name",
    ),
    Column(
        *("total_steps", "note", "steps that the run was planned for"),
        aliases="max_steps planned_steps train/max_steps",
    ),
    Column(
        *("total_tokens", "note", "tokens that the run was planned for", "token"), aliases="max_tokens planned_tokens"
    ),
    Column(*("time", "label", "when the row was written"), aliases="wall_time timestamp", accepted="a time"),
)

CURVE_COLUMNS = _make_curve_columns()


def match_curve_columns(names: Sequence[str], asked: Mapping[str, str | None], source: str) -> dict[str, str]:
    """Say which column holds which quantity. A held-out loss is preferred to a training loss.

    Examples
    --------
    >>> from bayescale.runs.curves.columns import match_curve_columns
    >>> match_curve_columns(["run", "step", "loss", "eval/loss"], {}, "log")
    {'run': 'run', 'loss': 'eval/loss', 'step': 'step'}
    """
    given = dict(asked)
    if "loss" not in given:
        held_out = _select_known(names, HELD_OUT)
        if held_out:
            given["loss"] = match_curve_only(held_out, "loss", source)["loss"]
        elif "loss" not in match_curve_only(names, "loss", source):
            training = _select_known(names, TRAINING)
            given |= {"loss": training[0]} if training else {}
    # Trackers count calls in a column of their own; the step of the training is meant.
    own = _select_known(names, ("train/global_step", "trainer/global_step"))
    if "step" not in given and own:
        given["step"] = own[0]
    return match_columns(names, given, source, CURVE_COLUMNS)


def match_curve_only(names: Sequence[str], quantity: str, source: str) -> dict[str, str]:
    """Say which column holds one quantity, if any."""
    return match_columns(names, None, source, {quantity: CURVE_COLUMNS[quantity]})


def losses_among(names: Iterable[str]) -> list[str]:
    """Return which of these columns are known as a loss, held out or not.

    Examples
    --------
    >>> from bayescale.runs.curves.columns import losses_among
    >>> losses_among(["step", "eval_loss", "train/loss", "grad_norm"])
    ['eval_loss', 'train/loss']
    """
    return _select_known(list(names), ("loss", *CURVE_COLUMNS["loss"].names, *TRAINING))


def _select_known(names: Sequence[str], aliases: Sequence[str]) -> list[str]:
    accepted = {squash(alias) for alias in aliases}
    return [name for name in names if squash(name) in accepted]


def of_whole_run(name: str) -> str | None:
    """Return the name that a column of a run's configuration has for its checkpoints, or None if it is not used.

    Examples
    --------
    >>> from bayescale.runs.curves.columns import of_whole_run
    >>> of_whole_run("steps"), of_whole_run("tokens"), of_whole_run("lr"), of_whole_run("final_loss")
    ('total_steps', 'total_tokens', 'peak_lr', None)
    """
    plain = squash(name)
    of_checkpoints = ("loss", "loss_se", "compute", "lr_area", "annealing", "lr_fraction", "time", "run")
    for quantity, of_run in {**dict.fromkeys(of_checkpoints), **PLANNED, "lr": "peak_lr"}.items():
        if plain in {squash(each) for each in (quantity, *CURVE_COLUMNS[quantity].names)}:
            return of_run
    return name
