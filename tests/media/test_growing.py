"""Digests of files that grow: however they came to be, equal bytes have equal digests."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerby.errors import VideoError
from passerby.media.growing import CHUNK_BYTES, ChunkedDigest, read_digest

CHUNK = 4
EMPTY = ChunkedDigest(chunk_bytes=CHUNK)


@given(parts=st.lists(st.binary(max_size=11), max_size=6))
def test_a_file_that_grew_has_the_digest_of_one_that_was_written_at_once(parts: list[bytes]) -> None:
    with TemporaryDirectory() as folder:
        path, whole = Path(folder, "growing"), Path(folder, "whole")
        path.touch()
        digest, seen = EMPTY, [EMPTY]
        for part in parts:
            with path.open("ab") as file:
                file.write(part)
            digest = read_digest(path, digest)
            seen.append(digest)
        whole.write_bytes(b"".join(parts))
        assert digest == read_digest(whole, EMPTY)
        assert digest.size == sum(map(len, parts))
        assert all(before.is_prefix_of(whole) for before in seen)


@given(first=st.binary(max_size=20), second=st.binary(max_size=20))
def test_digests_are_equal_and_prefixes_are_known_just_where_bytes_say_so(first: bytes, second: bytes) -> None:
    with TemporaryDirectory() as folder:
        one, other = Path(folder, "one"), Path(folder, "other")
        one.write_bytes(first)
        other.write_bytes(second)
        before = read_digest(one, EMPTY)
        assert (before.hex == read_digest(other, EMPTY).hex) == (first == second)
        assert before.is_prefix_of(other) == second.startswith(first)


@pytest.mark.parametrize("changed", [b"ABCDefghij and more", b"abcdefghIJ and more", b"abc", b""])
def test_a_file_that_was_replaced_is_read_anew(tmp_path: Path, changed: bytes) -> None:
    path = tmp_path / "video.mkv"
    path.write_bytes(b"abcdefghij")
    before = read_digest(path, EMPTY)
    path.write_bytes(changed)
    assert not before.is_prefix_of(path)
    assert read_digest(path, before) == read_digest(path, EMPTY)


def test_only_the_ends_and_what_was_added_are_read(tmp_path: Path) -> None:
    """What lies between is taken as it was, which shows here as it was changed."""
    path = tmp_path / "video.mkv"
    path.write_bytes(b"aaaabbbbccccdd")
    before = read_digest(path, EMPTY)
    path.write_bytes(b"aaaaXXXXccccddddee")
    assert read_digest(path, before).chunks[1] == before.chunks[1]
    assert not before.is_prefix_of(path)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    for act in (read_digest, ChunkedDigest().is_prefix_of):
        with pytest.raises(VideoError, match="expected a readable file, found no such file or directory"):
            act(tmp_path / "gone")
    assert read_digest(Path(__file__)).chunk_bytes == CHUNK_BYTES
