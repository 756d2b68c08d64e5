"""How each contender is started, as its own documentation says, and where it says what it did."""

import json
import os
import shutil
import time
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from meter import Meter, end_descendants, spawn
from workloads import CLIENTS, LEARNING_RATE, BATCH, SEED, Workload

HERE = Path(__file__).parent
LIMIT = 1800


class Failed(Exception):
    """A contender did not finish."""


@dataclass
class Outcome:
    """When rounds began and ended (seconds since 1970), and how good the model is on the test images."""

    began: float
    ended: float
    accuracy: float


@dataclass
class Setting:
    """What a contender may use."""

    workload: Workload
    data: Path
    folder: Path
    python: Path
    fltorrent: Path


def wait_for(process, log: Path) -> None:
    """Waits for a command's success."""
    if process.wait(timeout=LIMIT) != 0:
        raise Failed(f"exit code {process.returncode}, see {log}")


def outcome_of(path: Path) -> Outcome:
    return Outcome(**json.loads(path.read_text()))


def plain(setting: Setting, log: Path) -> Outcome:
    """Plain PyTorch, one process."""
    result = setting.folder / "plain.json"
    command = [str(setting.python), str(HERE / "plain.py"), setting.workload.name, str(setting.data), str(result)]
    wait_for(spawn(command, log), log)
    return outcome_of(result)


def fltorrent(setting: Setting, log: Path) -> Outcome:
    """A process a peer on loopback, ring, mutual TLS; MTU as loopback allows in the large workload."""
    workload, results = setting.workload, setting.folder / "fltorrent"
    partition = (
        "{type: dirichlet, dirichlet: {alpha: 0.3, minSamples: 100}}"
        if workload.samples is None
        else "{type: iid}"
    )
    manifest = setting.folder / "experiment.yaml"
    manifest.write_text(
        f"""apiVersion: fltorrent.io/v1alpha1
kind: FLTorrentExperiment
metadata: {{name: side-by-side-{workload.name}}}
spec:
  seed: {SEED}
  groups: [{{name: peers, count: {CLIENTS}}}]
  topology: {{type: ring}}
  model: {{type: mlp, mlp: {{hidden: {list(workload.hidden)}}}}}
  data:
    type: idx
    idx: {{path: {setting.data}}}
    partition: {partition}
  training: {{rounds: {workload.rounds}, epochs: 1, batchSize: {BATCH}, learningRate: {LEARNING_RATE}}}
  transport: {{mtu: 6500}}
"""
    )
    command = [str(setting.fltorrent), "run", str(manifest), "--out", str(results)]
    wait_for(spawn(command, log), log)
    summary = json.loads((results / "summary.json").read_text())
    started = datetime.fromisoformat(summary["started"]).timestamp()
    return Outcome(started + summary["startupSeconds"], started + summary["wallSeconds"], summary["accuracy"])


def flower_environment(setting: Setting) -> tuple[dict[str, str], Path]:
    """A Flower home and app of their own; nothing is looked up on the network."""
    app = setting.folder / "flower_app"
    shutil.copytree(HERE / "flower_app", app)
    shutil.copy(HERE / "workloads.py", app / "side_by_side" / "workloads.py")
    home = setting.folder / "flower_home"
    home.mkdir()
    environment = os.environ | {
        "FLWR_HOME": str(home),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "PATH": f"{setting.python.parent}:{os.environ['PATH']}",
    }
    (home / "config.toml").write_text(
        '[superlink]\ndefault = "here"\n\n[superlink.here]\naddress = "127.0.0.1:8000"\ninsecure = true\n'
    )
    return environment, app


def flower_run(setting: Setting, log: Path, environment, app: Path, extra: list[str]) -> Outcome:
    """Submits the app to the SuperLink and waits for what its server writes at the end."""
    result = setting.folder / "flower.json"
    config = f'workload="{setting.workload.name}" data="{setting.data}" result="{result}"'
    command = ["flwr", "run", str(app), "here", "--run-config", config, "--stream", *extra]
    spawn([str(setting.python.parent / "flwr"), *command[1:]], log, env=environment)
    deadline = time.monotonic() + LIMIT
    while not result.exists() or not result.read_text():
        if time.monotonic() > deadline:
            raise Failed(f"not finished after {LIMIT} s, see {log}")
        time.sleep(0.05)
    return outcome_of(result)


def superlink(setting: Setting, log: Path, environment, *extra: str) -> None:
    """Starts a SuperLink and waits until it answers."""
    program = str(setting.python.parent / "flower-superlink")
    options = ["--insecure", "--disable-runtime-dependency-installation", "--host", "127.0.0.1", "--port", "8000"]
    spawn([program, *options, *extra], log, env=environment)
    deadline = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen("http://127.0.0.1:8000/health", timeout=1):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise Failed(f"the SuperLink does not answer, see {log}") from None
            time.sleep(0.1)


def flower_simulation(setting: Setting, log: Path) -> Outcome:
    """Flower's simulation: a SuperLink in simulation mode, Ray actors of one CPU each."""
    environment, app = flower_environment(setting)
    superlink(setting, log, environment, "--simulation")
    federation = f"num-supernodes={CLIENTS} client-resources-num-cpus=1"
    return flower_run(setting, log, environment, app, ["--federation-config", federation])


def flower_deployment(setting: Setting, log: Path) -> Outcome:
    """Flower's deployment: a SuperLink and a SuperNode a client, all on this machine."""
    environment, app = flower_environment(setting)
    superlink(setting, log, environment)
    program = str(setting.python.parent / "flower-supernode")
    for client in range(CLIENTS):
        node = f"partition-id={client} num-partitions={CLIENTS}"
        options = ["--insecure", "--superlink", "127.0.0.1:8000", "--port", str(9200 + client), "--node-config", node]
        spawn([program, *options], log, env=environment)
    return flower_run(setting, log, environment, app, [])


CONTENDERS = {
    "plain PyTorch": plain,
    "Flower, simulation": flower_simulation,
    "Flower, deployment": flower_deployment,
    "FLTorrent": fltorrent,
}


def measure(name: str, setting: Setting) -> dict[str, float]:
    """Runs one contender and gives its figures."""
    log = setting.folder / "log.txt"
    meter = Meter()
    try:
        outcome = CONTENDERS[name](setting, log)
    finally:
        meter.stop()
        end_descendants()
    rounds = setting.workload.rounds
    spent = meter.at(outcome.ended, meter.cpu) - meter.at(outcome.began, meter.cpu)
    moved = meter.at(outcome.ended, meter.bytes) - meter.at(outcome.began, meter.bytes)
    return {
        "startup": outcome.began - meter.began,
        "wall": (outcome.ended - outcome.began) / rounds,
        "cpu": spent / rounds,
        "cpu_all": meter.cpu[-1],
        "bytes": moved / rounds,
        "memory": meter.peak,
        "accuracy": outcome.accuracy,
    }
