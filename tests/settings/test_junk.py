"""Any text gives settings or `Misconfigured`."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from stream_al.errors import Misconfigured
from stream_al.settings import describe, load

PATHS = [row.path for row in describe()]


junk = st.one_of(
    st.text(max_size=30),
    st.text(alphabet="{}[]:,-&*!|>'\"%@`#?~ \n\tab01.<", max_size=30),
    st.sampled_from(
        ["!!timestamp x", "!!int ''", "2020-13-45", "&a [*a]", "&a {b: *a}", "<<: *a", "? [a]\n: b"]
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    ).map(json.dumps),
)
names = st.sampled_from([*PATHS, *(path.partition(".")[0] for path in PATHS)]) | st.text(max_size=10)


@hypothesis_settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    whole=junk,
    parts=st.dictionaries(names, junk, max_size=4),
    lines=st.lists(st.tuples(names, junk), max_size=4),
)
def test_junk_gives_settings_or_misconfigured_and_nothing_else(
    tmp_path: Path, whole: str, parts: dict[str, str], lines: list[tuple[str, str]]
) -> None:
    environ = {"STREAM_AL_" + path.upper().replace(".", "__"): value for path, value in parts.items()}
    environ.pop("STREAM_AL_CONFIG", None)
    file = tmp_path / "junk.yaml"
    nested = "\n".join(path.replace(".", ":\n  ") + f": {value}" for path, value in lines)
    for text in (whole, nested):
        file.write_text(text, encoding="utf-8")
        with contextlib.suppress(Misconfigured):
            load(file, [f"{path}={value}" for path, value in lines] + [whole], environ)
