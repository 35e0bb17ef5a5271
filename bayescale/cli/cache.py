"""The command ``bayescale cache``: the compiled models that are kept on disk, and a way to be rid of them."""

import time
from typing import Annotated

from cyclopts import Parameter

from bayescale.cli.options import OUTPUT, Flag, Output
from bayescale.cli.schema import CacheRow, Document
from bayescale.cli.show import print_table, say


def cache(
    *,
    clear: Annotated[
        Flag, Parameter(help="Delete all of them; a model is then compiled again when it is asked for.")
    ] = False,
    printing: Output = OUTPUT,
) -> Document:
    """List the compiled models on disk, the last used first; --clear deletes them."""
    from bayescale.inference.program_cache import cache_entries, cache_folder, clear_cache

    folder, document = cache_folder(), Document(cache=[])
    if folder is None:
        say(document, "Compiled models are not kept: BAYESCALE_CACHE turns that off.")
        return document
    entries = cache_entries()
    if clear:
        say(document, f"{_count_models(clear_cache())} deleted from {folder}.")
        return document
    document.cache = [
        CacheRow(
            name=entry.name,
            state=entry.state,
            bytes=entry.size,
            created=entry.created,
            used=entry.used,
            file=str(entry.path),
        )
        for entry in entries
    ]
    if entries:
        print_table(
            "compiled models",
            ["model", "size", "last used", "usable"],
            [
                (
                    entry.name or entry.path.name[:12],
                    f"{entry.size / 1e3:.0f} kB",
                    _tell_time(entry.used),
                    _tell_state(entry.state),
                )
                for entry in entries
            ],
        )
    total = sum(entry.size for entry in entries)
    say(document, f"{_count_models(len(entries))}, {total / 1e6:.1f} MB, in {folder}.")
    return document


def _count_models(count: int) -> str:
    return f"{count} compiled model{'s' * (count != 1)}"


def _tell_time(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _tell_state(state: str) -> str:
    """Say whether a file can be used, and if not why; it is then compiled anew."""
    return {"usable": "yes", "outdated": "no: of another version or processor"}.get(state, "no: damaged")
