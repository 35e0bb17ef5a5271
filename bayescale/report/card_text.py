"""A model card as a person would write it."""

import json
from typing import Any

from bayescale.report.numbers import Numbers


def card_text(card: Numbers) -> str:
    """Write a model card as a person would write it in TOML."""
    lines = [f"{name} = {_inline(card[name])}" for name in ("law", "x", "title") if card[name]] + ["", "[priors]"]
    lines += [f"{name} = {_inline(prior)}" for name, prior in card["priors"].items()]
    if card["reference"]:
        lines += ["", "[reference]", *(f"{name} = {_inline(value)}" for name, value in card["reference"].items())]
    if card["pooling"]:
        lines += ["", "[pooling]"]
        lines += [f"{name} = {_inline(how)}" for name, how in card["pooling"].items()]
    lines += ["", "[noise]"]
    lines += [f"{name} = {_inline(value)}" for name, value in card["noise"].items() if value is not None]
    for table in ("discrepancy", "errors", "curve"):
        if stated := {name: value for name, value in (card[table] or {}).items() if value not in (None, {})}:
            lines += ["", f"[{table}]", *(f"{name} = {_inline(value)}" for name, value in stated.items())]
    return "\n".join(lines)


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_inline(v)}" for k, v in value.items() if v is not None) + " }"
    return json.dumps(value, ensure_ascii=False)
