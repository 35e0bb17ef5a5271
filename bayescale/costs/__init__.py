"""What a run costs: training compute from N and D, and the inverse."""

from bayescale.costs.flops import SIX_ND, CostModel, PowerCost, cost_model

__all__ = ["SIX_ND", "CostModel", "PowerCost", "cost_model"]
