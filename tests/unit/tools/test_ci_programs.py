"""What continuous integration installs by itself, and that it goes on where it cannot."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import PROJECT

NEEDED = ("buildah", "chromium", "mmdebstrap", "podman", "amtool", "promtool", "runc")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder with all the programs that a machine has: no make but one that ends at once."""
    for name in ("bash", "cat", "dirname", "env", "timeout", "true"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    has(tmp_path, "make", 'echo "make $@"')
    has(tmp_path, "id", "echo 0")
    has(tmp_path, "apt-get", f'echo "$@" >> {tmp_path}/asked')
    return tmp_path


def has(machine: Path, name: str, does: str = "") -> None:
    program = machine / name
    program.write_text(f"#!{machine / 'bash'}\n{does}\n", encoding="utf-8")
    program.chmod(0o755)


def run(machine: Path) -> list[str]:
    """What it prints, line by line."""
    done = subprocess.run(
        [machine / "bash", PROJECT / ".ci" / "run"],
        env={"PATH": str(machine)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def asked(machine: Path) -> list[str]:
    """What apt-get was asked to do, and for which packages."""
    lines = (machine / "asked").read_text(encoding="utf-8").splitlines()
    words = [line.split() for line in lines]
    return [" ".join(one[one.index("APT::Install-Recommends=false") + 1 :]) for one in words]


def test_nothing_is_installed_where_all_is_there(machine: Path) -> None:
    for name in NEEDED:
        has(machine, name)
    assert run(machine) == ["make check test"]
    assert not (machine / "asked").exists()


def test_what_is_missing_is_installed_together(machine: Path) -> None:
    for name in NEEDED:
        if name not in ("promtool", "runc"):
            has(machine, name)
    assert run(machine) == ["installing prometheus runc", "make check test"]
    assert asked(machine) == ["update", "install prometheus runc"]


def test_a_browser_of_another_name_will_do(machine: Path) -> None:
    for name in (*NEEDED[2:], "buildah", "google-chrome"):
        has(machine, name)
    assert run(machine) == ["make check test"]


def test_a_package_that_is_not_to_be_had_keeps_no_other_out(machine: Path) -> None:
    refuses = f'echo "$@" >> {machine}/asked; case "$*" in *runc*) exit 100;; esac'
    has(machine, "apt-get", refuses)
    for name in NEEDED[:5]:
        has(machine, name)
    assert run(machine) == [
        "installing prometheus runc",
        "runc could not be installed: its tests are skipped.",
        "make check test",
    ]
    assert asked(machine)[2:] == ["install prometheus", "install runc"]


def test_who_may_not_install_is_told_what_is_missing(machine: Path) -> None:
    has(machine, "id", "echo 1000")
    has(machine, "sudo", "exit 1")
    for name in NEEDED[1:]:
        has(machine, name)
    assert run(machine) == [
        "buildah: not here, and not ours to install. Their tests are skipped.",
        "make check test",
    ]
    assert not (machine / "asked").exists()
    (machine / "sudo").unlink()
    assert run(machine)[-1] == "make check test"


def test_sudo_installs_for_who_may_use_it(machine: Path) -> None:
    has(machine, "id", "echo 1000")
    has(machine, "sudo", '[ "$1" = -n ] && shift && exec "$@"')
    for name in NEEDED[1:]:
        has(machine, name)
    assert run(machine) == ["installing buildah", "make check test"]
    assert asked(machine) == ["update", "install buildah"]
