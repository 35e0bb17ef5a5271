"""Scaling laws: each written once, as arithmetic that runs on floats, arrays, posterior draws and tensors alike."""

from bayescale.laws.base import Law, Parameter, PowerTerms
from bayescale.laws.own import expression_law, law, law_by_name
from bayescale.laws.registry import LAWS, OWN, get_law
from bayescale.laws.scales import SCALES, Scale, reference_run, scale_of, symbols

__all__ = [
    "LAWS",
    "OWN",
    "SCALES",
    "Law",
    "Parameter",
    "PowerTerms",
    "Scale",
    "expression_law",
    "get_law",
    "law",
    "law_by_name",
    "reference_run",
    "scale_of",
    "symbols",
]
