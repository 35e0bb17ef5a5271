"""Every error that bayescale raises on purpose, all under one root."""

import difflib
from collections.abc import Iterable


class BayescaleError(Exception):
    """The root: catch this to catch everything that bayescale raises on purpose.

    Each of its kinds is also the built-in error that it is most like, so that ``except ValueError`` catches a
    `RunsError`, `CardError`, `DesignError` or `QuestionError`; ``except RuntimeError`` an `UnconvergedError`,
    `SamplingError` or `LostError`; ``except OSError`` an `OutputError`.

    Examples
    --------
    >>> import bayescale as bs
    >>> try:
    ...     bs.load_card("chinchila")
    ... except bs.BayescaleError as error:
    ...     print(type(error).__name__)
    CardError
    """


class RunsError(BayescaleError, ValueError):
    """The run log cannot be read as it stands; the message says which file, row, column and value."""


class CardError(BayescaleError, ValueError):
    """A model card names something that does not exist, or a value that is not accepted."""


class DesignError(BayescaleError, ValueError):
    """The runs cannot identify the law that was asked for."""


class QuestionError(BayescaleError, ValueError):
    """A question that this posterior cannot answer as it was put."""


class UnconvergedError(BayescaleError, RuntimeError):
    """The posterior failed its diagnostics and may not be quoted."""


class SamplingError(BayescaleError, RuntimeError):
    """The sampler could not start or finish."""


class LostError(BayescaleError, RuntimeError):
    """A part of the work was lost: the process or the cluster that did it ended, or ran out of memory."""


class OutputError(BayescaleError, OSError):
    """A result could not be written."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the closest known word, or an empty string."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""
