"""What a migration's program does when it exits, done while the engine still looks."""

from __future__ import annotations

import atexit
import threading
import weakref

import pytest

from console.harness.exits import as_at_its_exit


def test_exit_handlers_are_called_at_the_end_the_last_one_first() -> None:
    """What a migration registered for its exit never happens, happens twice, or in another order."""
    called: list[str] = []
    own = atexit.register
    with as_at_its_exit():
        atexit.register(called.append, "first")
        atexit.register(called.append, "second")
        taken_back = atexit.register(lambda: called.append("taken back"))
        atexit.unregister(taken_back)
        later = atexit.register
        assert called == []
    assert called == ["second", "first"]
    assert atexit.register is own
    with as_at_its_exit():
        later(called.append, "by a name that was imported before")
    assert called == ["second", "first", "by a name that was imported before"]


def test_handlers_of_python_s_own_library_wait_for_the_real_end() -> None:
    """A finalizer that the library registered by itself runs while the process goes on."""
    called: list[str] = []

    class Held:
        """Something that a finalizer can be attached to."""

    held = Held()
    with as_at_its_exit():
        finalizer = weakref.finalize(held, called.append, "finalized")
    assert called == []
    finalizer.detach()


def test_a_thread_that_is_left_is_waited_for() -> None:
    """A thread still at work when the migration returns is not waited for, or its end is not told."""
    go, done = threading.Event(), threading.Event()

    def work() -> None:
        go.wait()
        done.set()

    with as_at_its_exit():
        threading.Thread(target=work).start()
        go.set()
    assert done.is_set()
    stuck = threading.Event()
    with (
        pytest.raises(RuntimeError, match=r"its thread stuck one went on for 0\.01 s"),
        as_at_its_exit(0.01),
    ):
        threading.Thread(target=stuck.wait, name="stuck one").start()
    stuck.set()


def test_an_error_of_the_migration_is_its_own() -> None:
    """A migration that raises is told by what its handlers raise, or they are called for it."""
    with pytest.raises(ValueError, match="the migration's"), as_at_its_exit():
        raise ValueError("the migration's")
