"""The files in deploy/ are accepted by the programs they are for, and say what exists."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from chronotick.cli.main import chronotick
from chronotick.client import ChronoTick, ChronoTickError
from chronotick.config import load
from chronotick.shm.layout import Status

StartChronyd = Callable[..., AbstractContextManager[int]]

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
FOLDER = DEPLOY / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))
DAEMON, SERVER = FOLDER / "chronotick.service", FOLDER / "chronotick-worker.service"
PROGRAM = "/opt/chronotick/bin/chronotick"
THRESHOLD = 20  # tenths: an exposure of 2.0
BIN = Path(sys.executable).parent
CONTAINER = DEPLOY / "container"
KUBERNETES = DEPLOY / "kubernetes"


def parse(words: list[str]) -> None:
    """Fail unless the command line after ``chronotick`` is one of a command and its options."""
    command: click.Command = chronotick
    context = click.Context(command, info_name="chronotick")
    while isinstance(command, click.Group):
        name, *words = words
        found = command.get_command(context, name)
        assert found is not None, name
        command = found
    try:
        command.make_context(command.name, words, parent=context)
    except click.UsageError as error:
        pytest.fail(f"{command.name} {words}: {error.format_message()}")


def needed(*programs: str) -> None:
    """Skip where a program is missing; fail where CI must have it."""
    missing = [name for name in programs if not shutil.which(name) and not (BIN / name).exists()]
    if missing and os.environ.get("CI"):
        pytest.fail(f"{missing} is missing (CI is set: skipping is not allowed)")
    if missing:
        pytest.skip(f"{missing} is not installed")


# systemd


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A system in which everything of `chronotick service install` is, and as little else."""
    needed("systemctl", "systemd-sysusers", "systemd-analyze")
    image = tmp_path_factory.mktemp("system")
    extras = ["--with", "http", "--with", "neighbours", "--with", "worker", "--models", "--gpu"]
    command = [sys.executable, "-m", "chronotick", "service", "install", "--root", str(image)]
    subprocess.run([*command, "--program", PROGRAM, *extras], check=True, capture_output=True)
    for program in (PROGRAM, "/bin/kill"):
        stub = image / program[1:]
        stub.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy("/bin/true", stub)
    targets = image / "usr/lib/systemd/system"
    shutil.copytree("/usr/lib/systemd/system", targets, symlinks=True)
    return image


def analyze(image: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", "--no-pager", f"--root={image}", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)


def test_systemd_accepts_the_units(image: Path):
    done = analyze(image, "verify", "--man=no", *(unit.name for unit in UNITS))
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_names_the_line_of_a_mistake(image: Path, tmp_path: Path):
    """What the tests around this one rely on."""
    other = tmp_path / "other"
    shutil.copytree(image, other, symlinks=True)
    unit = other / "etc/systemd/system/chronotick.service"
    unit.write_text(unit.read_text().replace("WatchdogSec=", "WatchdokSec="))
    line = unit.read_text().splitlines().index("WatchdokSec=30s") + 1
    done = analyze(other, "verify", "--man=no", unit.name)
    assert f"{unit}:{line}: Unknown key" in done.stderr


@pytest.mark.parametrize("unit", [unit.name for unit in UNITS])
def test_an_attacker_in_a_unit_could_do_little(image: Path, unit: str):
    """With the drop-ins for models and GPUs too."""
    done = analyze(image, "security", "--offline=yes", f"--threshold={THRESHOLD}", unit)
    assert done.returncode == 0, done.stdout


def test_systemd_accepts_the_unit_of_a_user(tmp_path: Path):
    needed("systemd-analyze")
    unit = tmp_path / "chronotick.service"
    text = (FOLDER / "user" / unit.name).read_text()
    unit.write_text(text.replace(PROGRAM, sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],  # noqa: S607 - wherever it is
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line for line in done.stderr.splitlines() if unit.name in line] == []


def settings(unit: Path) -> dict[str, str]:
    """What a unit sets for ChronoTick, with the directories that systemd would put in."""
    lines = [line for line in unit.read_text().splitlines() if "=CHRONOTICK_" in line]
    pairs = [line.removeprefix("Environment=").split("=", 1) for line in lines]
    places = {"%t": "/run", "%S": "/s", "%C": "/c"}
    return {name: places[value[:2]] + value[2:] for name, value in pairs}


def test_the_units_use_settings_that_exist_and_share_what_they_should():
    daemon, server, http, neighbours = (
        load(None, settings(FOLDER / name), {}).config
        for name in (
            DAEMON.name,
            SERVER.name,
            "chronotick-http.service",
            "chronotick-neighbours.service",
        )
    )
    assert str(daemon.shm.path) == "/run/chronotick/record"
    assert str(server.control.socket) == "/run/chronotick-worker/control.sock"
    assert str(server.workers.keys) == str(daemon.workers.keys) == "/s/chronotick/keys"
    assert server.workers.environments == daemon.workers.environments
    for reader in (http, neighbours):
        assert reader.shm.path == daemon.shm.path
        assert reader.control.socket == daemon.control.socket
        assert reader.history.path == daemon.history.path


@pytest.mark.parametrize(
    "unit", [*UNITS, FOLDER / "user" / DAEMON.name], ids=lambda unit: unit.stem
)
def test_the_commands_of_units_exist(unit: Path):
    (line,) = re.findall(rf"^ExecStart={PROGRAM} (.*)$", unit.read_text(), re.MULTILINE)
    parse(shlex.split(line))


def test_the_daemon_synchronises_under_its_units_bans(tmp_path: Path, start_chronyd: StartChronyd):
    """Other system calls than the unit's fail, and no memory becomes executable: in workers too."""
    needed("systemd-analyze")
    environ = {name: text for name, text in os.environ.items() if "CHRONOTICK_" not in name}
    environ |= {
        "CHRONOTICK_SHM": str(tmp_path / "record"),
        "CHRONOTICK_CONTROL": str(tmp_path / "control.sock"),
        "CHRONOTICK_HISTORY__PATH": str(tmp_path / "history.sqlite3"),
        "CHRONOTICK_PROCESS__CPU_AFFINITY": "[0]",
    }
    sandboxed = [sys.executable, str(Path(__file__).with_name("sandbox.py")), str(DAEMON)]
    with start_chronyd() as port, (tmp_path / "log").open("w") as log:
        daemon = [sys.executable, "-m", "chronotick", "run", "--server", f"127.0.0.1:{port}"]
        models = ["--models", "kalman,echo"]
        process = subprocess.Popen([*sandboxed, *daemon, *models], env=environ, stderr=log)
        try:
            wait_until_synchronised(tmp_path / "record", process)
        finally:
            process.terminate()
            code = process.wait(timeout=50)
    said = (tmp_path / "log").read_text()
    if "the kernel cannot ban executable memory" in said:
        pytest.skip("this kernel has no PR_SET_MDWE (Linux 6.3)")
    assert (code, "chronotick.workers.echo: ready" in said) == (0, True), said
    assert "Operation not permitted" not in said


def wait_until_synchronised(record: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if ChronoTick(record).now(allow_unsynchronised=True).status is Status.SYNCHRONISED:
                return
        except ChronoTickError:
            pass
        time.sleep(0.1)


def test_the_bans_hold(tmp_path: Path):
    """What the test above relies on."""
    needed("systemd-analyze")
    program = tmp_path / "program.py"
    program.write_text(
        "import mmap, time\n"
        "for what in (\n"
        "    lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()),\n"
        "    lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC),\n"
        "):\n"
        "    try: what()\n"
        "    except OSError as error: print(error.strerror)\n"
    )
    sandbox = Path(__file__).with_name("sandbox.py")
    command = [sys.executable, str(sandbox), str(DAEMON), sys.executable, str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "the kernel cannot ban executable memory" in done.stderr:
        pytest.skip("this kernel has no PR_SET_MDWE (Linux 6.3)")
    assert done.stdout == "Operation not permitted\nPermission denied\n"


# Containers


def instructions(path: Path) -> list[tuple[str, str]]:
    """Instructions of a Dockerfile: keyword and the rest, with continued lines joined."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(k, rest) for k, _, rest in (line.partition(" ") for line in joined.splitlines()) if k]


def test_a_linter_has_nothing_against_the_dockerfile():
    needed("hadolint")
    command = [str(BIN / "hadolint"), str(CONTAINER / "Dockerfile")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_commands_of_the_image_exist():
    found = instructions(CONTAINER / "Dockerfile")
    (start,) = [yaml.safe_load(rest) for keyword, rest in found if keyword == "CMD"]
    parse(start)
    (health,) = [rest.partition(" CMD ")[2] for keyword, rest in found if keyword == "HEALTHCHECK"]
    parse(yaml.safe_load(health)[1:])
    shell = " ".join(rest for keyword, rest in found if keyword == "RUN")
    commands = re.findall(r"chronotick ((?:envs|models) [^&|;]*)", shell)
    assert len(commands) == 2
    for command in commands:
        parse(shlex.split(command.replace("${MODELS}", "ttm").replace("${model}", "ttm")))


def test_the_image_runs_as_a_user_by_number_with_settings_that_exist():
    found = instructions(CONTAINER / "Dockerfile")
    assert [rest for keyword, rest in found if keyword == "USER"][-1] == "65532:65532"
    variables = " ".join(rest for keyword, rest in found if keyword == "ENV")
    pairs = dict(word.split("=", 1) for word in shlex.split(variables))
    config = load(None, {k: v for k, v in pairs.items() if k.startswith("CHRONOTICK_")}, {}).config
    assert str(config.shm.path) == "/run/chronotick/record"
    assert (config.workers.build, config.workers.offline) == (False, True)


def test_the_image_is_given_all_that_the_packages_link_to():
    """A link whose target is not copied would be missing in the image only."""
    ignored = (CONTAINER / "Dockerfile.dockerignore").read_text()
    given = [line[1:] for line in ignored.splitlines() if line.startswith("!")]
    folders = [ROOT / "core", *(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]
    links = [path for folder in folders for path in folder.rglob("*") if path.is_symlink()]
    assert links
    for link in links:
        target = link.resolve().relative_to(ROOT)
        assert any(target.is_relative_to(kept) for kept in given), f"{link} -> {target}"


def test_compose_keeps_to_its_schema_and_to_commands_that_exist():
    path = CONTAINER / "compose.yaml"
    check_schema("vendor.compose-spec", path)
    services = yaml.safe_load(path.read_text())["services"]
    assert set(services) == {"clock", "application", "http"}
    for service in services.values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        if "command" in service:
            parse(service["command"])
    assert (path.parent / services["clock"]["build"]["context"]).resolve() == ROOT
    targets = [
        rest for keyword, rest in instructions(CONTAINER / "Dockerfile") if keyword == "FROM"
    ]
    assert any(target.endswith(f" AS {services['clock']['build']['target']}") for target in targets)


def check_schema(schema: str, path: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# Kubernetes


def built(directory: Path) -> list[dict[str, Any]]:
    """What kustomize would make of a directory, as far as ours use it (without hashes in names)."""
    plan = yaml.safe_load((directory / "kustomization.yaml").read_text())
    objects: list[dict[str, Any]] = []
    for name in plan["resources"]:
        path = directory / name
        objects += built(path) if path.is_dir() else yaml.safe_load_all(path.read_text())
    for made in plan.get("configMapGenerator", []):
        data = {name: (directory / name).read_text() for name in made["files"]}
        old = [each for each in objects if each["kind"] == "ConfigMap"]
        assert len(old) == (made.get("behavior") == "replace")
        objects = [each for each in objects if each not in old]
        metadata = {"name": made["name"]}
        objects.append(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        )
    for patch in plan.get("patches", []):
        (target,) = [each for each in objects if matches(each, patch["target"])]
        for operation in yaml.safe_load(patch["patch"]):
            replace(target, operation)
    rename_images(objects, plan.get("images", []))
    return objects


def matches(found: dict[str, Any], target: dict[str, str]) -> bool:
    return (found["kind"], found["metadata"]["name"]) == (target["kind"], target["name"])


def replace(target: Any, operation: dict[str, Any]) -> None:  # noqa: ANN401 - any part of YAML
    assert operation["op"] == "replace"
    *steps, last = operation["path"].strip("/").split("/")
    for step in steps:
        target = target[int(step)] if isinstance(target, list) else target[step]
    assert last in target
    target[last] = operation["value"]


def rename_images(objects: list[dict[str, Any]], images: list[dict[str, str]]) -> None:
    known = {image["name"]: image for image in images}
    for container in (each for one in objects for each in containers(one)):
        name, _, tag = container["image"].partition(":")
        if name in known:
            new = known[name]
            container["image"] = f"{new.get('newName', name)}:{new.get('newTag', tag)}"


def pods(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if found["kind"] == "Pod":
        yield found["spec"]
    elif "template" in found.get("spec", {}):
        yield found["spec"]["template"]["spec"]


def containers(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for pod in pods(found):
        yield from (*pod.get("initContainers", []), *pod["containers"])


def manifests() -> dict[str, list[dict[str, Any]]]:
    """All that is applied to a cluster, by where it is."""
    plans = sorted(KUBERNETES.rglob("kustomization.yaml"))
    found = {str(plan.parent.relative_to(KUBERNETES)): built(plan.parent) for plan in plans}
    for path in (KUBERNETES / "consumer.yaml", ROOT / "examples/kubernetes/compare.yaml"):
        found[path.stem] = list(yaml.safe_load_all(path.read_text()))
    return found


MANIFESTS = manifests()
CLOCKS = {name: found for name, found in MANIFESTS.items() if name != "compare"}


@pytest.mark.parametrize("name", MANIFESTS)
def test_kubernetes_knows_every_field(name: str):
    import kubernetes_validate

    for each in MANIFESTS[name]:
        newest = kubernetes_validate.latest_version()
        kubernetes_validate.validate(each, newest, strict=True)


@pytest.mark.parametrize("name", CLOCKS)
def test_pods_are_as_the_level_restricted_asks_but_for_the_host_path(name: str):
    found = [pod for each in CLOCKS[name] for pod in pods(each)]
    assert found
    for pod in found:
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    for container in (each for one in CLOCKS[name] for each in containers(one)):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("name", MANIFESTS)
def test_the_commands_of_pods_exist(name: str):
    for container in (each for one in MANIFESTS[name] for each in containers(one)):
        words = [*container.get("command", ["chronotick"]), *container.get("args", [])]
        probes = [container[kind] for kind in container if kind.endswith("Probe")]
        lines = [words, *(probe["exec"]["command"] for probe in probes)]
        for line in lines:
            text = line[-1] if line[0] == "sh" else shlex.join(line)
            if line[0] != "mkdir":
                parse(shlex.split(text.partition(";")[0])[1:])


@pytest.mark.parametrize("name", [name for name in CLOCKS if name != "consumer"])
def test_the_configuration_of_a_cluster_is_one(name: str, tmp_path: Path):
    (made,) = [each for each in CLOCKS[name] if each["kind"] == "ConfigMap"]
    file = tmp_path / "config.yaml"
    file.write_text(made["data"]["config.yaml"])
    load(file, {}, {})
    (daemon,) = [each for each in CLOCKS[name] if each["kind"] == "DaemonSet"]
    (pod,) = pods(daemon)
    assert made["metadata"] == {"name": pod["volumes"][1]["configMap"]["name"]}


def test_a_consumer_finds_the_record_where_the_daemon_puts_it():
    (daemon,) = [each for each in CLOCKS["base"] if each["kind"] == "DaemonSet"]
    (consumer,) = CLOCKS["consumer"]
    written, read = (host_path(next(pods(each)), "CHRONOTICK_SHM") for each in (daemon, consumer))
    assert written == read == Path("/dev/shm/chronotick/record")  # noqa: S108 - of the node


def host_path(pod: dict[str, Any], variable: str) -> Path:
    """Where on the node the file is that a variable of a pod's last container names."""
    container = pod["containers"][-1]
    (inside,) = [Path(each["value"]) for each in container["env"] if each["name"] == variable]
    hosts = {
        each["name"]: each["hostPath"]["path"] for each in pod["volumes"] if "hostPath" in each
    }
    for mount in container["volumeMounts"]:
        if mount["name"] in hosts and inside.is_relative_to(mount["mountPath"]):
            return Path(hosts[mount["name"]]) / inside.relative_to(mount["mountPath"])
    pytest.fail(f"{inside} is on no host path")


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not installed")
@pytest.mark.parametrize("name", ["base", "overlays/models"])
def test_kustomize_makes_what_is_checked_here(name: str):
    """Where the real one is there: our reading of its files is right."""
    done = subprocess.run(
        ["kubectl", "kustomize", str(KUBERNETES / name)],  # noqa: S607 - wherever it is
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"], "KUBECONFIG": os.devnull},
    )
    text = re.sub(r"chronotick-[a-z0-9]{10}\b", "chronotick", done.stdout)
    real = {each["kind"]: each for each in yaml.safe_load_all(text)}
    ours = {each["kind"]: each for each in MANIFESTS[name]}
    for each in ours.values():
        if each["kind"] != "Namespace":
            each["metadata"]["namespace"] = "chronotick"
    assert real == ours


# Releases


def test_the_release_workflow_keeps_to_its_schema_and_names_files_that_exist():
    path = ROOT / ".github/workflows/release.yml"
    check_schema("vendor.github-workflows", path)
    text = path.read_text()
    for name in ("deploy/container/Dockerfile", "deploy/release/sbom.py", ".ci/run"):
        assert name in text
        assert (ROOT / name).is_file()
    used = re.findall(r"uses: (\S+)", text)
    assert used
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", each) for each in used)
