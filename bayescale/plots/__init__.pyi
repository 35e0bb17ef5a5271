# ruff: noqa: I001, TID252 - lazy_loader reads relative imports only, and each name is handed on
from .approaches import (
    plot_agreement as plot_agreement,
    plot_best_sizes as plot_best_sizes,
    plot_exponents as plot_exponents,
    plot_ladder as plot_ladder,
    plot_profiles as plot_profiles,
)
from .backtest import (
    plot_backtest as plot_backtest,
    plot_backtest_coverage as plot_backtest_coverage,
    plot_backtest_scores as plot_backtest_scores,
)
from .batch_and_epochs import (
    plot_critical_batch as plot_critical_batch,
    plot_epochs as plot_epochs,
    plot_pareto as plot_pareto,
)
from .checks import (
    plot_calibration as plot_calibration,
    plot_coverage as plot_coverage,
    plot_left_out_runs as plot_left_out_runs,
    plot_loo_pit as plot_loo_pit,
)
from .diagnostics import plot_diagnostics as plot_diagnostics, plot_ranks as plot_ranks
from .finish import plot_ends as plot_ends, plot_finish as plot_finish
from .forecast import plot_forecast as plot_forecast, plot_forecast_path as plot_forecast_path
from .frontier import (
    plot_bigger_or_longer as plot_bigger_or_longer,
    plot_convergence_gap as plot_convergence_gap,
    plot_frontier as plot_frontier,
    plot_isoflop as plot_isoflop,
    plot_off_optimal as plot_off_optimal,
)
from .influence import (
    plot_influence as plot_influence,
    plot_loo_by_run as plot_loo_by_run,
    plot_outliers as plot_outliers,
    plot_pareto_k as plot_pareto_k,
)
from .irreducible import plot_domains as plot_domains, plot_irreducible as plot_irreducible
from .loss import (
    plot_crossing as plot_crossing,
    plot_forms as plot_forms,
    plot_known_models as plot_known_models,
    plot_loss_against_compute as plot_loss_against_compute,
    plot_residuals as plot_residuals,
)
from .parameters import (
    plot_between_forms as plot_between_forms,
    plot_ridge as plot_ridge,
    plot_shrinkage as plot_shrinkage,
)
from .prior_predictive import plot_prior_predictive as plot_prior_predictive
from .priors import (
    plot_moved_by_priors as plot_moved_by_priors,
    plot_prior_posterior as plot_prior_posterior,
    plot_prior_sensitivity as plot_prior_sensitivity,
)
from .style import style as style
