"""Scaling laws: each written once, as arithmetic that runs on floats, arrays, posterior draws and tensors alike."""

from bayescale.errors import QuestionError, did_you_mean
from bayescale.laws.base import Law, Parameter, PowerTerms
from bayescale.laws.chinchilla import CHINCHILLA
from bayescale.laws.kaplan import KAPLAN

LAWS: dict[str, Law] = {law.name: law for law in (CHINCHILLA, KAPLAN)}


def get_law(name: str) -> Law:
    """Return the law of that name.

    Raises
    ------
    QuestionError
        If there is no such law; the message lists those there are.

    Examples
    --------
    >>> from bayescale.laws import get_law
    >>> get_law("kaplan").parameter_names
    ('loss_params', 'loss_tokens', 'alpha_N', 'alpha_D')
    """
    if name not in LAWS:
        raise QuestionError(f"there is no law {name!r}.{did_you_mean(name, LAWS)} Known laws: {', '.join(LAWS)}.")
    return LAWS[name]


__all__ = ["LAWS", "Law", "Parameter", "PowerTerms", "get_law"]
