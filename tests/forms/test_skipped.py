"""What was left out is kept as records, whatever the forms are called."""

import pytest
import xarray as xr

from bayescale.forms import Skipped, pack_skipped, unpack_skipped

RECORDS = [
    Skipped("2x", None, "Not converged: R-hat 1.3."),
    Skipped("a\nb", 30.0, "two lines\nof text"),
    Skipped("lab, v2", 1e6, 'quoted "text"'),
    Skipped(None, 100.0, "3 runs are that small; it takes 8."),
]


def test_records_come_back_as_they_were_and_each_once(tmp_path):
    answer = xr.Dataset(attrs=pack_skipped([*RECORDS, RECORDS[0]]))
    assert unpack_skipped(answer) == RECORDS
    answer.to_netcdf(tmp_path / "answer.nc")
    assert unpack_skipped(xr.load_dataset(tmp_path / "answer.nc")) == RECORDS


@pytest.mark.parametrize("attrs", [{}, {"skipped": ""}, pack_skipped([])])
def test_an_answer_from_which_nothing_was_left_out_has_none(attrs):
    assert unpack_skipped(xr.Dataset(attrs=attrs)) == []


def test_a_record_is_written_with_its_place_first():
    lines = [str(Skipped(form, factor, "why.")) for form, factor in (("a", None), (None, 3.0), ("a", 1e6))]
    assert lines == ["a: why.", "3x: why.", "1e+06x, a: why."]
