"""Why the Hub did not do it, in one line, without the token."""

import errno
import re
from collections.abc import Iterator

__all__ = ["broken", "reason"]

WAYS_OUT = {
    401: "it does not know who asks (401): log in with `hf auth login`, or set HF_TOKEN",
    402: "it wants to be paid for this (402): the storage of the account is used up",
    403: "the token may not do this (403): take one that may write to this account",
    404: "it has no such repository, revision or file (404), or hides it from this token",
    409: "something else is going on there (409): do it once more",
    412: "somebody else has committed meanwhile (412): look at that, then do it once more",
    413: "it is too large for the Hub (413)",
    429: "too many requests (429): wait some minutes, then do it once more",
    507: "the Hub's disk is full (507): do it once more later; what has arrived is kept",
}
FAILED = "the Hub failed ({status}): do it once more; what has arrived is not sent again"
OFF = "HF_HUB_OFFLINE is set: the Hub is not asked"
LONGEST = 200
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
TOKEN = re.compile(r"(?:Bearer\s+)?\bhf_[A-Za-z0-9_.-]{8,}|Bearer\s+\S+")


def reason(error: BaseException) -> str:
    """Return what an error of the Hub's client comes down to."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    chain = list(causes(error))
    for one in chain:
        if isinstance(one, HfHubHTTPError):
            return of_status(one.response.status_code, one.server_message)
    for one in chain:
        match one:
            case OfflineModeIsEnabled():
                return OFF
            case OSError() if one.errno in FULL:
                return f"the disk here is full ({one.strerror}): make room, then do it once more"
            case OSError() if one.errno is not None and one.filename:
                return plain(f"{one.filename}: {one.strerror}")
    if any(isinstance(one, broken()) for one in chain):
        return f"the connection broke ({plain(str(chain[-1]))}): do it once more"
    return plain(str(error)) or type(error).__name__


def broken() -> type[Exception]:
    """Return what the client's connections raise."""
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    kind: type[Exception] = HTTPError
    return kind


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, then what caused it, and so on: clients wrap what they meet."""
    yield error
    if inner := error.__cause__ or error.__context__:
        yield from causes(inner)


def of_status(status: int, message: str | None) -> str:
    """Word a status; what the server says goes along where the status alone says too little."""
    if status in WAYS_OUT:
        return WAYS_OUT[status]
    if status >= 500:
        return FAILED.format(status=status)
    return plain(f"it refuses ({status}): {message or 'without a reason'}")


def plain(text: str) -> str:
    """Return the first line of a text, not too long, with no token in it."""
    from huggingface_hub import get_token

    lines = text.strip().splitlines() or [""]
    line = lines[0].replace(get_token() or "\0", "<token>")
    return TOKEN.sub("<token>", line)[:LONGEST]
