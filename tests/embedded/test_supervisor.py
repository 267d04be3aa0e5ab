"""Programs and servers under the supervisor, interrupted and killed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.embedded import services
from app.embedded.server import EmbeddedServer, wait_until
from app.embedded.supervisor import Restarts
from tests.embedded.support import SCRIPTS, Running, alive, kill, settings

PRODUCT = SCRIPTS / "supervised.py"


class Product(Running):
    """The small product of supervised.py, with the output of its programs."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(PRODUCT, str(data_dir))
        self.data_dir = data_dir

    def pid(self, role: str, number: int = 1) -> int:
        """Pid in the `number`-th line of a program's role in its log: clock, worker or helper."""
        log = self.data_dir / "logs" / ("clock.log" if role == "clock" else "worker.log")

        def told() -> list[str]:
            lines = log.read_text().splitlines() if log.exists() else []
            return [line for line in lines if line.startswith(f"{role} pid ")]

        assert wait_until(lambda: len(told()) >= number, 120), f"no {role} in:\n{self.text}"
        return int(told()[number - 1].split()[-1])

    def server(self, name: str) -> int:
        """Pid of the server of that name, 0 while it is being started."""
        pids = (self.data_dir / "embedded" / f"{name}.server").read_text().split()
        return int(pids[-1]) if pids else 0

    def everything(self) -> list[int]:
        roles = [self.pid(role) for role in ("clock", "worker", "helper")]
        return [self.process.pid, *roles, self.server("postgres"), self.server("redis")]


@pytest.fixture
def product(data_dir: Path) -> Iterator[Product]:
    running = Product(data_dir)
    running.says("ready")
    yield running
    running.process.terminate()
    running.end()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_stops_everything(product: Product, number: signal.Signals) -> None:
    everything = product.everything()
    assert product.end(number) == 0
    assert not [pid for pid in everything if alive(pid)]
    assert "Traceback" not in product.text


def test_a_second_interrupt_does_not_disturb_the_first(product: Product) -> None:
    everything = product.everything()
    product.process.send_signal(signal.SIGINT)
    assert product.end(signal.SIGTERM) == 0
    assert not [pid for pid in everything if alive(pid)]
    assert "Traceback" not in product.text


def test_a_second_start_says_what_runs_and_harms_nothing(product: Product) -> None:
    second = Product(product.data_dir)
    assert second.end() == 1
    assert f"already running on {product.data_dir}: pid {product.process.pid}, http://" in second.text
    assert "since 20" in second.text
    assert all(alive(pid) for pid in product.everything())


def test_a_killed_program_is_started_again(product: Product) -> None:
    kill(product.pid("clock"))
    assert alive(product.pid("clock", 2))
    log = product.data_dir / "logs" / "clock.log"
    assert f"clock ended (killed by SIGKILL); starting it again in 0.5 s; its log is {log}" in product.text
    assert alive(product.pid("worker"))


def test_what_a_killed_program_left_behind_ends_with_the_product(product: Product) -> None:
    helper = product.pid("helper")
    kill(product.pid("worker"))
    product.pid("worker", 2)
    assert alive(helper)
    assert product.end(signal.SIGINT) == 0
    assert not alive(helper)


@pytest.mark.parametrize("name", ["postgres", "redis"])
def test_a_killed_server_is_started_again(product: Product, name: str) -> None:
    before = product.server(name)
    kill(before)
    product.says(f"{name} ended; starting it again")
    assert wait_until(lambda: product.server(name) != before and alive(product.server(name)), 30)
    with services(settings(product.data_dir)) as ready:
        server: EmbeddedServer = {each.name: each for each in ready.servers}[name]
        assert server.pid() == product.server(name)


def test_a_killed_supervisor_takes_its_programs_along_and_the_next_one_works(product: Product) -> None:
    clock, worker = product.pid("clock"), product.pid("worker")
    servers = [product.server("postgres"), product.server("redis")]
    kill(product.process.pid)
    assert wait_until(lambda: not alive(clock) and not alive(worker), 10)
    following = Product(product.data_dir)
    following.says("ready")
    assert [following.server("postgres"), following.server("redis")] == servers
    assert following.end(signal.SIGINT) == 0
    assert not any(alive(pid) for pid in servers)


def test_output_goes_to_a_private_log_file_per_program_and_not_to_the_screen(product: Product) -> None:
    clock, log = product.pid("clock"), product.data_dir / "logs" / "clock.log"
    assert log.read_text() == f"clock pid {clock}\n"
    assert log.stat().st_mode & 0o777 == 0o600
    assert product.lines == ["ready"]


def test_something_that_keeps_ending_is_started_less_and_less_often() -> None:
    restarts = Restarts()
    restarts.started()
    assert [restarts.ended() for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
