"""``chronotick.h``, compiled: its layout is the table's, its numbers are Python's."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronotick.shm import clocks
from chronotick.shm.layout import ABI_VERSION, FIELDS, SIZE, Status
from chronotick.shm.record import bound_at, is_void, sigma_at, time_at, unpack
from chronotick.shm.testing import good_record, packed_body, raw_bytes
from chronotick.shm.writer import RecordWriter

INCLUDE = Path(str(files("chronotick.shm").joinpath("chronotick.h"))).parent
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", "-O2", f"-I{INCLUDE}"]
C_TYPES = {
    "Q": "uint64_t",
    "q": "int64_t",
    "d": "double",
    "I": "uint32_t",
    "H": "uint16_t",
    "B": "uint8_t",
}

READ = r"""
#include <stdio.h>
#include "chronotick.h"
int main(int count, char **arguments) {
    struct chronotick_reader reader;
    struct chronotick_now now = {0, 0, 0, 0, 0};
    int result = chronotick_open(&reader, arguments[count - 1]);
    if (result == CHRONOTICK_OK) result = chronotick_now(&reader, &now);
    printf("%d %lld %lld %lld %lld %u\n", result, (long long)now.earliest_ns,
           (long long)now.latest_ns, (long long)now.estimate_ns, (long long)now.sigma_ns,
           now.status);
    chronotick_close(&reader);
    return 0;
}
"""

COMPUTE = r"""
#include <stdio.h>
#include "chronotick.h"
int main(void) {
    struct chronotick_reader reader;
    int64_t raw_ns;
    memset(&reader, 0, sizeof reader);
    while (fread(&reader.last, sizeof reader.last, 1, stdin) && fread(&raw_ns, 8, 1, stdin)) {
        const struct chronotick_record *r = &reader.last;
        reader.plausible = chronotick_is_plausible(r);
        if (chronotick_is_void(&reader, raw_ns))
            printf("void %d\n", chronotick_intact(r));
        else
            printf("%lld %lld %lld %d\n", (long long)chronotick_time_at(r, raw_ns),
                   (long long)chronotick_bound_at(r, raw_ns),
                   (long long)chronotick_sigma_at(r, raw_ns), chronotick_intact(r));
        fflush(stdout);
    }
    return 0;
}
"""


def build(folder: Path, source: str, compiler: str, *options: str) -> Path:
    program = shutil.which(compiler)
    if program is None:
        pytest.skip(f"no {compiler}")
    file, output = folder / f"source.{'cpp' if '++' in compiler else 'c'}", folder / "program"
    file.write_text(source)
    subprocess.run([program, *STRICT, *options, str(file), "-o", str(output)], check=True)
    return output


@pytest.mark.parametrize(("compiler", "standard"), [("cc", "gnu11"), ("c++", "gnu++17")])
def test_the_layout_is_the_one_table(tmp_path: Path, compiler: str, standard: str):
    asserts = "\n".join(
        f'static_assert(offsetof(struct chronotick_record, {field.name}) == {field.offset}, "");\n'
        f"static {C_TYPES[field.format]} *type_of_{field.name}(struct chronotick_record *r)"
        f"{{ return &r->{field.name}; }}"
        for field in FIELDS
    )
    used = " + ".join(f"(type_of_{field.name}(&r) != nullptr_)" for field in FIELDS)
    source = f"""
        #include <assert.h>
        #include "chronotick.h"
        #define nullptr_ NULL
        static_assert(sizeof(struct chronotick_record) == {SIZE}, "");
        static_assert(CHRONOTICK_SIZE == {SIZE} && CHRONOTICK_ABI == {ABI_VERSION}, "");
        {asserts}
        int main(void) {{
            struct chronotick_record r;
            memset(&r, 0, sizeof r);
            return {used} == {len(FIELDS)} ? 0 : 1;
        }}
    """
    program = build(tmp_path, source, compiler, f"-std={standard}")
    assert subprocess.run([program], check=False).returncode == 0


def test_the_statuses_are_pythons(tmp_path: Path):
    checks = "\n".join(f'_Static_assert(CHRONOTICK_{s.name} == {s.value}, "");' for s in Status)
    build(tmp_path, f'#include "chronotick.h"\n{checks}\nint main(void) {{ return 0; }}', "cc")


@pytest.fixture(scope="module", params=["cc", "c++"])
def read_program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("read"), READ, request.param)


@pytest.fixture(scope="module")
def checking_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as on a processor that needs the checksum."""
    return build(tmp_path_factory.mktemp("crc"), READ, "cc", "-DCHRONOTICK_VERIFY_CRC=1")


def run(program: Path, path: Path) -> tuple[int, ...]:
    output = subprocess.run([program, path], check=True, capture_output=True).stdout
    return tuple(map(int, output.split()))


def test_c_reads_what_python_wrote(read_program: Path, path: Path, writer: RecordWriter):
    record = writer.write(good_record())
    before = clocks.raw_ns()
    result, earliest, latest, estimate, sigma, status = run(read_program, path)
    after = clocks.raw_ns()
    assert (result, status) == (0, Status.SYNCHRONISED)
    assert time_at(record, before) <= estimate <= time_at(record, after)
    assert bound_at(record, before) <= latest - estimate == estimate - earliest
    assert latest - estimate <= bound_at(record, after)
    assert sigma_at(record, before) <= sigma <= sigma_at(record, after)


def test_the_checksum_is_zlibs(checking_program: Path, path: Path, writer: RecordWriter):
    writer.write(good_record())
    assert run(checking_program, path)[0] == 0


def test_a_wrong_checksum_is_no_record_where_it_is_checked(checking_program: Path, path: Path):
    path.write_bytes(raw_bytes(packed_body(), crc=1))
    assert run(checking_program, path)[0] == 3


@pytest.mark.parametrize(
    ("change", "result"),
    [
        ({"status": Status.UNKNOWN}, 5),
        ({"status": Status.WARMING_UP}, 5),
        ({"status": Status.DISRUPTED}, 5),
        ({"suspended_ns": -(10**9)}, 5),
        ({"void_after_raw_ns": 1}, 4),
        ({"status": Status.HOLDOVER}, 0),
    ],
)
def test_c_says_why_there_is_no_time(
    read_program: Path, path: Path, writer: RecordWriter, change: dict[str, int], result: int
):
    writer.write(replace(good_record(), **change))
    assert run(read_program, path)[0] == result


@pytest.mark.parametrize(
    ("content", "result"),
    [(b"x" * 64, 2), (b"x" * 128, 2), (raw_bytes(packed_body(), sequence=3), 3), (None, 1)],
)
def test_c_refuses_what_is_no_record(
    read_program: Path, path: Path, content: bytes | None, result: int
):
    if content is not None:
        path.write_bytes(content)
    assert run(read_program, path)[0] == result


@pytest.fixture(scope="module")
def compute(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[bytes]]:
    program = build(tmp_path_factory.mktemp("compute"), COMPUTE, "cc")
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


I64 = st.integers(-(2**63), 2**63 - 1)
PLAUSIBLE = {
    "anchor_raw_ns": st.integers(-(2**62), 2**62),
    "anchor_utc_ns": st.integers(-(2**62), 2**62),
    "rate": st.floats(-0.5, 0.5),
    "bound_ns": st.integers(0, 2**61),
    "bound_rate": st.floats(0, 1),
    "sigma_ns": st.integers(0, 2**61),
    "sigma_rate": st.floats(0, 1),
}
WILD = {
    "anchor_raw_ns": I64,
    "anchor_utc_ns": I64,
    "rate": st.floats(),
    "bound_ns": I64,
    "bound_rate": st.floats(),
    "sigma_ns": I64,
    "sigma_rate": st.floats(),
}


@settings(max_examples=500)
@given(
    values=st.fixed_dictionaries(PLAUSIBLE) | st.fixed_dictionaries(WILD),
    age=st.integers(0, 2**53 + 2) | I64,
    void_after=st.just(2**63 - 1) | I64,
)
def test_c_and_python_compute_the_same_to_the_last_bit(
    compute: subprocess.Popen[bytes], values: dict[str, float], age: int, void_after: int
):
    body = packed_body(void_after_raw_ns=void_after, **values)
    record = unpack(body)
    raw_ns = max(-(2**63), min(2**63 - 1, int(values["anchor_raw_ns"]) + age))
    assert compute.stdin is not None
    assert compute.stdout is not None
    compute.stdin.write(raw_bytes(body) + struct.pack("@q", raw_ns))
    compute.stdin.flush()
    answer = compute.stdout.readline().split()
    if is_void(record, raw_ns):
        assert answer == [b"void", b"1"]
    else:
        expected = (time_at(record, raw_ns), bound_at(record, raw_ns), sigma_at(record, raw_ns))
        assert tuple(map(int, answer)) == (*expected, 1)
