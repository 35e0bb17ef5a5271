"""A model card as a person would write it."""

import json
from typing import Any

from bayescale.report.numbers import Numbers


def card_text(card: Numbers) -> str:
    """Write a model card as a person would write it in TOML."""
    lines = [f"{name} = {toml_value(card[name])}" for name in ("law", "x", "title") if card[name]] + ["", "[priors]"]
    lines += [f"{name} = {toml_value(prior)}" for name, prior in card["priors"].items()]
    if card["reference"]:
        lines += ["", "[reference]", *(f"{name} = {toml_value(value)}" for name, value in card["reference"].items())]
    if card["pooling"]:
        lines += ["", "[pooling]"]
        lines += [f"{name} = {toml_value(how)}" for name, how in card["pooling"].items()]
    lines += ["", "[noise]"]
    lines += [f"{name} = {toml_value(value)}" for name, value in card["noise"].items() if value is not None]
    for table in ("discrepancy", "errors", "curve"):
        if stated := {name: value for name, value in (card[table] or {}).items() if value not in (None, {})}:
            lines += ["", f"[{table}]", *(f"{name} = {toml_value(value)}" for name, value in stated.items())]
    return "\n".join(lines)


def toml_value(value: Any) -> str:
    """Write a value, or a table of values in one line.

    Examples
    --------
    >>> from bayescale.report.card_text import toml_value
    >>> toml_value({"dist": "HalfNormal", "sigma": 0.01})
    '{ dist = "HalfNormal", sigma = 0.01 }'
    """
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {toml_value(v)}" for k, v in value.items() if v is not None) + " }"
    return json.dumps(value, ensure_ascii=False)
