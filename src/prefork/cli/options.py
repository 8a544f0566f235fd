"""The settings schema as the parameters of a command."""

from typing import Any

import click

from prefork.settings import pooling
from prefork.settings.declaration import Described
from prefork.settings.parsing import is_several
from prefork.settings.resolution import CONFIG, CONFIG_VARIABLE, PROFILE, PROFILE_VARIABLE
from prefork.settings.schema import described

FILE = "Configuration file"
REST = "Other options"
WORDS_ELSEWHERE = {  # options of other programs that are typed without a thought
    "--host": "write --bind HOST:PORT",
    "--port": "write --bind HOST:PORT",
    "--uds": "write --bind unix:PATH",
    "--fd": "write --bind fd://N",
    "-k": "the interface is found out, or told by --interface",
    "--worker-class": "the interface is found out, or told by --interface",
    "--factory": "write the application with brackets, as in app:make()",
    "--chdir": "change the directory first, or write --app-dir for the import path",
    "--env": "write --env-file, or [env] in prefork.toml",
    "--timeout": "write --worker-timeout",
    "--timeout-worker-healthcheck": "write --worker-timeout",
    "--timeout-graceful-shutdown": "write --graceful-timeout",
    "--timeout-keep-alive": "write --keepalive-timeout",
    "--keep-alive": "write --keepalive-timeout",
    "--h11-max-incomplete-event-size": "write --max-headers-size",
    "--limit-request-line": "write --max-request-line",
    "--limit-request-fields": "write --max-headers",
    "--limit-request-field_size": "write --max-header-field",
    "--limit-max-requests": "write --max-requests",
    "--limit-max-requests-jitter": "write --max-requests-jitter",
    "--max-memory-restart": "write --max-memory",
    "--proxy-headers": "they are heeded from peers of --forwarded-allow-ips",
    "--no-proxy-headers": "write --forwarded-allow-ips none",
    "--proxy-protocol": "write --proxy-protocol-allow-ips, with the proxy's address",
    "--proxy-allow-from": "write --proxy-protocol-allow-ips",
    "--ws": "WebSockets are served without an option",
    "--ws-max-queue": "one message waits for the application, and then the client does",
    "--websocket-max-message-size": "write --ws-max-size",
    "--ssl-certfile": "write --certfile",
    "--ssl-keyfile": "write --keyfile",
    "--ssl-keyfile-password": "write the key to a file of its own without one, by openssl pkey",
    "--ssl-ca-certs": "write --ca-certs",
    "--ssl-cert-reqs": "write --ca-certs, and --client-certs",
    "--cert-reqs": "write --ca-certs, and --client-certs",
    "--ssl-ciphers": "write --ciphers",
    "--ssl-version": "TLS 1.2 and 1.3 are spoken, and no older ones",
    "--access-logfile": "write --access-log",
    "--log-file": "the log is standard error",
    "--error-logfile": "the log is standard error",
    "--pool-threads": "write --pool, and --pool-engine threads",
    "--daemon": "have systemd or your shell run it; see `prefork list`",
    "--pid": "`prefork list` and the control socket do what it is for",
}


def _pooled(option: str) -> str | None:
    """Say how an option of other pools is called here; None: there is none such."""
    ours = pooling.meant(option.removeprefix("--"))
    return ours and f"write --{ours.replace('_', '-')}"


class SettingsCommand(click.Command):
    """A command with a parameter per setting; its help groups them by section.

    Values stay text here: the schema reads and checks them, so that all that are wrong are named
    at once, wherever they came from.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += [_parameter(each) for each in described()] + _where_from()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Tell whoever comes from elsewhere how an option is called here."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            name = error.option_name
            if ours := WORDS_ELSEWHERE.get(name) or _pooled(name):
                raise click.NoSuchOption(name, f"No such option '{name}': {ours}.") from None
            raise
        except click.BadOptionUsage as error:
            forms = (each.form for each in described() if error.option_name in each.options)
            if form := next(forms, None):
                raise click.UsageError(f"{error.message} Write {form}.", ctx) from None
            raise

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        known = {each.name: each for each in described()}
        sections: dict[str, list[tuple[str, str]]] = {}  # by title
        for parameter in self.get_params(ctx):
            each = known.get(parameter.name or "")
            record = _record(each) if each else parameter.get_help_record(ctx)
            if record:
                sections.setdefault(_section(parameter, each), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


def _section(parameter: click.Parameter, each: Described | None) -> str:
    if each is not None:
        return each.doc.section
    return FILE if parameter.name in (CONFIG, PROFILE) else REST


def _parameter(each: Described) -> click.Parameter:
    if each.is_positional:  # the environment may hold it, so click must not demand it
        return click.Argument([each.name], required=False, metavar=each.label)
    names = [each.label, *([each.doc.short] if each.doc.short else [])]
    if each.is_flag:
        return click.Option([f"{each.label}/--no-{each.label[2:]}"], default=None)
    return click.Option([each.name, *names], type=click.STRING, multiple=is_several(each.type))


def _where_from() -> list[click.Parameter]:
    """What says where settings come from; no setting itself."""
    file = "The file to read settings from. [default: prefork.toml, or [tool.prefork] in "
    profile = "Merge what the file's [profile.NAME] says over the rest of it."
    return [
        click.Option(
            [CONFIG, "-c", "--config"],
            metavar="FILE",
            help=f"{file}pyproject.toml; {CONFIG_VARIABLE}]",
        ),
        click.Option(
            [PROFILE, "--profile"], metavar="NAME", help=f"{profile} [{PROFILE_VARIABLE}]"
        ),
    ]


def _record(each: Described) -> tuple[str, str]:
    """The setting's line in the help: how to type it, what it does."""
    default = "" if each.is_positional else f"default: {each.default_text}; "
    return each.form, f"{each.doc.help} [{default}{each.variable}]"
