"""What papers published: tables, laws at printed coefficients, domains."""

from bayescale.papers.domains import irreducible_by_domain, loss_by_domain
from bayescale.papers.power_of import PowerOf, power_with_errors
from bayescale.papers.tables import published_law, published_table

__all__ = [
    "PowerOf",
    "irreducible_by_domain",
    "loss_by_domain",
    "power_with_errors",
    "published_law",
    "published_table",
]
