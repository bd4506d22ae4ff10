"""What a plan says of a copy that is kept, or was: who may ask for it, what its steps and boundaries say, what fits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from console.engine.runner import describe
from console.model.config import (
    EnvironmentConfig,
    KeptCopy,
    MaskConfig,
    PackConfig,
    ReuseConfig,
    RunConfig,
    SampleConfig,
    SourceConfig,
)
from console.packs import LoadedPack, find_pack, load_pack
from console.plans.checks import problems
from console.plans.dry_run import dry_run
from console.plans.file import read_plan_file
from console.plans.reusing import fits_of, reuse_claims

SOURCE = SourceConfig(kind="connection", host="/run/pg", database="shop", role="reader", secret="shop")
CONFIG = RunConfig(source=SOURCE, reuse=ReuseConfig(copy=True, folder="/dev/shm/kept"))
KEPT = KeptCopy(
    folder="/dev/shm/kept/kept-20261121-034512-7f3a", run="20261121-034512-7f3a",
    source="connection /run/pg:5432 shop, system_identifier 7", read_at="2026-11-21T03:45:10Z",
    until="2026-11-21T11:45:12+00:00", sha256="ab" * 32, size_bytes=4_000_000,
)  # fmt: skip


def told(config: RunConfig) -> list[str]:
    """Return what is wrong with [reuse]."""
    return [one.what for one in problems(config) if one.section == "reuse"]


def test_a_whole_server_on_the_embedded_environment_keeps_its_copy() -> None:
    """What the documentation names is no problem, and nothing is asked of a plan without [reuse]."""
    assert told(CONFIG) == told(RunConfig()) == []
    container = SourceConfig(kind="container", container="postgres", database="shop", role="reader")
    assert told(msgspec.structs.replace(CONFIG, source=container)) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"plan": "proof"}, "a proof keeps no copy"),
        ({"plan": "migration"}, "a migration keeps no copy"),
        ({"environment": EnvironmentConfig(kind="docker")}, "a copy in a container cannot be kept"),
        ({"source": SourceConfig()}, "a source of kind demo is not kept"),
        ({"source": SourceConfig(kind="dump_file", path="/x")}, "a source of kind dump_file is not kept"),
        ({"sample": SampleConfig(rows="none")}, "a copy that is not the whole source is not kept"),
        (
            {"mask": MaskConfig(columns={"public.t.c": "fake"})},
            "a copy that is not the whole source is not kept",
        ),
        ({"reuse": ReuseConfig(copy=True, folder="kept")}, "'kept' is not an absolute path"),
        ({"reuse": ReuseConfig(copy=True, hours=0)}, "hours 0 is not between 0.01 and 168"),
        ({"reuse": ReuseConfig(copy=True, hours=169)}, "hours 169 is not between 0.01 and 168"),
        ({"reuse": ReuseConfig(copy=True, folder="/dev/../shm")}, "climbs out of its folder"),
        ({"reuse": ReuseConfig(hours=4)}, "[reuse] says how a copy is kept, and not that one is"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_a_sentence(change: dict[str, object], says: str) -> None:
    """A copy of something else, or without an end, is asked for and nobody says no."""
    assert [what for what in told(msgspec.structs.replace(CONFIG, **change)) if says in what]


def test_a_plan_file_says_it_with_its_line(tmp_path: Path) -> None:
    """[reuse] is no section of a plan file, or has other keys."""
    path = tmp_path / "plan.toml"
    path.write_text(
        '[reuse]\ncopy = true\nfolder = "/dev/shm/k"\nhours = 2\nencrypted = true\n'
        '[source]\nkind = "connection"\nhost = "h"\ndatabase = "d"\nrole = "r"\nsecret = "s"\n'
    )
    found = read_plan_file(path).reuse
    assert found == ReuseConfig(copy=True, folder="/dev/shm/k", hours=2, encrypted=True)


def test_whoever_keeps_is_asked_for_it_at_b2() -> None:
    """Production's data stays after the run and no boundary says so."""
    plan = dry_run(CONFIG, scenarios=("S1",))
    asked = {step.boundary.id: step.boundary for step in plan.steps if step.boundary is not None}
    assert (
        "a second one stays in /dev/shm/kept for at most 8 h, also after the run" in asked["B-2"].irrevocable
    )
    assert "KEPT" in plan.title
    assert (plan.copy, plan.kept_sha256) == ("kept", "")
    assert "G-29" in next(step for step in plan.steps if step.id == "C-06").gates
    assert "N-8" in plan.teardown.gates
    assert "a copy of production stays" in " ".join(reuse_claims(CONFIG, None))


def test_a_kept_copy_is_taken_by_name_age_and_hash() -> None:
    """B-2 asks to touch production, or does not say of when the copy is; the gates of a source are asked."""
    plan = dry_run(CONFIG, scenarios=("S1",), kept=KEPT)
    asked = next(
        step.boundary for step in plan.steps if step.boundary is not None and step.boundary.id == "B-2"
    )
    for words in (
        KEPT.run,
        KEPT.source,
        KEPT.read_at,
        "4.0 MB, list abababababab",
        "production is not touched",
    ):
        assert words in asked.question
    assert set(plan.not_applicable) - set(dry_run(CONFIG, scenarios=("S1",)).not_applicable) == {
        "G-05", "G-06", "G-21", "G-25", "N-6",
    }  # fmt: skip
    assert (plan.copy, plan.kept_sha256) == ("reused", KEPT.sha256)
    assert f"which is the one that run {KEPT.run} KEPT" in plan.title
    assert "production was not reached" in " ".join(reuse_claims(CONFIG, KEPT))


@pytest.mark.parametrize("kept", [None, KEPT])
def test_every_gate_is_asked_at_the_step_that_it_names(kept: KeptCopy | None) -> None:
    """A gate of a kept copy stands in no step, or in another one than its row says."""
    plan = dry_run(CONFIG, scenarios=("S1",), kept=kept, rewound=())
    asked = [(gate, step.id) for step in plan.steps for gate in step.gates]
    assert sorted(asked) == sorted((gate.id, gate.step) for gate in plan.gates)
    assert {gate.id for gate in plan.gates if gate.closing} == set(plan.teardown.gates)


def test_what_is_approved_names_the_kept_copy() -> None:
    """Another kept copy, or a copy kept elsewhere, has the same digest."""
    other = msgspec.structs.replace(KEPT, sha256="cd" * 32)
    told = {describe(dry_run(CONFIG, scenarios=("S1",), kept=one)) for one in (None, KEPT, other)}
    elsewhere = msgspec.structs.replace(CONFIG, reuse=ReuseConfig(copy=True, folder="/mnt/kept"))
    assert len(told | {describe(dry_run(elsewhere, scenarios=("S1",)))}) == 4
    without = msgspec.structs.replace(CONFIG, reuse=ReuseConfig())
    assert b"kept" not in describe(dry_run(without, scenarios=("S1",)))


def test_only_a_copy_of_the_same_source_pack_and_postgresql_fits() -> None:
    """A copy of another database is taken for this one, or the same one is not found again."""
    loaded = load_pack(find_pack(PackConfig().name))

    def fits(
        config: RunConfig, pack: LoadedPack = loaded, *, version: str = "16.14", root: str = "/pg"
    ) -> str:
        return fits_of(config, pack, programs=version, root=root)

    first = fits(CONFIG)
    assert fits(msgspec.structs.replace(CONFIG, search=CONFIG.search)) == first
    others = [
        msgspec.structs.replace(CONFIG, source=msgspec.structs.replace(SOURCE, **{key: value}))
        for key, value in (("host", "/run/other"), ("port", 5433), ("database", "stock"), ("role", "admin"))
    ]
    packs = [msgspec.structs.replace(loaded.pack, **{key: "some"}) for key in ("owner", "schema")]
    found = {fits(one) for one in others}
    found |= {fits(CONFIG, version="16.15"), fits(CONFIG, root="/pg-with-another-icu")}
    found |= {fits(CONFIG, replace(loaded, pack=pack)) for pack in packs}
    found.add(fits(msgspec.structs.replace(CONFIG, sample=SampleConfig(rows="none"))))
    assert len(found | {first}) == 10
