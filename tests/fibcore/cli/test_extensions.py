from __future__ import annotations

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from fibcore import FibError, hookimpl
from fibcore.cli.extensions import add_commands
from fibcore.packages import OWN, Packages, Source


class Package:
    """A package whose hook is the given function."""

    def __init__(self, register):
        self.register = register

    @hookimpl
    def fib_register_commands(self, app):
        self.register(app)


@pytest.fixture
def fib():
    """An app with a command ``run`` and a group ``cache``."""
    app = typer.Typer(name="fib")
    app.command("run")(lambda: print("runs"))
    app.command("check")(lambda: print("checks"))
    app.add_typer(group("list"), name="cache")
    return app


def group(*names):
    made = typer.Typer()
    for name in names:
        made.command(name)(lambda: None)

    @made.callback()
    def about():
        """A group."""

    return made


def command(name, deed=lambda: None, **options):
    """Return a hook function that adds one command."""

    def register(app):
        app.command(name, **options)(deed)

    return register


def extended(app, *hooks, own=None):
    """Add what the hooks of packages ``one``, ``two``... register; return what was broken.

    `own` is the hook of fib's own plugins, which are found last.
    """
    packages = Packages()
    for name, hook in zip(("one", "two", "three"), hooks, strict=False):
        packages.add_module(Package(hook), Source(f"{name} = tests", f"fib-{name}", "1.0"))
    if own is not None:
        packages.add_module(Package(own), Source("builtin = tests", OWN, "1.0"))
    add_commands(app, packages)
    return packages.broken


def help_of(app):
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "100"})
    assert shown.exit_code == 0, shown.output
    return shown.output


def test_commands_and_groups_of_packages_join_those_of_fib(fib):
    def two(app):
        app.add_typer(group("list", "drop"), name="archive", help="Old runs.")

    def weigh(grams: float):
        """Weigh a sample."""
        print(f"{grams:g} g")

    assert extended(fib, command("weigh", weigh), two) == []
    assert CliRunner().invoke(fib, ["weigh", "2.5"]).output == "2.5 g\n"
    assert CliRunner().invoke(fib, ["archive", "drop"]).exit_code == 0
    shown = help_of(fib)
    assert shown.index("Commands") < shown.index("fib-one") < shown.index("Weigh a sample.")
    assert shown.index("fib-two") < shown.index("Old runs.")


def test_a_panel_that_a_package_chooses_is_kept(fib):
    extended(fib, command("weigh", rich_help_panel="Samples"))
    shown = help_of(fib)
    assert "Samples" in shown
    assert "fib-one" not in shown


def failing(app):
    command("weigh")(app)
    raise SystemExit("no licence")


def unfit(app):
    def weigh(sample: int | str): ...

    command("good")(app)
    command("weigh", weigh)(app)


def takes_over(app):
    command("weigh")(app)
    app.callback()(lambda quiet: None)


@pytest.mark.parametrize(
    ("hook", "reason"),
    [
        (failing, "SystemExit: no licence"),
        (unfit, "Union types"),
        (takes_over, "packages cannot add options to `fib`"),
        (command("weigh", help="a [/b] c"), "MarkupError"),
        (lambda app, more: None, "missing 1 required positional argument"),
    ],
)
def test_a_package_that_breaks_adds_nothing_and_disturbs_nothing(fib, hook, reason):
    (broken,) = extended(fib, hook, command("count"))
    assert broken.distribution == "fib-one"
    assert reason in broken.reason
    shown = help_of(fib)
    assert "count" in shown
    assert "weigh" not in shown
    assert "good" not in shown


@pytest.mark.parametrize("name", ["run", "cache"])
def test_a_name_that_fib_has_stays_with_fib_and_the_clash_is_noted(fib, name):
    def hook(app):
        command(name, lambda: print("stolen"))(app)
        command("count")(app)

    (broken,) = extended(fib, hook)
    assert broken.reason.startswith(f"the command '{name}' is taken by fib: ")
    assert CliRunner().invoke(fib, ["run"]).output == "runs\n"
    assert CliRunner().invoke(fib, ["cache", "list"]).exit_code == 0
    assert CliRunner().invoke(fib, ["count"]).exit_code == 0


def test_of_two_packages_with_one_command_the_first_has_it(fib):
    (broken,) = extended(
        fib, command("weigh", lambda: print("one")), command("weigh", lambda: print("two"))
    )
    assert broken.distribution == "fib-two"
    assert "taken by fib-one" in broken.reason
    assert CliRunner().invoke(fib, ["weigh"]).output == "one\n"


def test_commands_of_fibs_own_plugins_come_first_and_join_those_of_the_core(fib):
    def weigh():
        """Weigh it."""
        print("ours")

    (broken,) = extended(
        fib, command("weigh", lambda: print("stolen")), own=command("weigh", weigh)
    )
    assert broken.distribution == "fib-one"
    assert CliRunner().invoke(fib, ["weigh"]).output == "ours\n"
    assert OWN not in help_of(fib)


def test_what_a_command_of_a_package_raises_is_one_message_and_an_exit_code(fib):
    def weigh():
        raise FibError("the balance is off; switch it on")

    def refused():
        raise PermissionError(13, "Permission denied", "/dev/balance")

    def hook(app):
        command("weigh", weigh)(app)
        inner = group()
        command("refused", refused)(inner)
        app.add_typer(inner, name="balance")

    extended(fib, hook)
    assert CliRunner().invoke(fib, ["weigh"]).exit_code == FibError("").exit_code
    shown = CliRunner().invoke(fib, ["balance", "refused"])
    assert shown.exit_code == 1
    assert shown.exception is None or isinstance(shown.exception, SystemExit)


def test_a_command_of_a_package_that_ends_the_program_has_failed(fib):
    extended(fib, command("leave", lambda: sys.exit(0)))
    done = CliRunner().invoke(fib, ["leave"])
    assert done.exit_code == 1
    assert "tried to end the program (SystemExit: 0)" in done.stderr


def test_without_the_plugins_of_fib_itself_the_help_says_why_there_are_no_commands():
    code = (
        "import sys\n"
        "sys.modules['fib_plugins'] = None\n"
        "from fibcore.cli import main\n"
        "sys.argv = ['fib', '--help']\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "warning: the plugins and commands that belong to fib cannot be used: " in done.stderr
    assert "import of fib_plugins halted" in done.stderr
    assert "Usage: fib" in done.stdout
    assert "Run a pipeline" not in done.stdout  # the commands are in the package that is missing


def test_the_help_imports_no_library_of_numbers():
    code = (
        "import sys\n"
        "from fibcore.cli.extensions import command_line\n"
        "from typer.main import get_group\n"
        "assert {'run', 'report', 'cache', 'init'} <= set(get_group(command_line()).commands)\n"
        "heavy = {'numpy', 'pydantic', 'matplotlib', 'jinja2', 'torch', 'numba', 'PIL'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_interruption_while_packages_are_imported_is_no_traceback():

    code = (
        "from fibcore.cli.errors import run_cleanly\n"
        "def interrupted(): raise KeyboardInterrupt\n"
        "raise SystemExit(run_cleanly(interrupted))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")
