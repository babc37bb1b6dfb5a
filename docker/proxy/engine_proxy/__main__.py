"""`python -m engine_proxy`: listen on PROXY_ADDRESS, in front of the engine at PROXY_ENGINE."""

from __future__ import annotations

import os
import sys

from engine_proxy.policy import policy_from
from engine_proxy.server import EngineProxy


def main() -> int:
    """Serve until the process ends; 2 where the settings make no policy."""
    host, _, port = os.environ.get("PROXY_ADDRESS", "127.0.0.1:2375").rpartition(":")
    try:
        policy = policy_from()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    with EngineProxy((host, int(port)), policy, os.environ.get("PROXY_ENGINE", "/var/run/docker.sock")) as server:
        print(f"ready on {host}:{server.server_address[1]}: {policy}", flush=True)
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
