"""Strategies for texts that are nearly right, and for those that never were."""

from __future__ import annotations

from hypothesis import strategies as st

anything = st.text(st.characters())
"""Any text, lone surrogates included."""

texts = st.text(st.characters(exclude_categories=["Cs"]))
"""Any text that UTF-8 can carry."""

digits = st.text(st.sampled_from("0123456789+-.eE_ \u0661\u0967\uff11\u00b2"), max_size=25)
"""What looks like numbers, in the digits of several scripts."""

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
"""Values of JSON, NaN and infinity included."""


@st.composite
def spoiled(draw: st.DrawFn, good: st.SearchStrategy[bytes]) -> bytes:
    """Return bytes that were good until some of them were replaced, doubled or taken away."""
    body = bytearray(draw(good))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(body)))
        size = draw(st.integers(0, 8))
        body[at : at + size] = draw(
            st.sampled_from([b"", bytes(body[at : at + 2 * size])])
        ) or draw(st.binary(max_size=4))
    return bytes(body)
