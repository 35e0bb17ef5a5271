"""The list of laws: a new law is one file beside this one and one name here."""

from bayescale.errors import QuestionError, did_you_mean
from bayescale.laws.annealing import ANNEALING
from bayescale.laws.base import Law
from bayescale.laws.broken import BROKEN_1, BROKEN_2, BROKEN_3
from bayescale.laws.chinchilla import CHINCHILLA
from bayescale.laws.coupled import COUPLED
from bayescale.laws.examples_params import EXAMPLES_PARAMS
from bayescale.laws.farseer import FARSEER
from bayescale.laws.kaplan import KAPLAN
from bayescale.laws.kaplan_steps import KAPLAN_STEPS
from bayescale.laws.logistic import LOGISTIC
from bayescale.laws.loss_to_error import LOSS_TO_ERROR
from bayescale.laws.moe import MOE
from bayescale.laws.multiplicative import MULTIPLICATIVE
from bayescale.laws.overtraining import OVERTRAINING
from bayescale.laws.plateau import PLATEAU
from bayescale.laws.power import POWER, POWER_FLOOR
from bayescale.laws.precision import PRECISION, PRECISION_POST
from bayescale.laws.repeats import REPEATS
from bayescale.laws.routed import ROUTED
from bayescale.laws.shifted import SHIFTED
from bayescale.laws.sparse import SPARSE
from bayescale.laws.width_depth import WIDTH_DEPTH

_LAWS = (
    *(POWER, POWER_FLOOR, SHIFTED, PLATEAU, BROKEN_1, BROKEN_2, BROKEN_3),
    *(CHINCHILLA, KAPLAN, COUPLED, MULTIPLICATIVE, OVERTRAINING, FARSEER, REPEATS),
    *(KAPLAN_STEPS, ANNEALING),
    *(ROUTED, MOE, SPARSE, PRECISION, PRECISION_POST, WIDTH_DEPTH),
    *(LOSS_TO_ERROR, LOGISTIC, EXAMPLES_PARAMS),
)
LAWS: dict[str, Law] = {law.name: law for law in _LAWS}
"""Every law that is shipped, by name, in the order of the list."""
OWN: dict[str, Law] = {}
"""Every law that was declared with `law` in this process, by name."""


def get_law(name: str) -> Law:
    """Return the law of that name.

    Parameters
    ----------
    name : str
        One of ``LAWS``, or of the laws that `law` has declared since.

    Returns
    -------
    Law

    Raises
    ------
    QuestionError
        If there is no law of that name; the message lists the known ones.

    Examples
    --------
    >>> from bayescale.laws import get_law
    >>> get_law("kaplan").parameter_names
    ('loss_params', 'loss_tokens', 'alpha_N', 'alpha_D')
    """
    known = LAWS | OWN
    if name not in known:
        raise QuestionError(f"there is no law {name!r}.{did_you_mean(name, known)} Known laws: {', '.join(known)}.")
    return known[name]
