"""How a function, a property or a class of ours is written on a reference page."""

import inspect
import re
from collections.abc import Callable, Iterable
from enum import Enum
from inspect import get_annotations
from typing import Any, TypeVar, Unpack, get_args, get_origin

from prefork.worker.serving import Where

WIDEST = 96  # characters of a signature on one line

_MODULES = re.compile(r"\b(?:[A-Za-z_]\w*\.)+(?=\w)|~")
_COROUTINE = re.compile(r"Coroutine\[Any, Any, (.*)\]")
_PAGES = re.compile(r"docs/(reference|howto)/([\w-]+)\.md")
_PROMPTS = re.compile(r"^(?:>>>|\.\.\.) ", re.MULTILINE)
_STARS = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}  # by kind of the parameter
_UNPACKED = {"Unpack[Whereabouts]": Where}  # keyword arguments, by how their type is written


def entry(name: str, thing: Any, said: str = "", *, depth: int = 3) -> str:
    """Render what *name* stands for. *said*: its docstring, where its own is not the one; *depth*:
    of its heading."""
    function: Any = thing.fget if isinstance(thing, property) else thing
    shown = prototype(name, function)
    if isinstance(thing, property):
        shown = shown.replace("() -> ", ": ", 1)
    return f"{'#' * depth} `{name}`\n\n```python\n{shown}\n```\n\n{paragraphs(said or function)}"


def prototype(name: str, function: Callable[..., Any]) -> str:
    """Render how it is called, as *name*, and what it returns."""
    signature = inspect.signature(function)
    given = [each for each in signature.parameters.values() if each.name != "self"]
    arguments = list(_arguments(given))
    result = "" if inspect.isclass(function) else _annotation(signature.return_annotation)
    found = _COROUTINE.fullmatch(result)
    is_awaited = found is not None or inspect.iscoroutinefunction(function)
    head = f"await {name}" if is_awaited else name
    tail = f" -> {found[1] if found else result}" if result else ""
    line = f"{head}({', '.join(arguments)}){tail}"
    if len(line) <= WIDEST:
        return line
    return "\n".join([f"{head}(", *(f"    {each}," for each in arguments), f"){tail}"])


def paragraphs(said: Any) -> str:
    """A docstring, or that of an object, as Markdown. Raises ValueError where there is none."""
    text = said if isinstance(said, str) else inspect.getdoc(said)
    if not text:
        raise ValueError(f"{said!r} has no docstring")
    blocks = [_block(each) for each in inspect.cleandoc(text).split("\n\n")]
    return _PAGES.sub(r"[\2](../\1/\2.md)", "\n\n".join(blocks)) + "\n"


def first(said: Any) -> str:
    """The first paragraph of a docstring, on one line."""
    return paragraphs(said).split("\n\n", maxsplit=1)[0].replace("\n", " ").strip()


def _block(text: str) -> str:
    if not text.startswith(">>> "):
        return text
    return "```python\n" + _PROMPTS.sub("", text) + "\n```"


def _arguments(given: Iterable[inspect.Parameter]) -> Iterable[str]:
    is_by_name = is_by_place = False
    for each in given:
        if is_by_place and each.kind is not each.POSITIONAL_ONLY:
            yield "/"
        is_by_place = each.kind is each.POSITIONAL_ONLY
        is_by_name = is_by_name or each.kind is each.VAR_POSITIONAL
        for parameter in _unpacked(each):
            if parameter.kind is parameter.KEYWORD_ONLY and not is_by_name:
                is_by_name = True
                yield "*"
            yield _argument(parameter)


def _unpacked(given: inspect.Parameter) -> Iterable[inspect.Parameter]:
    """What stands for a parameter: of keyword arguments each that there may be, else itself."""
    if kind := _UNPACKED.get(str(given.annotation)):
        return inspect.signature(kind).parameters.values()
    if get_origin(given.annotation) is not Unpack:
        return [given]
    [options] = get_args(given.annotation)
    return [
        inspect.Parameter(name, given.KEYWORD_ONLY, default=..., annotation=kind)
        for name, kind in get_annotations(options).items()
    ]


def _argument(parameter: inspect.Parameter) -> str:
    text = f"{_STARS.get(parameter.kind.name, '')}{parameter.name}"
    if parameter.annotation is not parameter.empty:
        text += f": {_annotation(parameter.annotation)}"
    if parameter.default is not parameter.empty:
        default = parameter.default
        shown = f"{type(default).__name__}.{default.name}" if isinstance(default, Enum) else None
        text += " = ..." if default is ... else f" = {shown or repr(default)}"
    return text


def _annotation(annotation: Any) -> str:
    """A type, without the modules that its names are of."""
    if annotation is inspect.Signature.empty:
        return ""
    if isinstance(annotation, TypeVar):
        annotation = annotation.__bound__ or annotation.__name__
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return _MODULES.sub("", text)
