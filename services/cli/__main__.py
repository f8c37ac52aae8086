"""The ``expart`` command: parses the command line and turns errors into one line and a code.

Exit codes: 0 done, 1 a service failed or a sweep ended with unfinished questions, 2 wrong input,
130 interrupted.
"""

import sys

import typer
from pydantic import ValidationError

from services.cli.leaderboard_command import leaderboard
from services.cli.score_command import score
from services.cli.score_options import HELP as SCORE_HELP
from services.cli.serve_command import serve
from services.cli.sweep_command import sweep_app
from services.core.errors import ExpArtError, UserInputError

EXIT_FAILED = 1
EXIT_WRONG_INPUT = 2

app = typer.Typer(
    name="expart",
    help="Serve large vision-language models, sweep ExpArt over them, and read the results.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(serve)
app.add_typer(sweep_app, name="sweep")
app.command(help=SCORE_HELP)(score)
app.command()(leaderboard)


def main() -> None:
    """Runs the command and exits with its code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Runs the command with these arguments and returns its exit code."""
    try:
        app(arguments, prog_name="expart")
    except SystemExit as end:
        return int(end.code or 0)
    except ExpArtError as error:
        print(f"expart: error: {error.message}", file=sys.stderr)
        return EXIT_WRONG_INPUT if isinstance(error, UserInputError) else EXIT_FAILED
    except ValidationError as error:
        # Settings are read from the environment; whatever else is validated has its own message.
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"])
        print(f"expart: error: {error.title}.{name}: {first['msg']}", file=sys.stderr)
        return EXIT_WRONG_INPUT
    except OSError as error:
        print(f"expart: error: {error.filename}: {error.strerror}", file=sys.stderr)
        return EXIT_FAILED
    return 0


if __name__ == "__main__":
    main()
