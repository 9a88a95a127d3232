"""Load from wrk, where it is installed: a generator in C, so never what is measured."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from benchmarks.load import Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.load import Request

# Requests are made before the load begins: making them costs the generator a tenth of its work.
_SCRIPT = """
local made, rest, turn, load = {}, {}, 0, os.getenv("BENCH_KEYS")
function init(args)
  local method, headers = os.getenv("BENCH_METHOD"), load and {["Idempotency-Key"] = "@"}
  for path in io.lines(os.getenv("BENCH_PATHS")) do
    local whole = wrk.format(method, path, headers)
    made[#made + 1], rest[#rest + 1] = whole:match("^([^@]*)@?(.*)$")
  end
end
function request()
  turn = turn + 1
  local which = (turn - 1) % #made + 1
  if not load then return made[which] end
  return made[which] .. load .. "-" .. turn .. rest[which]
end
function done(summary, latency, requests)
  io.write(string.format(
    '\\n{"answers":%d,"us":%d,"refused":%d,"lost":%d,"p50_us":%.0f,"p99_us":%.0f}\\n',
    summary.requests, summary.duration, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""


def installed() -> bool:
    """Return whether there is a wrk on this machine."""
    return shutil.which("wrk") is not None


def run_load(port: int, requests: Sequence[Request], *, clients: int, seconds: float) -> Result:
    """Send the requests in turn from so many clients for so long; return what came of it.

    All requests have one method and no body, and all or none are keyed. Raises RuntimeError
    where answers were lost.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths, script = Path(folder) / "paths", Path(folder) / "load.lua"
        keys = {"BENCH_KEYS": uuid4().hex} if requests[0].keyed else {}
        paths.write_text("\n".join(request.path for request in requests))
        script.write_text(_SCRIPT)
        done = subprocess.run(
            [  # noqa: S607  # found on the PATH, as `installed` did
                "wrk",
                "-t1",
                "--timeout",
                "30s",
                f"-c{clients}",
                f"-d{max(round(seconds), 1)}s",
                "-s",
                str(script),
                f"http://127.0.0.1:{port}",
            ],
            env={"BENCH_PATHS": str(paths), "BENCH_METHOD": requests[0].method, **keys},
            capture_output=True,
            text=True,
            check=True,
        )
    said = json.loads(done.stdout.strip().splitlines()[-1])
    if said["lost"]:
        message = f"{said['lost']} requests were lost: {done.stdout}"
        raise RuntimeError(message)
    return Result(
        seconds=said["us"] / 1e6,
        answers=said["answers"],
        refused=said["refused"],
        p50_ms=said["p50_us"] / 1000,
        p99_ms=said["p99_us"] / 1000,
    )
