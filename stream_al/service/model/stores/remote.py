"""A store behind a URL: S3, and any other place that fsspec has a filesystem for.

*Whole or not at all.* A file is uploaded in one call. On S3 that is one PutObject, or parts that become an
object with CompleteMultipartUpload. An object appears with all of its bytes or stays as it was, and from then
on every reader sees it (S3 is strongly consistent). The parts of an upload that was cut off are no object; a
lifecycle rule of the bucket (AbortIncompleteMultipartUpload) deletes them. On filesystems that promise less,
the digest in the file shows a torn file, and the one before it is used.

*Shared.* All replicas of an application keep their snapshots in one folder, named after the application. They
hold the same learner, so any replica can use any snapshot. A new pod finds those of earlier pods; a folder
named after the host would be empty for it, and would stay behind for ever. Two replicas that write the same
name write the same learner, so the last one may win.

*Time.* fsspec blocks, so every call runs in a thread. Nothing waits longer than the deadline for it, not even
the end of the process. While a call hangs, in a filesystem without timeouts, no second call is made.

*Refused.* An error that waiting does not repair, such as a wrong key, ends a start; later it costs a
snapshot. Credentials come from where the library of the filesystem looks for them (AWS_ACCESS_KEY_ID and the
like for S3), never from the URL. If an error repeats a URL, everything before an @ is removed from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, TypeVar

from stream_al.errors import Misconfigured, Unavailable
from stream_al.service.timing.deadline import run_in_thread, within

__all__ = ["RemoteStore"]

T = TypeVar("T")

REFUSALS = {"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "TokenRetrievalError"}
"""Names of botocore's errors for missing credentials; botocore itself is not imported here."""
MAX_CHARACTERS = 300


class RemoteStore:
    """Files below a URL.

    Args:
        url: Scheme, place and path; no credentials.
        deadline_seconds: Longest wait for one call.

    Raises:
        Misconfigured: fsspec, or what it needs for this URL, is not installed.
    """

    def __init__(self, url: str, deadline_seconds: float) -> None:
        self.url = url
        self.deadline_seconds = deadline_seconds
        self._files, self._root = _filesystem(url)
        self._busy = False

    async def names(self) -> list[str]:
        """Every name in it. Raises Unavailable, or Misconfigured if access is refused."""

        def listed() -> list[str]:
            self._files.invalidate_cache()  # other replicas write there too
            found: list[str] = self._blocking("ls", self._root, detail=False)
            return [path.rstrip("/").rpartition("/")[2] for path in found]

        try:
            return await self._call("listing", listed)
        except FileNotFoundError as error:
            if _code(error) != "NoSuchBucket":
                return []  # nothing has been written yet
            raise Misconfigured(
                f"snapshots.directory: there is no bucket for {self.url}: create it"
            ) from None
        except PermissionError as error:
            raise Misconfigured(f"snapshots.directory: {self.url} refuses us: {_sentence(error)}") from None

    async def head(self, name: str, limit_bytes: int) -> tuple[bytes, int]:
        """The beginning of a file, and the length of all of it. Raises OSError or Unavailable."""
        path = f"{self._root}/{name}"

        def read() -> tuple[bytes, int]:
            size: int = self._blocking("size", path) or 0
            return self._bytes(path, min(limit_bytes, size)), size

        return await self._call(f"reading {name} of", read)

    async def read(self, name: str, limit_bytes: int) -> bytes:
        """A file, up to a limit. Raises OSError or Unavailable."""
        path = f"{self._root}/{name}"
        return await self._call(f"reading {name} of", lambda: self._bytes(path, limit_bytes))

    async def write(self, name: str, content: bytes) -> None:
        """Write a file. Raises Unavailable."""

        def put() -> None:
            if not self._asynchronous():  # an object store has no directories, and would create the bucket
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
        """Run what blocks in a thread, under the deadline.

        Raises:
            FileNotFoundError: The file or the place is not there.
            PermissionError: Access is refused.
            Unavailable: Any other error of the filesystem or of the library behind it.
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
        except Exception as error:  # noqa: BLE001 - any error of any library
            if type(error).__name__ in REFUSALS:
                raise PermissionError(_sentence(error)) from None
            raise Unavailable(f"{what} {self.url} failed: {_sentence(error)}") from None

    def _bytes(self, path: str, number: int) -> bytes:
        if not number:  # S3 refuses a range of an empty object
            return b""
        content: bytes = self._blocking("cat_file", path, start=0, end=number)
        return content

    def _blocking(self, method: str, *args: Any, **more: Any) -> Any:
        """Call the filesystem; an asynchronous one gets the deadline as its own timeout."""
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
    except Exception as error:  # noqa: BLE001 - a filesystem may connect as soon as it is made
        raise Misconfigured(f"snapshots.directory: {url} cannot be opened: {_sentence(error)}") from None
    return files, str(root).rstrip("/")


def _code(error: BaseException) -> str | None:
    """S3's code for what is wrong."""
    response = getattr(error.__cause__, "response", None) or {}
    code: str | None = response.get("Error", {}).get("Code")
    return code


def _sentence(error: BaseException) -> str:
    """The text of an error, on one line and without credentials."""
    text = " ".join(str(error).split()) or type(error).__name__
    return re.sub(r"//[^/@\s]*@", "//", text)[:MAX_CHARACTERS]
