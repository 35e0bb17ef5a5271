"""docs/laws.md is written by `make laws`; where one of these fails, run it."""

import re
from pathlib import Path

import pytest
from PIL import Image

import bayescale as bs

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "laws.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("law", bs.laws.LAWS.values(), ids=bs.laws.LAWS)
def test_every_law_has_its_section_and_picture(law):
    section = PAGE.partition(f"\n### {law.name}\n")[2].partition("\n### ")[0]
    assert law.equation in section
    assert all(f"`{p.name}`" in section for p in (*law.parameters, *law.paper_parameters))
    assert f"(images/laws/{law.name}.png)" in section
    picture = DOCS / "images" / "laws" / f"{law.name}.png"
    assert picture.stat().st_size <= 60_000
    with Image.open(picture) as image:
        assert image.width >= 500


def test_laws_stand_in_the_order_in_which_they_are_listed():
    assert re.findall(r"^### (\S+)$", PAGE, flags=re.MULTILINE) == list(bs.laws.LAWS)


def test_every_card_is_linked_and_no_link_is_dead():
    linked = re.findall(r"\]\(\.\./models/(\S+)\.toml\)", PAGE)
    assert sorted(linked) == bs.list_cards()
    pictures = {path.stem for path in (DOCS / "images" / "laws").glob("*.png")}
    assert pictures == set(bs.laws.LAWS)
