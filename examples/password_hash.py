"""Users who register and log in: hashing a password is meant to be slow, so it is done in the pool.

prefork serve password_hash:app --app-dir examples --workers 2 --pool 2
curl --json '{"name": "ada", "password": "lovelace"}' http://127.0.0.1:8000/register
curl --json '{"name": "ada", "password": "lovelace"}' http://127.0.0.1:8000/login
curl --json '{"name": "ada", "password": "byron"}' http://127.0.0.1:8000/login

The users are in users.sqlite3, in the directory where prefork was started. A login takes some
0.2 s of a CPU. When more come than the pool can do they wait, `--pool-queue` of them; others get a
503, and all the while `/` is answered at once. scrypt releases the GIL, so that
`--pool-engine threads` will do too.
"""

import hashlib
import hmac
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

from prefork import pool

FILE = "users.sqlite3"
TABLE = "CREATE TABLE IF NOT EXISTS users (name TEXT PRIMARY KEY, salt BLOB, hash BLOB)"
SALT = 16  # bytes
NOBODY = (bytes(SALT), b"")  # an unknown name takes as long as a known one, or it would be told


class Credentials(BaseModel):
    name: str = Field(min_length=1, max_length=100)
    password: str = Field(min_length=1, max_length=1000)


# -- in a process of the pool ----------------------------------------------------


def register(name: str, password: str) -> bool:
    """Add a user; False: there is one of that name."""
    salt = os.urandom(SALT)
    user = (name, salt, hashed(password, salt))
    try:
        with users() as database:
            database.execute("INSERT INTO users VALUES (?, ?, ?)", user)
    except sqlite3.IntegrityError:
        return False
    return True


def is_right(name: str, password: str) -> bool:
    """Say whether there is such a user, with that password."""
    with users() as database:
        found = database.execute("SELECT salt, hash FROM users WHERE name = ?", (name,)).fetchone()
    salt, expected = found or NOBODY
    return hmac.compare_digest(hashed(password, salt), expected)


def hashed(password: str, salt: bytes) -> bytes:
    """Hash it as OWASP's Password Storage Cheat Sheet has it for 16 MiB."""
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=5)


@contextmanager
def users() -> Iterator[sqlite3.Connection]:
    """Open the file for one transaction."""
    with closing(sqlite3.connect(FILE, timeout=5)) as database, database:
        database.execute(TABLE)
        yield database


# -- in a worker -----------------------------------------------------------------

app = FastAPI()


@app.get("/")
async def who() -> dict[str, int]:
    return {"pid": os.getpid()}


@app.post("/register", status_code=201)
async def add(given: Credentials) -> dict[str, str]:
    if not await pool.run(register, given.name, given.password):
        raise HTTPException(409, "that name is taken")
    return {"name": given.name}


@app.post("/login")
async def log_in(given: Credentials) -> dict[str, str]:
    if not await pool.run(is_right, given.name, given.password, priority=1):  # before new users
        raise HTTPException(401, "no such user, or another password")
    return {"name": given.name}
