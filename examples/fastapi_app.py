"""A FastAPI application with a lifespan, a dependency and a streaming response: notes in memory.

prefork serve fastapi_app:app --app-dir examples --workers max
curl http://127.0.0.1:8000/notes/welcome
curl -N http://127.0.0.1:8000/countdown/5

Each worker has notes of its own: what workers share belongs in a database.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, TypedDict

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel


class Note(BaseModel):
    title: str
    text: str


class Notebook:
    """Notes by title; open from the worker's start to its stop."""

    def __init__(self) -> None:
        self._notes = {"welcome": Note(title="welcome", text="served by prefork")}

    def add(self, note: Note) -> None:
        self._notes[note.title] = note

    def find(self, title: str) -> Note | None:
        return self._notes.get(title)

    def close(self) -> None:
        self._notes.clear()


class State(TypedDict):
    notebook: Notebook


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
    notebook = Notebook()
    yield {"notebook": notebook}
    notebook.close()


def open_notebook(request: Request) -> Notebook:
    notebook: Notebook = request.state.notebook
    return notebook


Notes = Annotated[Notebook, Depends(open_notebook)]
app = FastAPI(lifespan=lifespan)


@app.get("/")
async def who() -> dict[str, int]:
    return {"pid": os.getpid()}


@app.post("/notes", status_code=201)
async def add_note(note: Note, notes: Notes) -> Note:
    notes.add(note)
    return note


@app.get("/notes/{title}")
async def read_note(title: str, notes: Notes) -> Note:
    if note := notes.find(title):
        return note
    raise HTTPException(404, f"no note called {title!r}")


@app.get("/countdown/{start}")
async def countdown(start: int) -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        for number in range(start, 0, -1):
            yield f"{number}\n"
        yield "lift-off\n"

    return StreamingResponse(lines(), media_type="text/plain")
