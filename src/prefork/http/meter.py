"""How much a chunked body has beside its data: sizes, extensions, line ends and trailers."""

from prefork.http.errors import Refused

PER_CHUNK = 64  # bytes that are anybody's right: many small chunks are no abuse


class Meter:
    """llhttp passes over chunk extensions in silence and without limit, so bytes are compared."""

    __slots__ = ("_beside", "_in_trailers", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = limit + PER_CHUNK  # trailers may have the limit, beside the lines around them
        self._beside: int | None = None  # unknown while the bytes that hold the head are parsed
        self._in_trailers = False  # or where the data of a chunk will begin

    def chunk(self) -> None:
        """A chunk's size was read, with its extensions; that of the last one too."""
        self._in_trailers = True
        if self._beside is not None:
            self._beside -= PER_CHUNK

    def data(self, size: int) -> None:
        """So much of what was fed is data."""
        self._in_trailers = False
        if self._beside is not None:
            self._beside -= size

    def fed(self, size: int) -> None:
        """So much was fed and parsed. Raises Refused where too little of it was data."""
        if self._beside is None:
            self._beside = 0
            return
        self._beside = max(0, self._beside + size)
        if self._beside > self._limit:
            if self._in_trailers:
                raise Refused(431, "the trailers are too large")
            raise Refused(400, "chunk extensions are too large")
