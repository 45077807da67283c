"""A store behind a URL: S3, and whatever else fsspec has a filesystem for.

*Whole or not at all.* A file goes up in one call. On S3 that is one PutObject, or parts that become an object
with CompleteMultipartUpload and are none before: an object appears with all of its bytes or stays as it
was, and from then on every reader sees it (S3 is strongly consistent). What an upload that was cut off leaves
of its parts is no object; a lifecycle rule of the bucket (AbortIncompleteMultipartUpload) clears it away. On
filesystems that promise less, the checksum in the file finds what is torn, and the one before it is used.

*Shared.* All replicas of an application keep their snapshots in one place, a folder with its name. They hold
the same fold, so anyone's snapshot is as good as one's own; a new pod finds what those before it have
written, where a folder by the name of the host would be empty for it, and left behind for ever. Two that
write the same name write the same fold: the last one stays, whole.

*Time.* fsspec blocks, so every call runs in a thread, and none is waited for longer than its deadline, nor
by the end of the process. One that still hangs, in a filesystem without timeouts, is not joined by a second.

*Refused.* What no patience mends, such as a wrong key, ends a start; later it costs a snapshot. Credentials
come from where the filesystem's own library looks for them (AWS_ACCESS_KEY_ID and the like for S3), never
from the URL, and an error that repeats a URL is stripped of what stands before an @.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, TypeVar

from stream_al.errors import Misconfigured, Unavailable
from stream_al.service.timing.deadline import run_in_thread, within

__all__ = ["Remote"]

T = TypeVar("T")

REFUSALS = {"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "TokenRetrievalError"}
"""Errors by which botocore, which is not imported here, says that it has nothing to log in with."""
MAX_CHARACTERS = 300


class Remote:
    """Files below a URL.

    Args:
        url: Scheme, place and path; no credentials.
        deadline_seconds: Longest wait for one call.

    Raises:
        Misconfigured: fsspec, or what it needs for this URL, is not installed.
    """

    shared = True

    def __init__(self, url: str, deadline_seconds: float) -> None:
        self.url = url
        self.deadline_seconds = deadline_seconds
        self._files, self._root = _filesystem(url)
        self._busy = False

    async def names(self) -> list[str]:
        """Every name in it. Raises Unavailable, or Misconfigured if it refuses us."""

        def listed() -> list[str]:
            self._files.invalidate_cache()  # others write there too
            found: list[str] = self._blocking("ls", self._root, detail=False)
            return [path.rstrip("/").rpartition("/")[2] for path in found]

        try:
            return await self._call("listing", listed)
        except FileNotFoundError as error:
            if _code(error) != "NoSuchBucket":
                return []  # nothing was written yet
            raise Misconfigured(
                f"snapshots.directory: there is no bucket for {self.url}: create it"
            ) from None
        except PermissionError as error:
            raise Misconfigured(f"snapshots.directory: {self.url} refuses us: {_sentence(error)}") from None

    async def read(self, name: str, limit_bytes: int) -> bytes:
        """A file, up to one byte over the limit. Raises OSError or Unavailable."""
        path = f"{self._root}/{name}"

        def read() -> bytes:
            if not self._blocking("size", path):  # S3 has no range of an empty object
                return b""
            content: bytes = self._blocking("cat_file", path, start=0, end=limit_bytes + 1)
            return content

        return await self._call(f"reading {name} of", read)

    async def write(self, name: str, content: bytes) -> None:
        """Put a file there. Raises Unavailable."""

        def put() -> None:
            if not self._asynchronous():  # object stores know no directories, and would make the bucket
                self._files.makedirs(self._root, exist_ok=True)
            self._blocking("pipe_file", f"{self._root}/{name}", content)

        await self._change("did not take a snapshot", put)

    async def delete(self, names: Iterable[str]) -> None:
        """Delete files. Raises Unavailable."""

        def delete() -> None:
            for name in names:
                with suppress(FileNotFoundError):
                    self._blocking("rm_file", f"{self._root}/{name}")

        await self._change("did not delete an old snapshot", delete)

    async def _change(self, what: str, action: Callable[[], None]) -> None:
        try:
            await self._call("writing to", action)
        except OSError as error:
            raise Unavailable(f"{self.url} {what}: {_sentence(error)}") from None

    async def _call(self, what: str, action: Callable[[], T]) -> T:
        """Do what blocks, in time.

        Raises:
            FileNotFoundError: What was asked for is not there.
            PermissionError: We are not let in.
            Unavailable: Anything else: the filesystem raises what its library does.
        """
        if self._busy:
            raise Unavailable(f"{what} {self.url}: an earlier call still hangs")

        def work() -> T:
            try:
                return action()
            finally:
                self._busy = False

        self._busy = True
        try:
            return await within(self.deadline_seconds, f"{what} {self.url}", run_in_thread(work))
        except (FileNotFoundError, PermissionError, Unavailable):
            raise
        except Exception as error:  # noqa: BLE001 - a filesystem raises what its library does
            if type(error).__name__ in REFUSALS:
                raise PermissionError(_sentence(error)) from None
            raise Unavailable(f"{what} {self.url} failed: {_sentence(error)}") from None

    def _blocking(self, method: str, *args: Any, **more: Any) -> Any:
        """Call the filesystem, which gives up by itself where it can."""
        if self._asynchronous():
            more["timeout"] = self.deadline_seconds
        return getattr(self._files, method)(*args, **more)

    def _asynchronous(self) -> bool:
        return bool(self._files.async_impl)


def _filesystem(url: str) -> tuple[Any, str]:
    """The filesystem for a URL, and the path in it."""
    remedy = "run `python -m pip install 'stream_al[remote]'`"
    try:
        import fsspec  # noqa: PLC0415 - an extra
    except ImportError:
        raise Misconfigured(f"snapshots.directory: for a URL, {remedy}") from None
    scheme = url.partition("://")[0]
    try:
        files, root = fsspec.url_to_fs(url, skip_instance_cache=True)
    except ImportError as error:
        if scheme not in ("s3", "s3a"):
            remedy = f"{_sentence(error)} (with pip, beside 'stream_al[remote]')"
        raise Misconfigured(f"snapshots.directory: for {scheme}://, {remedy}") from None
    except Exception as error:  # noqa: BLE001 - a filesystem may look at its place as soon as it is made
        raise Misconfigured(f"snapshots.directory: {url} cannot be opened: {_sentence(error)}") from None
    return files, str(root).rstrip("/")


def _code(error: BaseException) -> str | None:
    """The word by which S3 says what is wrong."""
    response = getattr(error.__cause__, "response", None) or {}
    code: str | None = response.get("Error", {}).get("Code")
    return code


def _sentence(error: BaseException) -> str:
    """What an error says, on one line and without credentials."""
    text = " ".join(str(error).split()) or type(error).__name__
    return re.sub(r"//[^/@\s]*@", "//", text)[:MAX_CHARACTERS]
