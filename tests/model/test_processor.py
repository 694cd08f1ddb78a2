"""Which processors are trusted with INT8 products."""

from __future__ import annotations

from pathlib import Path

import pytest

from passerby.model.processor import saturates_int8

CPUINFO = "processor\t: 0\nflags\t\t: fpu sse avx2 {}\nbugs\t\t: avx512_vnni\nflags\t\t: fpu sse avx2 {}\n"


@pytest.mark.parametrize(
    ("machine", "flag", "saturates"),
    [
        ("x86_64", "", True),
        ("x86_64", "avx512f", True),
        ("x86_64", "avx512_vnni", False),
        ("AMD64", "avx_vnni", False),
        ("aarch64", "", False),
        ("arm64", "", False),
    ],
)
def test_only_x86_without_vnni_saturates(machine: str, flag: str, saturates: bool, tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(CPUINFO.format(flag, flag))
    assert saturates_int8(machine, cpuinfo) is saturates


def test_a_processor_that_does_not_say_is_not_trusted(tmp_path: Path) -> None:
    assert saturates_int8("x86_64", tmp_path / "none")
    (tmp_path / "empty").write_bytes(b"\xff\x00")
    assert saturates_int8("x86_64", tmp_path / "empty")
