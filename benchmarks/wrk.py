"""Load from wrk, where it is installed: a generator in C, so never what is measured."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.load import Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.load import Request

# Requests are made before the load begins: making them costs the generator a tenth of its work.
_SCRIPT = """
local made, turn = {}, 0
function init(args)
  for path in io.lines(os.getenv("BENCH_PATHS")) do
    made[#made + 1] = wrk.format(os.getenv("BENCH_METHOD"), path)
  end
end
function request()
  turn = turn % #made + 1
  return made[turn]
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

    All requests have one method and no body. Raises RuntimeError where answers were lost.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths, script = Path(folder) / "paths", Path(folder) / "load.lua"
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
            env={"BENCH_PATHS": str(paths), "BENCH_METHOD": requests[0].method},
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
