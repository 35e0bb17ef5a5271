"""Model cards in files: found by name or path, completed from the card that they extend and from the defaults."""

import tomllib
from pathlib import Path
from typing import Any

from bayescale.cards.card import ADDITIONS, Card, parse_card, split_name
from bayescale.errors import BayescaleError, CardError, did_you_mean
from bayescale.laws import law_by_name
from bayescale.layers import LAYERS
from bayescale.shipped_files import shipped_path

DEFAULTS = "defaults"


def list_cards() -> list[str]:
    """Return the names of the shipped cards.

    Returns
    -------
    list of str
        What `load_card` takes, in alphabetical order; each may be followed by ``"+drift"`` and the like.

    Examples
    --------
    >>> import bayescale as bs
    >>> "chinchilla" in bs.list_cards()
    True
    """
    return sorted(path.stem for path in shipped_path("models").glob("*.toml") if path.stem != DEFAULTS)


def load_card(model: "str | Path | Card") -> Card:
    """Return the card of that name, or the one in that TOML file.

    Parameters
    ----------
    model : str, path or Card
        A shipped card's name; the path of a card of your own, ending in ``.toml``; either with a column after a colon
        for a law in one variable, such as ``"power:tokens"``; any of them with ``"+drift"`` at its end for the same
        card with a discrepancy, ``"+curve"`` for learning curves, ``"+budget"`` or ``"+design"`` for errors that runs
        of one IsoFLOP budget or of one design share, or several of these; or a card.

    Returns
    -------
    Card
        Checked, and completed from the card that it extends and from the defaults; a card that was given, as it is.

    Raises
    ------
    CardError
        If there is no such card, or a name or value in it is not accepted.

    Examples
    --------
    >>> import bayescale as bs
    >>> bs.load_card("chinchilla").law
    'chinchilla'
    >>> bs.load_card("power:tokens").x
    'tokens'
    >>> bs.load_card("chinchilla+drift").discrepancy.kind
    'drift'
    >>> list(bs.load_card("chinchilla+drift+budget").errors)
    ['budget', 'lean']
    >>> bs.load_card("chinchilla+curve").noise.family
    'Normal'
    """
    if isinstance(model, Card):
        return model
    base, added = split_name(str(model))
    name, _, column = base.partition(":")
    path = _find_card(name)
    card = make_card(_read_content(path), path.stem, str(path))
    card = card.on(column) if column else card
    for end in added:
        card = with_added(card, end)
    return card


def with_added(card: Card, end: str) -> Card:
    """Return the card with what that end of a name adds, as it is shipped; a card that has its own stays as it is."""
    (table, *keys), defaults = ADDITIONS[end], _read_defaults()
    content = card.model_dump(mode="json", exclude={"name"})
    shipped, own = defaults[table], content[table]
    if own and all(key in own for key in keys):
        return card
    content[table] = (own or {}) | {key: shipped[key] for key in keys} if keys else shipped
    for layer in LAYERS:
        layer.reconcile_tables(content, defaults, table)
    name = card.name + end
    return parse_card(content, name, name)


def pooled_as(card: Card, pooling: str) -> Card:
    """Return the card with every parameter of its law pooled over families in one way: none, partial, complete."""
    content = card.model_dump(mode="json", exclude={"name"})
    how = {"default": pooling} | ({"spread": _read_defaults()["pooling"]["spread"]} if pooling == "partial" else {})
    how |= {name: content["pooling"][name] for name in ("spread", *card.noise.priors) if name in content["pooling"]}
    name = f"{card.name}, {pooling} pooling"
    return parse_card(content | {"pooling": how}, name, name)


def _read_defaults() -> dict[str, Any]:
    return _read_content(shipped_path("models") / f"{DEFAULTS}.toml")


def make_card(content: dict[str, Any], name: str = "card", where: str | None = None) -> Card:
    """Check a card given as a dict, with the tables of a TOML card as its keys.

    Parameters
    ----------
    content : dict
        As in a TOML card: ``law``, ``title``, ``priors`` ...; ``extends`` names the card that it changes.
    name : str
        The card's name.
    where : str, optional
        Where it stands, for messages; files that it names are sought beside that place.

    Returns
    -------
    Card
        Completed from the card that it extends and from the defaults.

    Raises
    ------
    CardError
        If a name or value in it is not accepted.

    Examples
    --------
    >>> import bayescale as bs
    >>> bs.cards.make_card({"extends": "chinchilla", "priors": {"alpha": {"dist": "Fixed", "value": 0.34}}}).fixed
    {'alpha': 0.34}
    """
    where = where or name
    content = {"title": name} | _extend_content(content, where)
    law = content.get("law")
    if isinstance(law, str) and ".py:" in law:
        # A card says where a law of the user's own file is relative to itself.
        file, _, function = law.rpartition(":")
        content["law"] = f"{(Path(where).parent / file).resolve()}:{function}"
    return parse_card(_complete_content(content), name, where)


def _find_card(name: str) -> Path:
    if name.endswith(".toml"):
        return Path(name)
    if name not in list_cards():
        card, plus, end = name.partition("+")
        if plus and card.partition(":")[0] in list_cards():
            raise CardError(
                f"there is nothing to add to a model as {plus + end!r}.{did_you_mean(plus + end, ADDITIONS)} "
                f"Accepted: {', '.join(ADDITIONS)}."
            )
        meant = did_you_mean(name, list_cards()) or f" Shipped models: {', '.join(list_cards())}."
        raise CardError(
            f"there is no model {name!r}.{meant} `bayescale models` lists them all; a card of your own is a path that "
            "ends in .toml."
        )
    return shipped_path("models") / f"{name}.toml"


def _read_content(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise CardError(f"model card {path}: cannot be read ({error.strerror}).") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CardError(f"model card {path}: not valid TOML: {error}.") from None


def _extend_content(content: dict[str, Any], where: str, depth: int = 0) -> dict[str, Any]:
    """Return the content over that of the card it extends: priors and pooling by parameter, anything else whole."""
    if "extends" not in content:
        return content
    if depth > 5:
        raise CardError(f"model card {where}: extends: the cards extend one another in a circle.")
    name = str(content["extends"])
    bare, added = split_name(name)
    if added:
        end = "".join(added)
        raise CardError(
            f"model card {where}: extends: a card extends another as it stands, so {bare!r} and not {name!r}; {end} is "
            "added where the card is named, at the end of its name."
        )
    try:
        path = Path(where).parent / name if name.endswith(".toml") else _find_card(name)
    except CardError as error:
        raise CardError(f"model card {where}: extends: {error}") from None
    base = _extend_content(_read_content(path), str(path), depth + 1)
    merged = base | {key: value for key, value in content.items() if key != "extends"}
    for table in ("priors", "pooling"):
        if table in base or table in content:
            merged[table] = base.get(table, {}) | content.get(table, {})
    return merged


def _complete_content(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content with the shipped tables in place of those that it lacks."""
    defaults, law = _read_defaults(), content.get("law")
    try:
        response = law_by_name(law).response if isinstance(law, str) else (law or {}).get("response", "loss")
    except (BayescaleError, ValueError, AttributeError):
        response = "loss"  # an unknown law is refused, with its reason, where the card is checked
    tables: dict[str, Any] = {}
    for layer in reversed(LAYERS):
        tables |= layer.complete_table(content, defaults, response)
    return content | tables
