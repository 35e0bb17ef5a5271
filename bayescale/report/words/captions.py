"""What stands beside each figure: its heading, what to look at, and what a reader who cannot see it is told."""

from typing import NamedTuple


class Caption(NamedTuple):
    """A figure's heading, what to look at, and its text for readers who cannot see it, with names to fill in."""

    heading: str
    look: str
    alt: str = ""


CAPTIONS = {
    "loss_stacked": Caption(
        "Loss against compute",
        "The band is the predicted loss of one run by all forms together, at the split that is asked about. Look at "
        "how it opens to the right of the dashed line, where there are no runs, and how far the lines, each the middle "
        "of one form alone, lie apart there. Runs above the band had another split of N and D.",
        "predicted loss by all forms together and by each against compute, up to {at} FLOP, with the runs",
    ),
    "loss": Caption(
        "Loss against compute",
        "The band is the predicted loss of one run at the split that {model} recommends. Look at how it opens to the "
        "right of the dashed line, where there are no runs. Runs above the band had another split of N and D. Ringed "
        "runs were left out and predicted in the backtest.",
        "predicted loss with bands against compute, up to {at} FLOP, with the runs",
    ),
    "forecast": Caption(
        "What each form says alone",
        "The 50 and 90% bands of one new run by each form, and by all of them together. On the right the weights: what "
        "a form was worth on public runs, and what it is worth after it has predicted your larger runs from the "
        "smaller ones.",
        "bands of the loss at {at} FLOP by each form with its weights, and by all together",
    ),
    "backtest_forecast": Caption(
        "The largest runs, predicted by all forms from the smaller ones",
        "The first answer's way to predict, where the outcome is known. Nine points in ten should lie within their 90% "
        "band. Zero is the predicted loss; below it, the run did better. The shaded runs lie about as far out as the "
        "test is named for. Last, by distance and beside the plain forms at the cuts that both have: how often the "
        "bands held, and their interval score, in which a miss costs 20 times its size and lower is better.",
        "left-out runs against the 90% bands that the stacked forms predicted from runs {factor:g}x smaller",
    ),
    "backtest": Caption(
        "The largest runs, predicted by {by} from the smaller ones",
        "The same kind of prediction by one form alone, where the outcome is known. Nine points in ten should lie "
        "within their 90% band. Where they do not, that form is too sure of itself. Zero is the predicted loss; below "
        "it, the run did better. The shaded runs lie about as far out as the test is named for; the others are nearer.",
        "left-out runs against the 90% bands that {name} predicted from runs {factor:g}x smaller",
    ),
    "isoflop": Caption(
        "IsoFLOP view",
        "Each curve spends one budget on models of different size. The diamond is the best size, with its 95% "
        "interval; dots are runs within a factor of 1.5 of the budget. A flat curve means that a wrong size costs "
        "little.",
        "loss against parameters at a few budgets up to {at} FLOP",
    ),
    "frontier_params": Caption(
        "Recommended size",
        "Compute-optimal N by each form, with 50, 80 and 95% bands; grey dots are the runs. Where the two bands part, "
        "the choice of form decides the size of the model.",
        "compute-optimal params against compute by {by}",
    ),
    "frontier_tokens": Caption(
        "Recommended tokens",
        "Compute-optimal D by each form, with 50, 80 and 95% bands; grey dots are the runs. The same choice, seen in "
        "tokens.",
        "compute-optimal tokens against compute by {by}",
    ),
    "irreducible": Caption(
        "Irreducible loss, before and after the runs",
        "If the two curves look alike, the runs have said little and the band is the prior's. The floor cannot lie "
        "above the lowest loss seen by more than noise.",
        "prior and posterior density of the irreducible loss by {name}",
    ),
    "forms": Caption(
        "{Against} against {Model}: where they lead",
        "Each form at its own recommended split. They agree where there are runs, or should; look at how far they are "
        "apart at the right edge.",
        "predicted loss by {model} and by {against} against compute",
    ),
    "loo": Caption(
        "{Against} against {Model}: run by run",
        "Each point is a run that was left out and predicted by both forms. A lead that rests on two or three runs is "
        "weak; a lead that changes sign at the right edge speaks about larger runs.",
        "difference in log density of each left-out run between {model} and {against}",
    ),
    "residuals": Caption(
        "What the form leaves over",
        "Points should scatter about zero without a pattern. A bend at the largest compute, or colours that separate, "
        "means that the form is wrong in a way that grows beyond the data.",
        "residuals of {name} against compute",
    ),
    "outliers": Caption(
        "Runs off the law",
        "Each point is a run. Under Student-t noise, how much it counts against one that lies on the law; under noise "
        "with undertuned runs, how likely it is one of them. {said}",
        "residual of each run about {name}, and whether it is an outlier",
    ),
    "priors": Caption(
        "How far the answer leans on priors",
        "By {leading}, the form that weighs most. A prior right of the line moves the answer by more than is "
        "comfortable where it is counted a little more or less. Below, the loss itself with each prior in turn made "
        "1.4 times wider and narrower.",
        "sensitivity of each answer by {leading} to each prior and to the runs",
    ),
    "single_runs": Caption(
        "Does the answer hang on one run?",
        "How far the loss by {leading} would move if any one run had not been there. Runs above the line of the last "
        "panel are so telling that only a fit without them could say.",
        "shift of the predicted loss without each run, over the run's compute",
    ),
    "predicted_without": Caption(
        "Are the runs such as the model would make?",
        "Each run as {leading} predicts it from all the others. The line should stay in the grey band: above it at the "
        "left, runs come out lower than predicted too often; a wave means that bands are too narrow or too wide. "
        "Beside it, how many runs lie inside of each band, against how many it promises.",
        "{group}: where runs fall in the predictions made without them",
    ),
    "identified": Caption(
        "What the design {can} tell",
        "Worked out from the design before anything was sampled. {said}",
        "joint posterior of {x} and {y} by {name}, with the prior",
    ),
    "learned": Caption(
        "What the runs taught",
        "Each parameter's prior and posterior, relative to the prior's median, with the posterior median on the right. "
        "Magenta: less than half of the prior's spread is gone, so the number is mostly what was put in.",
        "prior and posterior of each parameter of {name}",
    ),
    "diagnostics": Caption(
        "Did the sampler do its work?",
        "Every check must end left of the limit. Of the plain forms besides, the ranks of the worst parameter by "
        "chain: chains that agree are level.",
        "convergence checks of {name} against their limits",
    ),
}
# Said beside the ridges of a design that cannot tell parameters apart.
RIDGES = (
    " Below, the two parameters that most make up each such line, together: along the ridge that the blue contours "
    "follow, the runs fit nearly alike."
)
