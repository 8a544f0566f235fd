"""`prefork init`."""

from pathlib import Path

import click

from prefork.cli.discovery import Found, find
from prefork.cli.editor_schema import editor_schema
from prefork.cli.output import say, say_json
from prefork.cli.starter import starter
from prefork.errors import ExitCode, SettingsError
from prefork.settings.checks import application
from prefork.settings.file import OWN
from prefork.settings.file import find as find_file

HERE = Path()


@click.command("init")
@click.argument("app", required=False)
@click.option("--force", is_flag=True, help="Replace a prefork.toml that is there already.")
@click.option(
    "--schema", is_flag=True, help="Write no file; print a JSON Schema of it, for editors."
)
def command(app: str | None, force: bool, schema: bool) -> int:
    """Write a prefork.toml that has every setting, with its default, as a comment.

    APP is MODULE:ATTRIBUTE. Where it is left out, `app`, `application`, `handler`, `create_app()`
    or `make_app()` is looked for in main.py, app.py, api.py, asgi.py and wsgi.py, here, in packages
    and in src.
    """
    if schema:
        if app or force:
            raise click.UsageError("--schema writes no file: it goes alone.")
        say_json(editor_schema())
        return ExitCode.OK
    if app is not None and (wrong := application(app)):
        raise SettingsError(f"APP {wrong}")
    before = find_file(HERE)
    found = None if app is not None else find(HERE)
    _write(starter(_chosen(app, found)), force=force)
    say(f"{OWN}: {_told(app, found)}")
    if before is not None and before.name != OWN.name:
        say(f"[tool.prefork] in {before} is not read any more: {OWN} takes its place")
    return ExitCode.OK


def _chosen(app: str | None, found: Found | None) -> dict[str, str]:
    """The settings that the file sets."""
    if app is not None:
        return {"app": app}
    if found is None:
        return {}
    elsewhere = {} if found.app_dir == "." else {"app_dir": found.app_dir}
    return {"app": found.app, **elsewhere}


def _told(app: str | None, found: Found | None) -> str:
    if app is not None:
        return f"it serves {app}; try `prefork check`"
    if found is not None:
        return f"it serves {found.app}, found in {found.file}; try `prefork check`"
    return "no application was found; write yours as app"


def _write(text: str, *, force: bool) -> None:
    """Raises SettingsError where the file is there, or can't be written."""
    fresh = OWN.with_suffix(".toml.new")  # a full disk must not cost the old one
    try:
        fresh.write_text(text, encoding="utf-8")
        if force:
            fresh.replace(OWN)
        else:
            OWN.hardlink_to(fresh)
    except FileExistsError:
        raise SettingsError(f"{OWN} is there already; --force replaces it") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise SettingsError(f"cannot write {OWN}: {reason}") from None
    finally:
        fresh.unlink(missing_ok=True)
