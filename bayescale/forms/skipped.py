"""What could not be had, as records: a form, a cut-off, or a form at a cut-off, and why."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import xarray as xr

ATTR = "skipped"


@dataclass(frozen=True)
class Skipped:
    """A form that was left out, a cut-off that could not be tested, or a form that was left out at one cut-off.

    Attributes
    ----------
    form : str or None
        The name of the form; None where it concerns all forms.
    factor : float or None
        The cut-off; None where it concerns all runs.
    reason : str
        Why, as a sentence.

    Examples
    --------
    >>> from bayescale.forms import Skipped
    >>> str(Skipped("kaplan", 10.0, "3 runs are that small; it takes 8."))
    '10x, kaplan: 3 runs are that small; it takes 8.'
    """

    form: str | None
    factor: float | None
    reason: str

    def __str__(self) -> str:
        """Return the record as a line: where it is, and why."""
        where = (f"{self.factor:g}x" if self.factor is not None else None, self.form)
        return f"{', '.join(filter(None, where))}: {self.reason}"


def pack_skipped(skipped: Iterable[Skipped]) -> dict[str, str]:
    """Return the records as an attribute of a Dataset, each once.

    Examples
    --------
    >>> import xarray as xr
    >>> from bayescale.forms import Skipped, pack_skipped, unpack_skipped
    >>> answer = xr.Dataset(attrs=pack_skipped([Skipped(None, 100.0, "2 runs are larger; it takes 3.")]))
    >>> unpack_skipped(answer)[0].factor
    100.0
    """
    return {ATTR: json.dumps([asdict(record) for record in dict.fromkeys(skipped)], ensure_ascii=False)}


def unpack_skipped(answer: xr.Dataset) -> list[Skipped]:
    """Return the records that `pack_skipped` put into the attributes of an answer; none where it has none."""
    return [Skipped(**record) for record in json.loads(answer.attrs.get(ATTR) or "[]")]
