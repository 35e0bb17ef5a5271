"""The ``trainer_state.json`` of the Hugging Face Trainer: one run's log, repeated in each of its checkpoints."""

import json
import math
from pathlib import Path
from typing import Any

from bayescale.runs.reading.findings import Finding
from bayescale.runs.trackers.log import Log, RunLog, damaged, gather, name_under

NAME = "trainer_state.json"
# The Trainer logs the mean over the whole run at its end. It is no point of the curve.
RENAMED = {"loss": "train_loss", "eval_loss": "eval_loss", "num_input_tokens_seen": "tokens", "train_loss": None}


def read_trainer_state(path: Path) -> Log:
    """Read one trainer_state.json, or every run below a folder: of a run's checkpoints, the one that got farthest.

    Parameters
    ----------
    path : Path
        The file, an output folder of the Trainer, or a folder of such folders.

    Returns
    -------
    Log
        Columns run, step, train_loss, eval_loss, learning_rate, and tokens where the Trainer was asked to count them
        (``include_num_input_tokens_seen``).

    Examples
    --------
    >>> import json, tempfile
    >>> from pathlib import Path
    >>> from bayescale.runs.trackers.trainer_state import read_trainer_state
    >>> folder = Path(tempfile.mkdtemp())
    >>> state = {"global_step": 10, "log_history": [{"step": 10, "loss": 4.0, "learning_rate": 0.01}]}
    >>> _ = (folder / "trainer_state.json").write_text(json.dumps(state))
    >>> read_trainer_state(folder).table.frame["train_loss"].tolist()
    [4.0]
    """
    root = path if path.is_dir() else path.parent
    files = sorted(path.rglob("*.json")) if path.is_dir() else [path]
    groups: dict[Path, list[Path]] = {}
    for file in files:
        if file.name == NAME or not path.is_dir():
            folder = file.parent
            groups.setdefault(folder.parent if folder.name.startswith("checkpoint-") else folder, []).append(file)
    runs, found = [], []
    reached: dict[Path, float] = {}
    for folder, states in groups.items():
        state, notes = _choose_farthest(states, root)
        found += notes
        if state:
            name = name_under(root, folder) if folder.is_relative_to(root) else folder.resolve().name
            runs.append(RunLog(name, _join_history(state["log_history"]), _read_configuration(state)))
            reached[folder] = max([state.get("global_step") or 0, *(entry["step"] for entry in state["log_history"])])
    found += _find_missing_states(path, reached) if path.is_dir() else []
    return gather(runs, path.name, found)


def _find_missing_states(root: Path, reached: dict[Path, float]) -> list[Finding]:
    """Say which checkpoints have no state, unless a state that was read got as far."""
    return [
        damaged(folder, root, f"has no {NAME}, so what the run logged on the way there is missing")
        for folder in sorted(root.rglob("checkpoint-*"))
        if folder.is_dir() and not (folder / NAME).exists()
        if folder.name[len("checkpoint-") :].isdecimal()
        if int(folder.name[len("checkpoint-") :]) > reached.get(folder.parent, 0)
    ]


def _choose_farthest(files: list[Path], root: Path) -> tuple[dict[str, Any] | None, list[Finding]]:
    """Return the state with the most steps, as each checkpoint repeats the log of the earlier ones."""
    states, notes = [], []
    for file in files:
        try:
            state = json.loads(file.read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError, OSError) as error:
            notes.append(damaged(file, root, f"cannot be read, so it is left out; is it cut off? ({error})"))
            continue
        if wrong := _explain_unreadable(state):
            notes.append(damaged(file, root, f"left out: {wrong}"))
        else:
            states.append(state)
    if not states:
        return None, notes
    return max(states, key=lambda state: (state.get("global_step") or 0, len(state["log_history"]))), notes


def _explain_unreadable(state: Any) -> str | None:
    """Return why a state cannot be read, or None."""
    if not isinstance(state, dict) or not isinstance(state.get("log_history"), list):
        return "it has no list 'log_history'"
    if not _is_number(state.get("global_step") or 0):
        return f"its 'global_step' is {str(state['global_step'])[:60]!r}; accepted: a number"
    for entry in state["log_history"]:
        if not isinstance(entry, dict) or "step" not in entry:
            return f"an entry of 'log_history' has no step: {str(entry)[:60]}"
        if not _is_number(entry["step"]):
            return f"an entry of 'log_history' has the step {str(entry['step'])[:60]!r}; accepted: a number"
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _read_configuration(state: dict[str, Any]) -> dict[str, Any]:
    steps = state.get("max_steps")
    return {"total_steps": steps} if isinstance(steps, int) and steps > 0 else {}


def _join_history(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row for each step, as the Trainer logs training and evaluation separately."""
    rows: dict[float, dict[str, Any]] = {}
    for entry in history:
        row = rows.setdefault(entry["step"], {"step": entry["step"]})
        for name, value in entry.items():
            kept = RENAMED.get(name, name)
            if kept and name != "step" and isinstance(value, int | float):
                row[kept] = value
    return list(rows.values())
