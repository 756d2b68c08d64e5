#!/usr/bin/env python3
"""What churn costs: FLTorrent beside Flower's simulation, without churn and with the same one, in one run.

    python3 bench/side_by_side/churn.py --fltorrent target/release/fltorrent

In each round each client is away with probability --rate. FLTorrent's plan draws that from the seed. Its peers do it to
themselves (--event), Flower's clients fail in the same rounds, and plain PyTorch leaves them out. All have the same
samples of the same clients. Runs everything once a seed in turns, prints a Markdown table.
"""

import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from environment import enter, options, results, slug, versions

CONTENDERS = ("plain PyTorch", "Flower, simulation", "FLTorrent")
# What happens to a peer of FLTorrent: its process dies and another one takes its place, its training hangs for as long
# as a round may last, or its process stands still for longer than others wait for it.
EVENTS = {"restart": "", "wedge": ", for: {deadline}ms", "pause": ", for: 1500ms"}
# With and without churn. Rounds take a fraction of a second, so who is lost has to be noticed soon.
PATIENCE = """  liveness: {{heartbeatInterval: 200ms, heartbeatTimeout: 1s}}
  exchange: {{round: {{patience: 200ms, deadline: {deadline}ms}}}}
"""


@dataclass(frozen=True)
class Variant:
    """A contender, and how its clients are away; none: they are not."""

    contender: str
    how: str | None

    def spec(self, rate: float, deadline: int) -> str:
        """What FLTorrent's manifest says of it."""
        spec = PATIENCE.format(deadline=deadline)
        if self.how in EVENTS:
            length = EVENTS[self.how].format(deadline=deadline)
            spec += f"  churn: [{{event: {self.how}, rate: {rate}{length}}}]\n"
        return spec


def arguments():
    parser = options(__doc__, CONTENDERS)
    add = parser.add_argument
    add("--event", choices=EVENTS, action="append", help="only this one; may be given again; default restart and wedge")
    add("--rate", type=float, default=0.1, help="probability that a client is away in a round")
    add("--deadline", type=int, default=1500, help="ms until FLTorrent's rounds close; all must have trained by then")
    add("--rounds", type=int, help="instead of the workload's")
    add("--samples", type=int, help="training samples a client, in equal blocks, instead of all by Dirichlet(0.3)")
    add("--seeds", type=int, default=1, help="runs of each, every one with data, order and churn of its own")
    return parser.parse_args()


def variants(contenders: list[str], events: list[str]) -> list[Variant]:
    """Each contender without and with churn."""
    found = []
    for contender in contenders:
        hows = events if contender == "FLTorrent" else ["fails" if contender.startswith("Flower") else "left out"]
        found += [Variant(contender, how) for how in [None, *hows]]
    return found


def drawn(setting) -> list[list[int]]:
    """Who is away in which round, as FLTorrent's plan says."""
    from contenders import write_manifest

    command = [str(setting.fltorrent), "plan", str(write_manifest(setting)), "--output", "json"]
    planned = subprocess.run(command, capture_output=True, text=True)
    if planned.returncode != 0:
        sys.exit(f"{' '.join(command)} failed: {planned.stderr}")
    plan = json.loads(planned.stdout)
    away: list[list[int]] = [[] for _ in range(setting.task.workload.rounds)]
    for peer in plan["details"]:
        for due in peer.get("churn", []):
            away[due["at"]["round"]].append(peer["peer"])
    return away


def heading(settled: int) -> str:
    """The first two lines of the table."""
    accuracy = f"accuracy, %, mean of the last {settled} rounds | difference, points | accuracy, %, last round"
    return (
        f"| | churn | drawn, % | updates missing, % | degraded rounds | {accuracy} | wall, s a round | CPU, s a round |\n"
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|"
    )


def row(variant: Variant, runs: dict[int, dict[str, float]], base: dict[int, dict[str, float]], updates: int) -> str:
    """One line of the table: means over all seeds, and how far the difference goes from seed to seed."""
    name = f"| {variant.contender} | {variant.how or 'none'} "
    if not runs:
        return f"{name}| failed | | | | | | | |"
    mean = {key: statistics.fmean(run[key] for run in runs.values()) for key in next(iter(runs.values()))}
    points = [100 * (runs[seed]["settled"] - base[seed]["settled"]) for seed in runs if seed in base]
    difference = "–"
    if variant.how and points:
        difference = f"{statistics.fmean(points):+.2f} ({min(points):+.2f} to {max(points):+.2f})"
    return (
        f"{name}| {100 * mean['drawn'] / updates:.1f} | {100 * mean['missing'] / updates:.1f} | {mean['degraded']:.1f} "
        f"| {100 * mean['settled']:.2f} | {difference} | {100 * mean['accuracy']:.2f} "
        f"| {mean['wall']:.2f} | {mean['cpu']:.2f} |"
    )


def main() -> int:
    given = arguments()
    enter(given)
    from contenders import SETTLED, Failed, Setting, measure
    from workloads import WORKLOADS, deal

    workload = WORKLOADS["churn"]
    workload = replace(workload, rounds=given.rounds or workload.rounds, samples=given.samples)
    events = given.event or ["restart", "wedge"]
    names = given.contender or ["FLTorrent", "Flower, simulation"]
    tried = variants(names, events)
    print(f"{versions(names)}, load {os.getloadavg()[0]:.1f}")
    figures: dict[Variant, dict[int, dict[str, float]]] = {variant: {} for variant in tried}
    failed = False
    with results(given.keep) as base:
        for seed in range(1, given.seeds + 1):
            still = deal(workload, seed, given.data, base / f"{seed}" / "data")
            plan = Setting(still, base / f"{seed}", Path(sys.executable), given.fltorrent.absolute())
            away = drawn(replace(plan, spec=Variant("FLTorrent", events[0]).spec(given.rate, given.deadline)))
            for variant in tried:
                folder = base / f"{seed}" / slug(f"{variant.contender} {variant.how or 'none'}")
                folder.mkdir()
                print(f"seed {seed}: {variant.contender}, {variant.how or 'no'} churn", file=sys.stderr)
                task = replace(still, away=away) if variant.how else still
                try:
                    spec = variant.spec(given.rate, given.deadline)
                    run = measure(variant.contender, replace(plan, task=task, folder=folder, spec=spec))
                except Failed as error:
                    failed = True
                    print(f"{variant.contender} failed: {error}", file=sys.stderr)
                    continue
                run["drawn"] = sum(map(len, task.away))
                print(json.dumps(run), file=sys.stderr)
                figures[variant][seed] = run
    widths, clients, rounds = "-".join(map(str, workload.widths)), workload.clients, workload.rounds
    print(f"\nMLP {widths}, {clients} clients, {rounds} rounds, rate {given.rate}, means of {given.seeds} seeds")
    print(f"load at the end {os.getloadavg()[0]:.1f}\n\n{heading(SETTLED)}")
    for variant, runs in figures.items():
        print(row(variant, runs, figures[Variant(variant.contender, None)], clients * rounds))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
