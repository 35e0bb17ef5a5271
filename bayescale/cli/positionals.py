"""Files before or after options: a file that an option with several values has swallowed is given back."""

import os
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyclopts import Argument

POSTERIORS = (".nc",)
LOGS = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson", ".json", ".wandb", ".db", ".sqlite", ".sqlite3")
# Options whose values may be the paths of cards: there a value is a run log by its ending alone.
OF_CARDS = {"--model", "--models", "--forms"}
NUMBER = re.compile(r"[-+.\d][\d.,_]*(e[-+]?\d+)?[kmbgtx]?", re.IGNORECASE)


def give_back(words: Sequence[str], arguments: "Iterable[Argument]", takes: Sequence[str]) -> list[str]:
    """Return the words of a command, its files and other first words in front.

    An option that takes several values takes all words up to the next option, a file among them too. Where the command
    is then short of what it ``takes`` first (``fit``, ``runs``, ``question`` or ``models``), the last values that can
    be one of them are given back. Where nothing is missing, nothing is changed.
    """
    if "--" in words:  # whoever writes it says where the options end
        return list(words)
    options = {name: argument for argument in arguments for name in argument.names if name.startswith("-")}
    first, swallowed = _split_words(words, options)
    missing = len(takes) - len(first)
    candidates = [i for i, option in swallowed.items() if _is_first_word(words[i], option, takes)]
    if missing <= 0 or not candidates:
        return list(words)
    if "models" in takes:  # the models of a comparison follow its run log
        option = swallowed[candidates[0]]
        given_back = [i for i in swallowed if i >= candidates[0] and swallowed[i] == option]
    else:
        given_back = candidates[-missing:]
    front = sorted({*first, *given_back})
    return [words[i] for i in front] + [word for i, word in enumerate(words) if i not in front]


def _split_words(words: Sequence[str], options: "dict[str, Argument]") -> tuple[list[int], dict[int, str]]:
    """Return which words no option takes, and which words an option with several values takes, with that option."""
    first: list[int] = []
    swallowed: dict[int, str] = {}
    option, left = "", 0
    for i, word in enumerate(words):
        if word.startswith("-") and not NUMBER.fullmatch(word):
            name, equals, _ = word.partition("=")
            count, several = options[name].token_count() if name in options else (0, False)
            option, left = (name, 0) if several else ("", 0 if equals else count)
        elif left > 0:
            left -= 1
        elif option:
            swallowed[i] = option
        else:
            first.append(i)
    return first, swallowed


def _is_first_word(word: str, option: str, takes: Sequence[str]) -> bool:
    """Say whether a value of an option is a file or a question that the command is given first."""
    if "question" in takes:
        from bayescale.cli.question_table import QUESTIONS

        if word in QUESTIONS:
            return True
    endings = (POSTERIORS if "fit" in takes else ()) + (LOGS if "runs" in takes else ())
    if word.lower().endswith(endings):
        return True
    return option not in OF_CARDS and not NUMBER.fullmatch(word) and os.path.exists(word)
