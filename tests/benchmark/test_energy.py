from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from passerby.benchmark.energy import RaplMeter, TegrastatsMeter, find_meter, module_watts, power_rails

AGX_ORIN = (
    "RAM 4722/62800MB (lfb 12x4MB) SWAP 0/31400MB (cached 0MB) CPU [9%@2201,0%@2201] EMC_FREQ 1%@3199 GR3D_FREQ 0%@[0,0] "
    "CPU@46.2C SOC2@42.5C tj@46.2C VDD_GPU_SOC 2401mW/2402mW VDD_CPU_CV 400mW/401mW VIN_SYS_5V0 3610mW/3611mW VDDQ_VDD2_1V8AO 503mW/504mW"
)
ORIN_NX = "RAM 2000/15523MB CPU [1%@729] cpu@45C VDD_IN 5362mW/5300mW VDD_CPU_GPU_CV 724mW/700mW VDD_SOC 1449mW/1400mW"
FIRST_NANO = "RAM 1000/3964MB POM_5V_IN 2532/2510 POM_5V_GPU 41/41 POM_5V_CPU 498/490"


class TestTegrastats:
    def test_rails_of_a_line(self) -> None:
        rails = {"VDD_GPU_SOC": 2401, "VDD_CPU_CV": 400, "VIN_SYS_5V0": 3610, "VDDQ_VDD2_1V8AO": 503}
        assert power_rails(AGX_ORIN) == rails
        assert power_rails(FIRST_NANO) == {"POM_5V_IN": 2532, "POM_5V_GPU": 41, "POM_5V_CPU": 498}
        assert power_rails("") == power_rails("RAM 4722/62800MB (lfb 12x4MB)") == {}

    @pytest.mark.parametrize(("line", "watts"), [(AGX_ORIN, 6.411), (ORIN_NX, 5.362), (FIRST_NANO, 2.532)])
    def test_the_whole_module(self, line: str, watts: float) -> None:
        assert module_watts(power_rails(line)) == pytest.approx(watts)

    def test_joules_are_mean_watts_times_seconds(self, tmp_path: Path) -> None:
        program = fake_tegrastats(tmp_path, [AGX_ORIN, "no rails", AGX_ORIN.replace("2401mW", "4401mW")])
        before = time.perf_counter()
        stop = TegrastatsMeter(str(program)).start()
        started = time.perf_counter()
        while not (tmp_path / "told").exists():
            time.sleep(0.01)
        least = time.perf_counter() - started
        joules = stop()
        assert joules is not None
        assert least <= joules / 7.411 <= time.perf_counter() - before

    @pytest.mark.parametrize("lines", [[], ["no rails"], ["RAM 1/2MB VDD_SOC 1449mW/1400mW"]])
    def test_a_program_that_tells_no_rail_of_the_module(self, tmp_path: Path, lines: list[str]) -> None:
        stop = TegrastatsMeter(str(fake_tegrastats(tmp_path, lines))).start()
        while not (tmp_path / "told").exists():
            time.sleep(0.01)
        assert stop() is None

    def test_a_program_that_ends_at_once(self) -> None:
        assert TegrastatsMeter("false").start()() is None

    def test_a_jetson_is_asked_first(self, tmp_path: Path) -> None:
        meter = find_meter(package(tmp_path, 0, 5).parent, str(fake_tegrastats(tmp_path, [])))
        assert isinstance(meter, TegrastatsMeter)


class TestRapl:
    def test_joules_of_all_packages(self, tmp_path: Path) -> None:
        zones = package(tmp_path, 0, 1_000_000), package(tmp_path, 1, 0)
        meter = find_meter(tmp_path, "no-such-program")
        assert isinstance(meter, RaplMeter) and meter.zones == zones
        stop = meter.start()
        (zones[0] / "energy_uj").write_text("3500000\n")
        (zones[1] / "energy_uj").write_text("250000\n")
        assert stop() == pytest.approx(2.75)

    def test_a_counter_that_wraps(self, tmp_path: Path) -> None:
        zone = package(tmp_path, 0, 9_999_000, most=9_999_999)
        stop = RaplMeter((zone,)).start()
        (zone / "energy_uj").write_text("1000")
        assert stop() == pytest.approx(0.002)

    def test_parts_of_a_package_are_not_counted_twice(self, tmp_path: Path) -> None:
        package(tmp_path, 0, 1)
        core = tmp_path / "intel-rapl:0:0"
        core.mkdir()
        meter = find_meter(tmp_path, "no-such-program")
        assert isinstance(meter, RaplMeter) and [zone.name for zone in meter.zones] == ["intel-rapl:0"]

    def test_the_platform_which_holds_the_packages_is_not_counted_too(self, tmp_path: Path) -> None:
        package(tmp_path, 0, 1)
        package(tmp_path, 1, 1, name="psys")
        package(tmp_path, 2, 1, name="package-1")
        meter = find_meter(tmp_path, "no-such-program")
        assert isinstance(meter, RaplMeter) and [zone.name for zone in meter.zones] == ["intel-rapl:0", "intel-rapl:2"]

    def test_no_counters_or_none_that_may_be_read(self, tmp_path: Path) -> None:
        assert find_meter(tmp_path, "no-such-program") is None
        assert find_meter(tmp_path / "missing", "no-such-program") is None
        (package(tmp_path, 0, 1) / "energy_uj").unlink()
        assert find_meter(tmp_path, "no-such-program") is None


def package(powercap: Path, number: int, microjoules: int, most: int = 2**32, name: str = "package-0") -> Path:
    """A processor package's counter as Linux shows it."""
    zone = powercap / f"intel-rapl:{number}"
    zone.mkdir()
    (zone / "name").write_text(f"{name}\n")
    (zone / "energy_uj").write_text(f"{microjoules}\n")
    (zone / "max_energy_range_uj").write_text(f"{most}\n")
    return zone


def fake_tegrastats(folder: Path, lines: list[str]) -> Path:
    """A program that repeats lines until it is ended, as the real one does, and leaves a file ``told`` after the first time."""
    program = folder / "tegrastats"
    told = folder / "told"
    program.write_text(
        f"#!{sys.executable}\nimport pathlib, time\nwhile True:\n    print(*{lines!r}, sep='\\n', flush=True)\n"
        f"    pathlib.Path({str(told)!r}).touch()\n    time.sleep(0.02)\n"
    )
    program.chmod(0o755)
    return program
