"""Figures: one function each, on what the answers, the comparison and the backtest return."""

from bayescale.plots.approaches import plot_agreement, plot_best_sizes, plot_exponents, plot_ladder, plot_profiles
from bayescale.plots.backtest import plot_backtest, plot_backtest_coverage, plot_backtest_scores
from bayescale.plots.between_forms import plot_between_forms
from bayescale.plots.bigger_or_longer import plot_bigger_or_longer
from bayescale.plots.calibration import plot_calibration
from bayescale.plots.checks import plot_coverage, plot_left_out_runs, plot_loo_pit
from bayescale.plots.critical_batch import plot_critical_batch
from bayescale.plots.crossing import plot_crossing
from bayescale.plots.diagnostics import plot_diagnostics, plot_ranks
from bayescale.plots.domains import plot_domains
from bayescale.plots.epochs import plot_epochs
from bayescale.plots.finish import plot_ends, plot_finish
from bayescale.plots.forecast import plot_forecast, plot_forecast_path
from bayescale.plots.frontier import plot_frontier
from bayescale.plots.influence import plot_influence, plot_pareto_k
from bayescale.plots.irreducible import plot_irreducible
from bayescale.plots.isoflop import plot_isoflop
from bayescale.plots.known_models import plot_known_models
from bayescale.plots.loo import plot_loo_by_run
from bayescale.plots.loss import plot_forms, plot_loss_against_compute
from bayescale.plots.off_optimal import plot_convergence_gap, plot_off_optimal
from bayescale.plots.outliers import plot_outliers
from bayescale.plots.pareto import plot_pareto
from bayescale.plots.prior_posterior import plot_prior_posterior
from bayescale.plots.prior_predictive import plot_prior_predictive
from bayescale.plots.residuals import plot_residuals
from bayescale.plots.ridge import plot_ridge
from bayescale.plots.sensitivity import plot_moved_by_priors, plot_prior_sensitivity
from bayescale.plots.shrinkage import plot_shrinkage
from bayescale.plots.style import style

__all__ = [
    "plot_agreement",
    "plot_backtest",
    "plot_backtest_coverage",
    "plot_backtest_scores",
    "plot_best_sizes",
    "plot_between_forms",
    "plot_bigger_or_longer",
    "plot_calibration",
    "plot_convergence_gap",
    "plot_coverage",
    "plot_critical_batch",
    "plot_crossing",
    "plot_diagnostics",
    "plot_domains",
    "plot_ends",
    "plot_epochs",
    "plot_exponents",
    "plot_finish",
    "plot_forecast",
    "plot_forecast_path",
    "plot_forms",
    "plot_frontier",
    "plot_influence",
    "plot_irreducible",
    "plot_isoflop",
    "plot_known_models",
    "plot_ladder",
    "plot_left_out_runs",
    "plot_loo_by_run",
    "plot_loo_pit",
    "plot_loss_against_compute",
    "plot_moved_by_priors",
    "plot_off_optimal",
    "plot_outliers",
    "plot_pareto",
    "plot_pareto_k",
    "plot_prior_posterior",
    "plot_prior_predictive",
    "plot_prior_sensitivity",
    "plot_profiles",
    "plot_ranks",
    "plot_residuals",
    "plot_ridge",
    "plot_shrinkage",
    "style",
]
