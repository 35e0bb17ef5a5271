# ruff: noqa: TID252 - lazy_loader reads relative imports only
from .approaches import (
    plot_agreement as plot_agreement,
)
from .approaches import (
    plot_best_sizes as plot_best_sizes,
)
from .approaches import (
    plot_exponents as plot_exponents,
)
from .approaches import (
    plot_ladder as plot_ladder,
)
from .approaches import (
    plot_profiles as plot_profiles,
)
from .backtest import (
    plot_backtest as plot_backtest,
)
from .backtest import (
    plot_backtest_coverage as plot_backtest_coverage,
)
from .backtest import (
    plot_backtest_scores as plot_backtest_scores,
)
from .batch_and_epochs import (
    plot_critical_batch as plot_critical_batch,
)
from .batch_and_epochs import (
    plot_epochs as plot_epochs,
)
from .batch_and_epochs import (
    plot_pareto as plot_pareto,
)
from .checks import (
    plot_calibration as plot_calibration,
)
from .checks import (
    plot_coverage as plot_coverage,
)
from .checks import (
    plot_left_out_runs as plot_left_out_runs,
)
from .checks import (
    plot_loo_pit as plot_loo_pit,
)
from .diagnostics import plot_diagnostics as plot_diagnostics
from .diagnostics import plot_ranks as plot_ranks
from .finish import plot_ends as plot_ends
from .finish import plot_finish as plot_finish
from .forecast import plot_forecast as plot_forecast
from .forecast import plot_forecast_path as plot_forecast_path
from .frontier import (
    plot_bigger_or_longer as plot_bigger_or_longer,
)
from .frontier import (
    plot_convergence_gap as plot_convergence_gap,
)
from .frontier import (
    plot_frontier as plot_frontier,
)
from .frontier import (
    plot_isoflop as plot_isoflop,
)
from .frontier import (
    plot_off_optimal as plot_off_optimal,
)
from .influence import (
    plot_influence as plot_influence,
)
from .influence import (
    plot_loo_by_run as plot_loo_by_run,
)
from .influence import (
    plot_outliers as plot_outliers,
)
from .influence import (
    plot_pareto_k as plot_pareto_k,
)
from .irreducible import plot_domains as plot_domains
from .irreducible import plot_irreducible as plot_irreducible
from .loss import (
    plot_crossing as plot_crossing,
)
from .loss import (
    plot_forms as plot_forms,
)
from .loss import (
    plot_known_models as plot_known_models,
)
from .loss import (
    plot_loss_against_compute as plot_loss_against_compute,
)
from .loss import (
    plot_residuals as plot_residuals,
)
from .parameters import (
    plot_between_forms as plot_between_forms,
)
from .parameters import (
    plot_ridge as plot_ridge,
)
from .parameters import (
    plot_shrinkage as plot_shrinkage,
)
from .prior_predictive import plot_prior_predictive as plot_prior_predictive
from .priors import (
    plot_moved_by_priors as plot_moved_by_priors,
)
from .priors import (
    plot_prior_posterior as plot_prior_posterior,
)
from .priors import (
    plot_prior_sensitivity as plot_prior_sensitivity,
)
from .style import style as style
