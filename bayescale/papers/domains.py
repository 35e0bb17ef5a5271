"""How low can the loss go in other domains? Henighan et al. 2020, images, video, mathematics and language."""

import numpy as np
import xarray as xr

from bayescale.errors import QuestionError
from bayescale.laws import get_law
from bayescale.papers.tables import PF_DAY, published_table

RESOURCES = ("params", "compute")


def irreducible_by_domain() -> xr.Dataset:
    """Return the published irreducible loss and exponents of each domain, from N and from C.

    Returns
    -------
    xarray.Dataset
        On the dims ``domain`` and ``resource`` (``params``: from the sizes, tokens plentiful; ``compute``: from the
        frontier): ``irreducible_loss`` and ``scale`` (parameters or PF-days) and ``exponent`` of
        ``L = irreducible_loss + (scale/x)**exponent``. By domain: ``gap``, the floor from N less that from C, and
        ``gap_share``, the same as a share of their mean: two readings of one entropy, which agree where it is near
        zero; ``optimal_exponent`` and ``optimal_scale`` (PF-days) of ``N_opt = (C/optimal_scale)**optimal_exponent``;
        ``note``. Missing where the paper prints nothing; a floor of zero is one that was not resolved.

    Notes
    -----
    Henighan et al. 2020, arXiv 2010.14701, Table 1. No uncertainty is printed, so a gap is all that can be said of the
    agreement.

    Examples
    --------
    >>> from bayescale.papers.domains import irreducible_by_domain
    >>> floors = irreducible_by_domain()
    >>> float(floors["irreducible_loss"].sel(domain="Image 8x8", resource="compute"))
    3.13
    """
    table = published_table("henighan").set_index("domain")
    by_resource = {
        "irreducible_loss": ("floor", "nats/token"),
        "scale": ("scale", "parameters or PF-days"),
        "exponent": ("exponent", "1"),
    }
    out = xr.Dataset(
        {
            name: (("domain", "resource"), table[[f"{r}_{part}" for r in RESOURCES]].to_numpy(), {"units": unit})
            for name, (part, unit) in by_resource.items()
        },
        {"domain": table.index.to_numpy(dtype=str), "resource": list(RESOURCES)},
    )
    floor = out["irreducible_loss"]
    gap = floor.sel(resource="params", drop=True) - floor.sel(resource="compute", drop=True)
    mean = floor.mean("resource", skipna=False)
    out["gap"] = gap.assign_attrs(units="nats/token", long_name="floor from N less floor from C")
    out["gap_share"] = (gap / mean.where(mean > 0)).assign_attrs(units="1", long_name="gap as a share of the floor")
    out["optimal_exponent"] = ("domain", table["optimal_exponent"].to_numpy())
    out["optimal_scale"] = ("domain", table["optimal_scale"].to_numpy(), {"units": "PF-days"})
    out["note"] = ("domain", table["note"].fillna("").to_numpy(dtype=str))
    out.attrs = {
        "question": "irreducible loss across domains",
        "source": "Henighan et al. 2020, arXiv 2010.14701, Table 1",
        "loss_unit": "nats/token",
    }
    return out


def loss_by_domain(*, params: float | None = None, compute: float | None = None) -> xr.Dataset:
    """Return each domain's published loss, at a size with tokens to spare or on the frontier at a compute.

    Parameters
    ----------
    params : float, optional
        N without embeddings.
    compute : float, optional
        FLOP. One of the two is asked for.

    Returns
    -------
    xarray.Dataset
        By domain, in nats/token: ``loss`` and ``reducible_loss``, the KL divergence between data and model; with
        ``compute``, ``optimal_params`` too. Missing where the paper prints nothing.

    Raises
    ------
    QuestionError
        If not exactly one of the two is given, or it is not a positive number.

    Examples
    --------
    >>> from bayescale.papers.domains import loss_by_domain
    >>> round(float(loss_by_domain(params=1e9)["loss"].sel(domain="Image 32x32")), 3)
    2.316
    """
    given = {name: value for name, value in (("params", params), ("compute", compute)) if value is not None}
    if len(given) != 1:
        raise QuestionError(f"give params or compute, one of the two; got {', '.join(given) or 'neither'}.")
    [(resource, value)] = given.items()
    if not (np.isfinite(value) and value > 0):
        raise QuestionError(f"{resource}: accepted: a number above 0; got {value!r}.")
    floors = irreducible_by_domain()
    one = floors.sel(resource=resource, drop=True)
    in_their_unit = value / PF_DAY if resource == "compute" else value
    paper = {"E": one["irreducible_loss"], "x_c": one["scale"], "alpha": one["exponent"]}
    loss = get_law("power-floor").on(resource).paper(np, paper, **{resource: in_their_unit})
    out = xr.Dataset({"loss": loss, "reducible_loss": loss - one["irreducible_loss"]})
    for variable in out.data_vars.values():
        variable.attrs["units"] = "nats/token"
    if resource == "compute":
        out["optimal_params"] = (in_their_unit / floors["optimal_scale"]) ** floors["optimal_exponent"]
        out["optimal_params"].attrs = {"units": "parameters", "long_name": "compute-optimal N, without embeddings"}
    return out.assign_coords({resource: value}).assign_attrs(floors.attrs, question="loss across domains")
