"""Several forms on the same runs: leave-one-out, and leave-the-largest-out."""

from bayescale.compare.largest_out import backtest, score
from bayescale.compare.loo import compare

__all__ = ["backtest", "compare", "score"]
