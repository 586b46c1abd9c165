"""The report's part about the monitor itself: who had which partition, which processes ran."""

from __future__ import annotations

from agents.audit.verifying.processes import KINDS, Run
from agents.audit.verifying.verify import Outcome
from agents.audit.verifying.wording import SHOWN_MOST, when


def lines(outcome: Outcome) -> list[str]:
    """Return what the report says of workers, matching, the log's writer and every process."""
    told = []
    for place, of in outcome.passes.named():
        said = f"  {place}: {of.starts} starts, {of.stops} stops"
        if of.without:
            begin, end = max(of.without, key=lambda each: each[1] - each[0])
            total = sum(to - since for since, to in of.without) / 1000
            said += (
                f"; without a worker {len(of.without)} times, {total:,.1f} s in all, longest {when(begin)} "
                f"to {when(end)}"
            )
        if of.killed:
            said += f"; {of.killed} times its worker did not say that it stopped, and what is told is at most"
        if of.left and not of.owners:
            said += f"; given up at {when(of.left)}, by nobody taken since"
        if of.carried:
            said += f"; worker {of.carried} had it when this log began: its start is in the log before"
        told.append(said)
    told += [
        f"  the log's writer began at {when(at)} (entry {index})"
        for index, at, _ in outcome.spans.openings[:SHOWN_MOST]
    ]
    if repeated := outcome.completeness.repeated + outcome.passes.matched.repeated:
        told.append(f"  {repeated:,} records of coverage were stored twice, word by word")
    return [*told, *_programs(outcome), *_processes(outcome)]


def _programs(outcome: Outcome) -> list[str]:
    """Which program ran: one that changed without a release is a question to the operator."""
    return [
        f"  program {digest} (version {version}), by its own word: from {when(since)} to {when(until)}"
        for digest, (version, since, until) in outcome.processes.programs().items()
    ]


def _processes(outcome: Outcome) -> list[str]:
    processes = outcome.processes
    told = []
    for kind in KINDS:
        runs = processes.of(kind)
        if not runs:
            told.append(f"  {kind}: no start is in the log")
            continue
        crashes = [run for run in runs if processes.crashed(run)]
        gaps = list(processes.without(kind))
        told.append(f"  {kind}: {len(runs):,} runs, {len(crashes):,} of them without a stop")
        told += [f"    {_run(run, crashed=run in crashes)}" for run in runs[-SHOWN_MOST:]]
        told += [
            f"    none ran from {when(begin)} to {when(end)} ({(end - begin) / 1000:,.1f} s)"
            for begin, end in gaps[-SHOWN_MOST:]
        ]
        if (most := max(len(runs), len(gaps))) > SHOWN_MOST:
            told.append(f"    … and up to {most - SHOWN_MOST:,} earlier ones of each")
    return told


def _run(run: Run, *, crashed: bool) -> str:
    begun = "" if run.started else "before "  # what of it is in the log begins later
    if not run.speaks:
        return f"{when(run.since)} to {when(run.until)}, by what it judged: run {run.process}"
    ended = f"to {when(run.until)}, {'stopped' if run.stopped else 'still running'}"
    if crashed:
        ended = f"to {when(run.until)} or soon after, crashed: a start without a stop"
    policies = "".join(f", policy {each[:16]}" for each in run.policies)
    return f"{begun}{when(run.since)} {ended}; version {run.version}{policies}, run {run.process}"
