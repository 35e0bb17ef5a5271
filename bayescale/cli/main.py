"""The command ``bayescale``: its commands by name, and how words become one of them.

Each command is imported when it is called. Hardly anything is imported before `main` runs, so that Ctrl-C is answered
from the start.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyclopts import App
    from cyclopts.exceptions import CycloptsError

    from bayescale.cli.schema import Document

INTERRUPTED, REFUSED = 130, 2
ABOUT = "From the logs of training runs to decisions with honest uncertainty."


class Command:
    """A command: where its function is, what it does, and which files or words it is given first."""

    def __init__(self, path: str, summary: str, takes: tuple[str, ...] = ()) -> None:
        self.path, self.summary, self.takes = path, summary, takes


COMMANDS = {
    "report": Command("report:report", "the main job: three answers, a page with figures, the posteriors", ("runs",)),
    "fit": Command("fit:fit", "sample a posterior and save it", ("runs",)),
    "extrapolate": Command("posterior:extrapolate", "the loss at larger compute, with its band", ("fit",)),
    "split": Command("posterior:split", "compute-optimal N, D and D/N, with bands", ("fit",)),
    "irreducible": Command("posterior:irreducible", "how low the loss can go, with its band", ("fit",)),
    "ask": Command(
        "ask:ask", "further questions to a posterior: bigger or longer, critical batch, ...", ("question", "fit")
    ),
    "outliers": Command(
        "posterior:outliers",
        "the runs that lie off the law: how likely each is undertuned, or how little it counts",
        ("fit",),
    ),
    "finish": Command(
        "finish:finish", "where runs in progress will end, from their checkpoints so far", ("fit", "runs")
    ),
    "forecast": Command(
        "forms:forecast",
        "the loss at larger compute by several forms, weighted by how well they predict",
        ("runs",),
    ),
    "backtest": Command(
        "forms:backtest",
        "predict the largest runs from the smaller ones and count how often bands held",
        ("runs",),
    ),
    "compare": Command(
        "forms:compare",
        "which form the runs support, by LOO and by predicting the largest runs",
        ("runs", "models"),
    ),
    "families": Command(
        "families:families", "what families lend one another: each alone, partially pooled, all as one", ("runs",)
    ),
    "differences": Command(
        "posterior:differences", "by how much the constants of families, schedules, ... differ", ("fit",)
    ),
    "prior": Command("fit:prior", "write a card whose priors are a posterior: one study for the next", ("fit",)),
    "check": Command(
        "check:check", "what the reader understood of a run log, what is wrong with it, what it can tell", ("runs",)
    ),
    "models": Command("models:models", "list the models by family; `models show NAME` prints and pictures one"),
    "data": Command("check:data", "list the run logs that come with the package"),
    "cache": Command("cache:cache", "list the compiled models that are kept on disk; --clear deletes them"),
}


def main(argv: "Sequence[str] | None" = None) -> int:
    """Run the command and return its exit status: 0, 2 for a refusal with a message, 130 for Ctrl-C."""
    try:
        if argv is None:
            return _run_process()
        return _run_words(list(argv))
    except KeyboardInterrupt:
        print("stopped: nothing was written.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _close_pipe()
        return 0
    except OSError as error:
        import errno

        if error.errno != errno.ENOSPC:
            raise
        _close_pipe()
        return _refuse("there is no space left where the output goes.")


def _run_process() -> int:
    """Run the words that the process was given, and leave nothing for Python to tidy up when it ends.

    A command loads a hundred thousand objects that stay until its end: to look for garbage among them takes longer than
    most answers.
    """
    import gc

    gc.set_threshold(100_000)
    try:
        return _run_words(sys.argv[1:])
    finally:
        gc.freeze()


def build_app() -> "App":
    """Return the cyclopts application, with every command as the path that it is imported from."""
    from cyclopts import App, Parameter

    from bayescale.cli.console import Screen

    app = App(
        name="bayescale",
        console=Screen(),
        help=ABOUT,
        version=_version,
        help_format="plaintext",
        default_parameter=Parameter(negative=()),
    )
    for name, command in COMMANDS.items():
        text = command.summary[0].upper() + command.summary[1:]
        more = {"help_epilogue": _list_questions()} if name == "ask" else {}
        app.command(f"bayescale.cli.{command.path}", name=name, help=text, **more)
    app.register_install_completion_command(help="Install completion for your shell: adds to its start-up file.")
    return app


def _run_words(words: list[str]) -> int:
    if words == ["--version"]:
        return _print_lines(f"bayescale {_version()}")
    if words[:1] in (["--help"], ["-h"]):
        return _print_lines(_usage())
    if not words:
        return _refuse("say which command: bayescale COMMAND. `bayescale --help` lists the commands.")
    if words[0] not in (*COMMANDS, "--install-completion"):
        return _refuse(_unknown_word(words[0]))
    from cyclopts.exceptions import CycloptsError

    from bayescale.errors import BayescaleError

    try:
        return _call_command(words)
    except CycloptsError as error:
        return _refuse(_refusal_text(error, words[0]))
    except BayescaleError as error:
        return _refuse(str(error))


def _call_command(words: list[str]) -> int:
    from bayescale.cli.positionals import give_back

    app = build_app()
    if (command := COMMANDS.get(words[0])) and command.takes:
        words = [words[0], *give_back(words[1:], app[words[0]].assemble_argument_collection(), command.takes)]
    function, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    as_json = any(getattr(value, "json", False) is True for value in bound.arguments.values())
    from bayescale.cli.console import out, show_log

    show_log()
    out.quiet = as_json
    try:
        document: Document | None = function(*bound.args, **bound.kwargs)
    finally:
        out.quiet = False
    if as_json and document is not None:
        document.command = words[0]
        print(document.to_json())
    sys.stdout.flush()
    return 0


# -------------------------------------------------------------------------------------------------------------- words


def _version() -> str:
    from importlib.metadata import version

    return version("bayescale")


def _usage() -> str:
    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  {name:{width}}  {command.summary}" for name, command in COMMANDS.items())
    return (
        f"Usage: bayescale COMMAND\n\n{ABOUT}\n\nCommands:\n{listed}\n\n"
        "`bayescale COMMAND --help` says what a command takes. --json prints one JSON document instead of tables.\n"
        "`bayescale --version` prints the version; `bayescale --install-completion` adds completion to your shell."
    )


def _list_questions() -> str:
    from bayescale.cli.question_table import QUESTIONS

    width = max(map(len, QUESTIONS))
    return "Questions:\n" + "\n".join(f"  {name:{width}}  {question.answers}" for name, question in QUESTIONS.items())


def _unknown_word(word: str) -> str:
    from bayescale.errors import did_you_mean

    if word.startswith("-"):
        return f"there is no option {word!r} before the command.{did_you_mean(word, ('--help', '--version'))}"
    return f"there is no command {word!r}.{did_you_mean(word, COMMANDS)} Commands: {', '.join(COMMANDS)}."


def _refusal_text(error: "CycloptsError", command: str) -> str:
    """Say in one line why the words of a command were not understood."""
    from cyclopts.exceptions import CoercionError, MissingArgumentError, UnusedCliTokensError

    error.verbose = False
    help_text = f"`bayescale {command} --help` says what it takes."
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        name, given = error.keyword or "/".join(error.argument.names) or error.argument.name, error.keyword
        if given or error.argument.tokens:
            return f"{given or error.argument.tokens[-1].keyword} needs a value. {help_text}"
        metavar = error.argument.parameter.metavar
        return f"{command} needs {metavar if metavar and not name.startswith('-') else name}. {help_text}"
    if isinstance(error, UnusedCliTokensError):
        return f"{command} does not take {', '.join(map(repr, error.unused_tokens or ()))}. {help_text}"
    if isinstance(error, CoercionError):
        if error.target_type is float and error.token and error.msg is None:
            error.msg = f"accepted is a number; got {error.token.value!r}"
        return " ".join(str(error).split())
    return " ".join(str(error).replace("Unknown option: ", f"{command} has no option ").split())


def _refuse(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return REFUSED


def _print_lines(text: str) -> int:
    print(text, flush=True)
    return 0


def _close_pipe() -> None:
    """Send what is still to be written to nowhere: nobody reads it any more."""
    import contextlib
    import os

    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
