import numpy as np
import pandas as pd
import pytest
import xarray as xr

from bayescale.errors import QuestionError
from bayescale.papers.domains import irreducible_by_domain, loss_by_domain
from bayescale.papers.tables import PF_DAY, published_table


def test_floors_and_exponents_are_those_of_the_table():
    # Henighan et al. 2020, Table 1.
    floors = irreducible_by_domain()
    assert floors.sizes == {"domain": 12, "resource": 2}
    video = floors.sel(domain="Video VQ 16x16x16")
    assert video["irreducible_loss"].values.tolist() == [1.01, 0.95]
    assert video["exponent"].values.tolist() == [0.24, 0.14]
    assert video["optimal_exponent"].item() == 0.71
    assert np.isnan(floors["irreducible_loss"].sel(domain="Text-to-Im (Text)", resource="compute"))
    assert "slip" in floors["note"].sel(domain="Text-to-Im (Image)").item()


def test_the_optimal_size_grows_alike_in_all_domains():
    # Henighan et al. 2020: N_opt ~ C^0.7 throughout.
    exponent = irreducible_by_domain()["optimal_exponent"].dropna("domain")
    assert exponent.sizes["domain"] == 10
    assert float(exponent.mean()) == pytest.approx(0.69, abs=0.01)
    assert 0.63 < float(exponent.min()) < float(exponent.max()) < 0.76


def test_two_readings_of_one_floor_are_compared():
    floors = irreducible_by_domain()
    gap = floors["gap"].to_series()
    assert gap["Image 8x8"] == pytest.approx(-0.01)
    assert gap["Math (Extrapolate)"] == pytest.approx(0.14)
    assert floors["gap_share"].to_series()["Math (Extrapolate)"] == pytest.approx(0.14 / 0.21)
    images = floors["gap_share"].to_series().filter(like="Image ")
    assert images.abs().max() < 0.033
    # Where no floor was resolved there is nothing to compare.
    assert np.isnan(floors["gap_share"].sel(domain="Language"))


def test_the_optimal_size_of_16x16_images_is_that_of_the_text():
    # Henighan et al. 2020: the text has N_opt = 2.8e8 C^0.74 (C in PF-days); Table 1 has C_0 = 4.8e-12, beta = 0.75.
    # The last digits of C_0 and beta are each worth 15% of N.
    for pf_days in (1e-3, 1.0):
        got = loss_by_domain(compute=pf_days * PF_DAY)["optimal_params"].sel(domain="Image 16x16").item()
        assert got == pytest.approx(2.8e8 * pf_days**0.74, rel=0.15)
    assert got == pytest.approx((1 / 4.8e-12) ** 0.75)


def test_a_domains_loss_is_its_floor_and_a_power():
    at = loss_by_domain(params=1e9)
    # Henighan et al. 2020, Table 1, Image 32x32: 2.20 + (6.3e1/N)^0.13.
    assert at["loss"].sel(domain="Image 32x32").item() == pytest.approx(2.20 + (63 / 1e9) ** 0.13)
    assert at["reducible_loss"].sel(domain="Image 32x32").item() == pytest.approx((63 / 1e9) ** 0.13)
    assert "optimal_params" not in at
    by_compute = loss_by_domain(compute=10 * PF_DAY)
    assert by_compute["loss"].sel(domain="Image VQ 16x16").item() == pytest.approx(4.09 + (6.1e-7 / 10) ** 0.11)
    # Henighan et al. 2020, Table 1: GPT-3's 2.57 C^-0.048 is the language row at 1 PF-day.
    assert loss_by_domain(compute=PF_DAY)["loss"].sel(domain="Language").item() == pytest.approx(2.57, abs=0.005)


@pytest.mark.parametrize("given", [{}, {"params": 1e9, "compute": 1e21}])
def test_one_place_is_asked_for(given):
    with pytest.raises(QuestionError, match="give params or compute, one of the two"):
        loss_by_domain(**given)


@pytest.mark.parametrize("value", [0.0, -1.0, np.inf, np.nan])
def test_a_place_that_is_no_size_is_refused(value):
    with pytest.raises(QuestionError, match="compute: accepted: a number above 0"):
        loss_by_domain(compute=value)


def irreducible_by_image():
    """Four published readings of the irreducible loss of a whole image in nats, and how far they are apart."""
    table = published_table("henighan-images").set_index("domain")
    per_token = irreducible_by_domain()["irreducible_loss"].sel(domain=table.index.to_numpy(dtype=str)).to_pandas()
    readings = pd.DataFrame(
        {
            "per image": table["irreducible"],
            "from N": per_token["params"] * table["tokens_per_image"],
            "from C": per_token["compute"] * table["tokens_per_image"],
            "limit of L(D)": table["irreducible_from_data"],
            "limit of L(C)": table["irreducible_from_compute"],
        }
    )
    coords = {"domain": readings.index.to_numpy(dtype=str), "reading": list(readings)}
    out = xr.Dataset({"irreducible_loss": xr.DataArray(readings.to_numpy(dtype=float), coords)})
    floor = out["irreducible_loss"]
    return out.assign(spread=(floor.max("reading") - floor.min("reading")) / floor.mean("reading"))


def test_four_readings_of_an_images_entropy_agree():
    image = irreducible_by_image()
    floor = image["irreducible_loss"]
    # Henighan et al. 2020: L(D = inf) 2013 and L(C = inf) 2023 nats/image at 16x16, 599 and 602 at 8x8.
    assert floor.sel(domain="Image 16x16", reading=["limit of L(D)", "limit of L(C)"]).values.tolist() == [2013, 2023]
    assert floor.sel(domain="Image 8x8", reading=["limit of L(D)", "limit of L(C)"]).values.tolist() == [599, 602]
    # An RGB image of 16x16 is 768 tokens: Table 1's 2.64 nats/token makes 2027.5 where Table 3 has 2026.
    assert floor.sel(domain="Image 16x16", reading="from N").item() == pytest.approx(768 * 2.64)
    assert (image["spread"].sel(domain=["Image 8x8", "Image 16x16", "Image 32x32"]) < 0.0075).all()
    assert (image["spread"] < 0.035).all()
    np.testing.assert_allclose(floor.sel(reading="from C"), floor.sel(reading="per image"), rtol=0.003)
