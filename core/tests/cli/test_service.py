"""``chronotick service``. No service is started: systemd's own programs work on images of a system
(``--root``), and where they would start something a program of that name notes how it was called.
"""

from __future__ import annotations

import os
import plistlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from chronotick.service import ServiceError, check_reachable, launchd, program
from chronotick.service.health import complaints
from chronotick.service.plan import Run as Command
from chronotick.service.plan import Write
from chronotick.service.signed import Standing, signed, standing
from chronotick.service.systemd import quoted

Run = Callable[..., Result]

PROGRAM = "/opt/chronotick/bin/chronotick"
UNITS = "etc/systemd/system"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An empty system below a directory."""
    missing = [name for name in ("systemctl", "systemd-sysusers") if not shutil.which(name)]
    if missing and os.environ.get("CI"):
        pytest.fail(f"{missing} is missing (CI is set: skipping is not allowed)")
    if missing:
        pytest.skip(f"{missing} is not installed")
    image = tmp_path / "image"
    image.mkdir()
    return image


@pytest.fixture
def install(run: Run, image: Path) -> Run:
    def invoke(*options: str) -> Result:
        return run("service", "install", "--root", str(image), "--program", PROGRAM, *options)

    return invoke


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Stands in for the host's systemd; returns how it was called.

    It fails as ``$FAILS`` says, and answers ``show`` with the file ``show``.
    """
    directory = tmp_path / "bin"
    directory.mkdir()
    log = tmp_path / "called"
    script = directory / "systemctl"
    script.write_text(
        f'#!/bin/sh\necho "$*" >>{log}\n'
        f'case "$*" in *show*) cat {tmp_path}/show;; esac\n'
        'case "$*" in *"${FAILS:-nothing}"*) echo "$SAYS" >&2; exit 1;; esac\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    return lambda: log.read_text().splitlines() if log.exists() else []


def unit(tmp_path: Path) -> Path:
    return tmp_path / "config" / "systemd" / "user" / "chronotick.service"


def files(image: Path) -> list[str]:
    return sorted(str(path.relative_to(image)) for path in image.rglob("*") if not path.is_dir())


def test_an_image_starts_the_daemon_with_the_host_after_install(install: Run, image: Path):
    result = install("--with", "http", "--models")
    assert result.exit_code == 0, result.output
    for name in ("chronotick.service", "chronotick-http.service"):
        assert (image / UNITS / "multi-user.target.wants" / name).is_symlink()
    assert (
        "MemoryDenyWriteExecute=no"
        in (image / UNITS / "chronotick.service.d" / "50-models.conf").read_text()
    )
    assert "chronotick:x:" in (image / "etc/passwd").read_text()


def test_uninstall_leaves_nothing_but_the_user(install: Run, run: Run, image: Path):
    install("--with", "neighbours", "--gpu")
    result = run("service", "uninstall", "--root", str(image))
    assert result.exit_code == 0, result.output
    left = [name for name in files(image) if "chronotick" in name or "sysusers" in name]
    assert left == []
    again = run("service", "uninstall", "--root", str(image))
    assert (again.exit_code, "nothing to do" in again.output) == (0, True)


def test_a_variant_that_is_no_longer_chosen_goes(install: Run, image: Path):
    install("--models", "--gpu")
    install("--models")
    names = [name for name in files(image) if name.endswith(".conf") and "service.d" in name]
    assert names == [f"{UNITS}/chronotick.service.d/50-models.conf"]


def test_dry_run_shows_files_and_commands_and_does_nothing(install: Run, image: Path):
    result = install("--dry-run")
    assert f"write {image}/{UNITS}/chronotick.service" in result.output
    assert f"      | ExecStart={PROGRAM} run" in result.output
    assert f"run   systemctl --root={image} enable chronotick.service" in result.output
    assert files(image) == []


def test_a_users_service_is_enabled_and_started(
    run: Run, systemctl: Callable[[], list[str]], tmp_path: Path
):
    result = run("service", "install", "--user")
    assert result.exit_code == 0, result.output
    assert systemctl() == [
        "--user daemon-reload",
        "--user enable chronotick.service",
        "--user restart chronotick.service",
    ]
    text = unit(tmp_path).read_text()
    beside = Path(sys.executable).with_name("chronotick")
    assert f"\nExecStart={quoted(str(beside))} run\n" in text
    assert "\nUser=" not in text
    assert "the service does not see CHRONOTICK_CONTROL, CHRONOTICK_SHM" in result.output


def test_a_program_and_a_configuration_with_spaces_are_quoted(
    run: Run, systemctl: Callable[[], list[str]], tmp_path: Path
):
    config = tmp_path / "my config.yaml"
    config.write_text("logging: {level: DEBUG}\n")
    options = ("--program", "/opt/my $tools/100%/chronotick", "--config", str(config), "--no-start")
    result = run("service", "install", "--user", *options)
    assert result.exit_code == 0, result.output
    assert (
        f'="/opt/my $$tools/100%%/chronotick" run --config "{config}"\n'
        in unit(tmp_path).read_text()
    )
    assert not any("restart" in line for line in systemctl())
    comment = f"# A wrong configuration stays wrong: {config}, then start it again.\n"
    assert comment in unit(tmp_path).read_text()


def test_a_dry_run_also_says_what_is_to_be_done_by_hand(
    run: Run, systemctl: Callable[[], list[str]], tmp_path: Path
):
    dry, real = (run("service", "install", "--user", *more) for more in (["--dry-run"], []))
    for result in (dry, real):
        assert "to keep it while you are not logged in: loginctl enable-linger\n" in result.output
    assert "~/.config/chronotick/config.yaml, then start it again" in dry.output


def test_what_the_operator_changed_is_not_lost(install: Run, run: Run, image: Path):
    install()
    path = image / UNITS / "chronotick.service"
    path.write_text(path.read_text().replace("WatchdogSec=30s", "WatchdogSec=60s"))
    for result in (install(), run("service", "uninstall", "--root", str(image))):
        assert result.exit_code == 1
        assert f"{path} was changed since it was written" in result.output
    assert "WatchdogSec=60s" in path.read_text()
    assert install("--force").exit_code == 0
    assert "WatchdogSec=30s" in path.read_text()


@pytest.mark.parametrize("masked", [True, False], ids=["masked", "written by somebody else"])
def test_a_foreign_unit_is_left_alone(install: Run, image: Path, *, masked: bool):
    path = image / UNITS / "chronotick.service"
    path.parent.mkdir(parents=True)
    if masked:
        path.symlink_to("/dev/null")
    else:
        path.write_text("[Service]\nExecStart=/bin/true\n")
    result = install()
    assert result.exit_code == 1
    assert f"{path} was not written by `chronotick service`" in result.output
    assert files(image) == [f"{UNITS}/chronotick.service"]


def test_a_wrong_configuration_is_refused_before_anything_is_written(
    run: Run, systemctl: Callable[[], list[str]], tmp_path: Path
):
    config = tmp_path / "config.yaml"
    config.write_text("shm:\n  frequncy: 10\n")
    result = run("service", "install", "--user", "--config", str(config))
    assert result.exit_code == 2
    assert f"{config}:2" in result.output
    assert "Did you mean shm.frequency?" in result.output
    assert not unit(tmp_path).exists()
    assert systemctl() == []


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("install", "--user", "--models"), "--models and --gpu are for --system"),
        (("install", "--user", "--with", "http"), "are for --system"),
        (("install", "--user", "--root", "."), "--root is for --system"),
        (("install", "--with", "dns"), "'dns' is not one of"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    run: Run, words: tuple[str, ...], complaint: str
):
    result = run("service", *words)
    assert (result.exit_code, complaint in result.output) == (2, True), result.output


@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_the_whole_host_is_roots(run: Run, monkeypatch: pytest.MonkeyPatch, command: str):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    result = run("service", command, "--system")
    assert (result.exit_code, "--system needs root" in result.output) == (1, True)


@pytest.mark.parametrize(
    ("says", "advice"),
    [
        ("Job for chronotick.service failed.", "run: chronotick service status --user"),
        ("Failed to connect to bus: No medium found", "loginctl enable-linger"),
    ],
)
def test_a_start_that_fails_is_told_with_what_to_do(
    run: Run,
    systemctl: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    says: str,
    advice: str,
):
    monkeypatch.setenv("FAILS", "restart")
    monkeypatch.setenv("SAYS", says)
    result = run("service", "install", "--user")
    assert result.exit_code == 1
    assert f"`systemctl --user restart chronotick.service` failed: {says.rstrip('.')}." in (
        result.output
    )
    assert advice in result.output
    assert systemctl()[-1].endswith("restart chronotick.service")


def test_a_program_that_the_unit_hides_is_refused(tmp_path: Path):
    found = tmp_path / "chronotick"
    found.write_text("#!/bin/sh\n")
    with pytest.raises(ServiceError, match=r"is below /tmp, which the unit hides \(PrivateTmp=yes"):
        check_reachable(found)


def test_a_program_that_only_its_owner_may_run_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(program, "_HIDDEN", {})
    found = tmp_path / "chronotick"
    found.write_text("#!/bin/sh\n")
    found.chmod(0o700)
    with pytest.raises(ServiceError, match=f"{found} may be entered by its owner only"):
        check_reachable(found)


def test_a_program_without_an_interpreter_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(program, "_HIDDEN", {})
    monkeypatch.setattr(program, "_closed", lambda _: None)  # directories of tests are
    found = tmp_path / "chronotick"
    found.write_text("#!/nowhere/python\n")
    with pytest.raises(ServiceError, match="its interpreter /nowhere/python does not exist"):
        check_reachable(found)
    with pytest.raises(ServiceError, match="absent does not exist"):
        check_reachable(tmp_path / "absent")


SHOWN = """LoadState=loaded
ActiveState={active}
SubState={sub}
UnitFileState=enabled
Result={result}
ExecMainCode={code}
ExecMainStatus={status}
StatusText={says}
FragmentPath={unit}
DropInPaths=
"""


def shown(tmp_path: Path, active: str = "failed", **known: object) -> None:
    facts = {"sub": "x", "result": "success", "code": 0, "status": 0, "says": ""} | known
    text = SHOWN.format(active=active, unit=unit(tmp_path), **facts)
    (tmp_path / "show").write_text(text)


def test_status_of_a_daemon_that_runs(run: Run, systemctl: Callable[[], list[str]], tmp_path: Path):
    run("service", "install", "--user")
    shown(tmp_path, "active", sub="running", says="synchronised, bound 0.1 ms")
    result = run("service", "status", "--user")
    assert result.exit_code == 0
    first = "chronotick.service: active (running), enabled: synchronised, bound 0.1 ms\n"
    assert result.output.startswith(first)


@pytest.mark.parametrize(
    ("known", "told"),
    [
        (("exit-code", 1, 203), "{unit}:{exec}: ExecStart="),
        (("exit-code", 1, 217), "there is no such user. Run: systemd-sysusers"),
        (("exit-code", 1, 233), "its directory below /run cannot be made"),
        (("exit-code", 1, 2), "its configuration or an option is wrong (exit code 2): journalctl"),
        (("exit-code", 1, 1), "it could not begin (exit code 1): journalctl --user -u chronotick"),
        (("watchdog", 2, 6), "it gave no sign of life within WatchdogSec="),
        (("oom-kill", 2, 9), "memory ran out"),
    ],
)
def test_status_says_why_a_daemon_does_not_run(
    run: Run,
    systemctl: Callable[[], list[str]],
    tmp_path: Path,
    known: tuple[str, int, int],
    told: str,
):
    run("service", "install", "--user", "--no-start")
    shown(tmp_path, **dict(zip(("result", "code", "status"), known, strict=True)))
    answer = run("service", "status", "--user")
    assert answer.exit_code == 3
    lines = unit(tmp_path).read_text().splitlines()
    where = next(n for n, line in enumerate(lines, 1) if line.startswith("ExecStart="))
    assert told.format(unit=unit(tmp_path), exec=where) in answer.output
    assert answer.output.count("\n") == 2


def test_status_where_systemd_does_not_answer(
    run: Run, systemctl: Callable[[], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run("service", "install", "--user", "--no-start")
    shown(tmp_path)
    monkeypatch.setenv("FAILS", "show")
    monkeypatch.setenv("SAYS", "Failed to connect to bus")
    result = run("service", "status", "--user")
    assert (result.exit_code, result.output) == (
        1,
        "chronotick: systemd does not answer: Failed to connect to bus\n",
    )


def test_status_where_nothing_is_installed(run: Run):
    result = run("service", "status", "--user")
    assert (result.exit_code, result.output) == (
        3,
        "not installed. Run: chronotick service install\n",
    )


def test_status_names_the_users_service_where_root_has_none(
    run: Run, systemctl: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
):
    run("service", "install", "--user", "--no-start")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    told = run("service", "status")
    words = "not installed. This user has one. Run: chronotick service status --user\n"
    assert (told.exit_code, told.output) == (3, words)
    asked_for = run("service", "status", "--system")
    assert asked_for.output == "not installed. Run: chronotick service install\n"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_a_misspelt_setting_is_told_with_its_line(tmp_path: Path):
    path = tmp_path / "chronotick.service"
    path.write_text("[Service]\nExecStart=/bin/true\nWatchdokSec=30s\nUser=nobody-of-this-name\n")
    (complaint,) = complaints([path])
    assert complaint.startswith(f"{path}:3: Unknown key")


def test_the_mark_tells_whose_a_file_is(tmp_path: Path):
    path = tmp_path / "file"
    assert standing(path) is Standing.ABSENT
    path.write_text(signed("text\n"))
    assert standing(path) is Standing.OURS
    path.write_text(signed("text\n").replace("text", "test"))
    assert standing(path) is Standing.CHANGED
    path.write_text("text\n")
    assert standing(path) is Standing.FOREIGN


def test_the_agent_of_macos_is_a_property_list_with_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    write, leave, enter = launchd.to_install(Path(PROGRAM), Path("/etc/c.yaml"), start=True)
    assert isinstance(write, Write)
    agent = plistlib.loads(write.text.encode())
    assert agent["ProgramArguments"] == [PROGRAM, "run", "--config", "/etc/c.yaml"]
    assert agent["StandardErrorPath"] == f"{tmp_path}/Library/Logs/chronotick.log"
    assert agent["KeepAlive"] == {"SuccessfulExit": False}
    write.path.parent.mkdir(parents=True)
    write.path.write_text(write.text)
    assert standing(write.path) is Standing.OURS
    domain = f"gui/{os.getuid()}"
    assert isinstance(leave, Command)
    assert leave.optional
    assert enter == Command(
        ("launchctl", "bootstrap", domain, str(write.path)),
        f"See what it said: {tmp_path}/Library/Logs/chronotick.log",
    )
    assert launchd.to_uninstall()[1].path == write.path
