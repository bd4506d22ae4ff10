"""What is known of a folder's bytes: memory, encryption, or nothing, by the kernel's own words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from console.environments.protection import protection_of

SWAPS = "Filename\tType\tSize\tUsed\tPriority\n"


class Kernel:
    """A /proc and a /sys as the kernel would show them."""

    def __init__(self, root: Path) -> None:
        self.proc, self.sys = root / "proc", root / "sys"
        (self.proc / "self").mkdir(parents=True)
        (self.sys / "dev" / "block").mkdir(parents=True)
        self.mounts: list[str] = ["1 0 9:9 / / rw,relatime shared:1 - ext4 /dev/root rw"]
        self.swaps = SWAPS

    def mount(
        self, place: Path, kind: str, *, device: str = "0:50", source: str = "none", options: str = "rw"
    ) -> None:
        """Mount something, last of all."""
        word = str(place).replace(" ", "\\040")
        self.mounts.append(f"2 1 {device} / {word} rw,nosuid shared:2 - {kind} {source} {options}")

    def block(self, number: str, *, uuid: str = "", on: tuple[str, ...] = ()) -> None:
        """Add a block device, of device mapper's where it has a uuid, which lies on others."""
        place = self.sys / "dev" / "block" / number
        place.mkdir()
        if uuid:
            (place / "dm").mkdir()
            (place / "dm" / "uuid").write_text(f"{uuid}\n")
        for below in on:
            (place / "slaves" / below).mkdir(parents=True)
            (place / "slaves" / below / "dev").write_text(f"{below}\n")

    def zram(self, number: str, *, backed_by: str = "none") -> None:
        """Add compressed memory, which may write what is not used to a disk behind it."""
        place = self.sys / "dev" / "block" / number
        (place / "mm_stat").parent.mkdir()
        (place / "mm_stat").write_text("0 0 0 0 0 0 0 0 0\n")
        (place / "backing_dev").write_text(f"{backed_by}\n")

    def btrfs(self, name: str, *devices: str) -> None:
        """Add a btrfs that lies on all of these."""
        for device in devices:
            place = self.sys / "fs" / "btrfs" / name / "devices" / f"b{device.replace(':', '-')}"
            place.mkdir(parents=True)
            (place / "dev").write_text(f"{device}\n")

    def found(self, folder: Path) -> tuple[str, str]:
        """Return how a folder is protected, and who says so."""
        (self.proc / "self" / "mountinfo").write_text("".join(f"{line}\n" for line in self.mounts))
        (self.proc / "swaps").write_text(self.swaps)
        seen = protection_of(folder, proc=self.proc, sys=self.sys)
        return seen.kind, seen.told_by


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    """A kernel with an ext4 at / whose device is not there."""
    return Kernel(tmp_path / "kernel")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a blank in its name."""
    made = tmp_path / "kept copies"
    made.mkdir()
    return made


def test_an_ordinary_disk_is_no_protection(kernel: Kernel, folder: Path) -> None:
    """A disk of which nothing is known passes for encrypted."""
    kernel.block("9:9")
    assert kernel.found(folder) == ("", "nothing shows that /dev/root encrypts")


@pytest.mark.parametrize("kind", ["tmpfs", "ramfs"])
def test_memory_is_one(kernel: Kernel, folder: Path, kind: str) -> None:
    """A file system in memory is refused where no swap is."""
    kernel.mount(folder, kind)
    assert kernel.found(folder / ".")[0] == "memory"


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [("tmpfs", "rw", ""), ("tmpfs", "rw,noswap", "memory"), ("ramfs", "rw", "memory")],
)
def test_memory_that_is_swapped_to_an_open_disk_is_none(
    kernel: Kernel, folder: Path, kind: str, options: str, expected: str
) -> None:
    """What lies in tmpfs is on the disk once memory is short, unless it is never swapped."""
    kernel.mount(folder, kind, options=options)
    kernel.swaps = SWAPS + "/swap\\040file                              file\t\t1024\t0\t-2\n"
    found, told_by = kernel.found(folder)
    assert found == expected
    assert expected or told_by == "it may be swapped out to /swap file, which is not encrypted"


@pytest.mark.parametrize(
    ("name", "backed_by", "expected"),
    [
        ("/dev/zram0", "none", "memory"),
        ("/dev/zram0", "/dev/sdb1", ""),
        ("/zram.swap", "none", ""),
        ("/dev/zram1", "none", ""),
    ],
)
def test_swap_in_memory_is_no_disk(
    kernel: Kernel, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, backed_by: str, expected: str
) -> None:
    """zram is taken for a disk; or a swap file that is called so, or zram that writes to a disk, for memory."""
    numbers = {Path("/dev/zram0"): "252:0", Path("/dev/zram1"): "8:1"}
    monkeypatch.setattr("console.environments.protection._block_number", lambda path: numbers.get(path, ""))
    kernel.zram("252:0", backed_by=backed_by)
    kernel.block("8:1")
    kernel.mount(folder, "tmpfs")
    kernel.swaps = SWAPS + f"{name}                              partition\t1024\t0\t-2\n"
    assert kernel.found(folder)[0] == expected


@pytest.mark.parametrize(
    ("uuid", "below", "expected"),
    [
        ("CRYPT-LUKS2-0f-luks", (), "encrypted"),
        ("CRYPT-INTEGRITY-0f-sum", (), ""),
        ("CRYPT-INTEGRITY-0f-sum", ("8:1",), ""),
        ("CRYPT-INTEGRITY-0f-sum", ("253:0",), "encrypted"),
        ("CRYPT-VERITY-0f-root", ("8:1",), ""),
        ("LVM-abc", ("253:0",), "encrypted"),
        ("LVM-abc", ("253:0", "8:1"), ""),
        ("LVM-abc", (), ""),
        ("", ("8:1",), ""),
    ],
)
def test_a_device_is_encrypted_when_all_that_it_lies_on_is(
    kernel: Kernel, folder: Path, uuid: str, below: tuple[str, ...], expected: str
) -> None:
    """A volume of which a part is on an open disk passes, or LVM on LUKS does not."""
    kernel.block("253:0", uuid="CRYPT-LUKS2-1f-luks")
    kernel.block("8:1")
    kernel.block("253:7", uuid=uuid, on=below)
    kernel.mount(folder, "ext4", device="253:7", source="/dev/mapper/data")
    assert kernel.found(folder)[0] == expected


@pytest.mark.parametrize(
    ("devices", "expected"), [(("253:0",), "encrypted"), (("253:0", "8:1"), ""), ((), "")]
)
def test_a_btrfs_is_encrypted_when_all_its_devices_are(
    kernel: Kernel, folder: Path, monkeypatch: pytest.MonkeyPatch, devices: tuple[str, ...], expected: str
) -> None:
    """mountinfo names one device of several, and the others' bytes are on an open disk."""
    monkeypatch.setattr("console.environments.protection._block_number", lambda _path: "253:0")
    kernel.block("253:0", uuid="CRYPT-LUKS2-1f-luks")
    kernel.block("8:1")
    kernel.btrfs("other", "8:1")
    kernel.btrfs("this", *devices)
    kernel.mount(folder, "btrfs", device="0:44", source="/dev/mapper/data")
    assert kernel.found(folder)[0] == expected


def test_a_file_system_that_encrypts_is_known(kernel: Kernel, folder: Path) -> None:
    """gocryptfs is taken for an open folder, or any other FUSE for an encrypted one."""
    kernel.mount(folder, "fuse.sshfs")
    assert kernel.found(folder)[0] == ""
    kernel.mount(folder, "fuse.gocryptfs")
    assert kernel.found(folder)[0] == "encrypted"


def test_the_last_mount_above_a_folder_counts(kernel: Kernel, folder: Path) -> None:
    """A tmpfs below, or one that something was mounted over, protects what does not lie in it."""
    (folder / "inner").mkdir()
    kernel.mount(folder / "inner", "tmpfs")
    assert kernel.found(folder)[0] == ""
    kernel.mount(folder, "tmpfs")
    kernel.mount(folder, "ext4", source="/dev/sdb1")
    assert kernel.found(folder)[0] == ""
    assert kernel.found(folder / "inner")[0] == "memory"


def test_a_link_to_an_open_disk_is_an_open_disk(kernel: Kernel, folder: Path, tmp_path: Path) -> None:
    """The name of a link in memory says where the bytes are."""
    kernel.mount(folder, "tmpfs")
    (folder / "away").symlink_to(tmp_path)
    assert kernel.found(folder / "away")[0] == ""


def test_the_kernel_of_this_machine_is_understood(tmp_path: Path) -> None:
    """The real files have another shape than those above."""
    assert protection_of(Path("/dev/shm")).file_system == "tmpfs"
    assert protection_of(tmp_path).file_system not in ("", "unknown")
    assert os.path.ismount("/dev/shm")
