"""How each contender is started, as its own documentation says, and where it says what it did."""

import json
import os
import shutil
import statistics
import time
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from meter import Meter, end_descendants, spawn
from workloads import BATCH, LEARNING_RATE, Task

HERE = Path(__file__).parent
LIMIT = 1800
# Rounds whose mean accuracy is more than the luck of the last one.
SETTLED = 5


class Failed(Exception):
    """A contender did not finish."""


@dataclass
class Outcome:
    """When rounds began and ended (Unix seconds), and of each its model's test accuracy and whose update it lacks."""

    began: float
    ended: float
    scores: list[float]
    missing: list[list[int]]


@dataclass
class Setting:
    """What a contender may use. FLTorrent's manifest takes `spec` as it is."""

    task: Task
    folder: Path
    python: Path
    fltorrent: Path
    spec: str = ""

    def task_file(self) -> Path:
        path = self.folder / "task.json"
        self.task.write(path)
        return path


def wait_for(process, log: Path) -> None:
    """Waits for a command's success."""
    if process.wait(timeout=LIMIT) != 0:
        raise Failed(f"exit code {process.returncode}, see {log}")


def outcome_of(path: Path) -> Outcome:
    return Outcome(**json.loads(path.read_text()))


def plain(setting: Setting, log: Path) -> Outcome:
    """Plain PyTorch, one process."""
    result = setting.folder / "plain.json"
    command = [str(setting.python), str(HERE / "plain.py"), str(setting.task_file()), str(result)]
    wait_for(spawn(command, log), log)
    return outcome_of(result)


def write_manifest(setting: Setting) -> Path:
    """The task as FLTorrent's manifest; MTU as loopback allows."""
    task, workload = setting.task, setting.task.workload
    path = setting.folder / "experiment.yaml"
    path.write_text(
        f"""apiVersion: fltorrent.io/v1alpha1
kind: FLTorrentExperiment
metadata: {{name: side-by-side-{workload.name}}}
spec:
  seed: {task.seed}
  groups: [{{name: peers, count: {workload.clients}}}]
  topology: {{type: {workload.topology}}}
  model: {{type: mlp, mlp: {{hidden: {list(workload.hidden)}}}}}
  data:
    type: idx
    idx: {{path: {task.data}}}
    partition: {{type: explicit, explicit: {{shards: {[[part] for part in task.shards]}}}}}
  training: {{rounds: {workload.rounds}, epochs: 1, batchSize: {BATCH}, learningRate: {LEARNING_RATE}}}
  transport: {{mtu: 6500}}
{setting.spec}"""
    )
    return path


def fltorrent(setting: Setting, log: Path) -> Outcome:
    """A process a peer on loopback, mutual TLS."""
    results = setting.folder / "fltorrent"
    command = [str(setting.fltorrent), "run", str(write_manifest(setting)), "--out", str(results)]
    wait_for(spawn(command, log), log)
    summary = json.loads((results / "summary.json").read_text())
    started = datetime.fromisoformat(summary["started"]).timestamp()
    began, ended = started + summary["startupSeconds"], started + summary["wallSeconds"]
    return Outcome(began, ended, [each["accuracy"] for each in summary["rounds"]], missing_updates(setting, results))


def missing_updates(setting: Setting, results: Path) -> list[list[int]]:
    """Whose update each round lacks at any peer, as the peers have written down."""
    missing: list[set[int]] = [set() for _ in range(setting.task.workload.rounds)]
    for path in (results / "peers").glob("peer-*.jsonl"):
        for line in map(json.loads, path.read_text().splitlines()):
            if line["event"] == "roundEnd":
                missing[line["round"]].update(line["missing"])
    return [sorted(each) for each in missing]


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
    config = f'task="{setting.task_file()}" result="{result}"'
    command = ["flwr", "run", str(app), "here", "--run-config", config, "--stream", *extra]
    spawn([str(setting.python.parent / "flwr"), *command[1:]], log, env=environment, cwd=setting.folder)
    deadline = time.monotonic() + LIMIT
    while not result.exists() or not result.read_text():
        if time.monotonic() > deadline:
            raise Failed(f"not finished after {LIMIT} s, see {log}")
        time.sleep(0.05)
    outcome = outcome_of(result)
    if outcome.missing != setting.task.away:
        raise Failed(f"clients other than those that were to be away gave no update, see {log}")
    return outcome


def superlink(setting: Setting, log: Path, environment, *extra: str) -> None:
    """Starts a SuperLink and waits until it answers."""
    program = str(setting.python.parent / "flower-superlink")
    options = ["--insecure", "--disable-runtime-dependency-installation", "--host", "127.0.0.1", "--port", "8000"]
    # What Ray's actors import from where they run goes before the app.
    spawn([program, *options, *extra], log, env=environment, cwd=setting.folder)
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
    federation = f"num-supernodes={setting.task.workload.clients} client-resources-num-cpus=1"
    return flower_run(setting, log, environment, app, ["--federation-config", federation])


def flower_deployment(setting: Setting, log: Path) -> Outcome:
    """Flower's deployment: a SuperLink and a SuperNode a client, all on this machine."""
    environment, app = flower_environment(setting)
    superlink(setting, log, environment)
    program = str(setting.python.parent / "flower-supernode")
    clients = setting.task.workload.clients
    for client in range(clients):
        node = f"partition-id={client} num-partitions={clients}"
        options = ["--insecure", "--superlink", "127.0.0.1:8000", "--port", str(9200 + client), "--node-config", node]
        spawn([program, *options], log, env=environment, cwd=setting.folder)
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
    rounds = setting.task.workload.rounds
    spent = meter.at(outcome.ended, meter.cpu) - meter.at(outcome.began, meter.cpu)
    moved = meter.at(outcome.ended, meter.bytes) - meter.at(outcome.began, meter.bytes)
    return {
        "startup": outcome.began - meter.began,
        "wall": (outcome.ended - outcome.began) / rounds,
        "cpu": spent / rounds,
        "cpu_all": meter.cpu[-1],
        "bytes": moved / rounds,
        "memory": meter.peak,
        "accuracy": outcome.scores[-1],
        "settled": statistics.fmean(outcome.scores[-SETTLED:]),
        "missing": sum(map(len, outcome.missing)),
        "degraded": sum(map(bool, outcome.missing)),
    }
