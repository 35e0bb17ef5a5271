"""What a run costs: training compute from N and D, and the inverse."""

from bayescale.costs.flops import COSTS, SIX_ND, CostModel, PowerCost, cost_model

__all__ = ["COSTS", "SIX_ND", "CostModel", "PowerCost", "cost_model"]
