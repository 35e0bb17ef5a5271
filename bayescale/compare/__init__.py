"""Several forms on the same runs: leave-one-out, and leave-the-largest-out."""

from bayescale.compare.largest_out import FACTORS, HEADLINE, backtest, score
from bayescale.compare.loo import compare

__all__ = ["FACTORS", "HEADLINE", "backtest", "compare", "score"]
