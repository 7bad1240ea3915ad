"""What is measured of each contestant, and how much of it."""

import json
import subprocess
import time
from dataclasses import dataclass, replace

from .space import ORIGIN, Failed, busy, line_of, reason


@dataclass(frozen=True)
class Effort:
    """How long a look is taken."""

    runs: int
    millis: int
    connections: tuple
    rate: tuple
    pings: int
    beside: int
    idle: tuple
    octets: int
    patience: int


# Seconds that a connection is silent before it is called idle.
SILENCE = 2.5

FULL = Effort(5, 1200, (1, 8, 32), (500, 250), 5000, 500, (1000, 5000), 50_000_000, 20)
QUICK = Effort(1, 300, (1, 8), (100, 50), 500, 100, (500,), 5_000_000, 5)


def measures(effort, contestant):
    """Each measure's name and what does it; each is given a running contestant and returns its cells."""
    table = {}
    carry = iperf3 if contestant.key == "iperf3" else bulk
    for count in effort.connections:
        for way in "up", "down":
            table[f"{way}.{count}"] = lambda running, way=way, count=count: carry(running, way, count, effort)
    if carry is iperf3:
        return table
    for clients, each in zip((1, 16), effort.rate):
        table[f"rate.{clients}"] = lambda running, clients=clients, each=each: rate(running, clients, each, effort)
    table["ping"] = lambda running: ping(running, effort)
    for way in "up", "down":
        table[f"beside-{way}"] = lambda running, way=way: beside(running, way, effort)
    table["verify"] = lambda running: verify(running, effort)
    # Last, since each has a process of its own, whose memory nothing has used before.
    for count in effort.idle:
        table[f"idle.{count}"] = lambda running, count=count: idle(running, count, effort)
    return table


def bulk(running, way, count, effort):
    """Octets a second, and CPU for each 1,000,000,000 of them: of the process, and of the whole machine."""
    said, cpu, machine = timed(running, effort, way, count, effort.millis)
    gigabytes = said["octets"] / 1e9
    if not gigabytes:
        raise Failed("nothing was carried")
    cells = {"rate": said["octets_per_second"], "jain": said["jain"], "stalls": said["stalls"], "machine": machine / gigabytes}
    return cells if cpu is None else cells | {"cpu": cpu / gigabytes}


def iperf3(running, way, count, effort):
    """Octets a second, as iperf3 counts them where they arrive."""
    host = ORIGIN.partition(":")[0]
    seconds = max(1, effort.millis // 1000)
    command = [*running.client, "iperf3", "-c", host, "-J", "-t", str(seconds), "-P", str(count)]
    said = json.loads(output(running, command + ["-R"] * (way == "down"), effort))["end"]
    return {"rate": said["sum_received"]["bits_per_second"] / 8}


def rate(running, clients, each, effort):
    """Connections a second, each opened, used once and closed."""
    said, cpu, _ = timed(running, effort, "rate", clients, each)
    if said["failed"]:
        raise Failed(f"{said['failed']} of {clients * each} connections failed")
    cells = {"rate": said["connections_per_second"], "first": said["first_octet_us"], "first99": said["first_octet_p99_us"]}
    cells["handshake"] = said["handshake_us"]
    return cells if cpu is None else cells | {"cpu_us": cpu / (clients * each) * 1e6}


def ping(running, effort):
    """Round trips of one octet, in microseconds."""
    said, _, _ = timed(running, effort, "ping", 1, effort.pings)
    return {"median": said["median_us"], "p99": said["p99_us"]}


def beside(running, way, effort):
    """What bulk on one connection adds to the round trip of an octet on another, in microseconds."""
    said, _, _ = timed(running, effort, f"beside-{way}", 1, effort.beside)
    return {"added": max(0, said["median_us"] - said["alone_us"]), "median": said["median_us"], "p99": said["p99_us"]}


def verify(running, effort):
    """Octets that are wrong or missing, there and back at once with a half-close."""
    said, _, _ = timed(running, effort, "verify", 2, effort.octets)
    if said["wrong"]:
        raise Failed(f"{said['wrong']} of {said['octets']} octets wrong or missing")
    return {"octets": said["octets"]}


def idle(running, count, effort):
    """Memory for each connection that has been silent for some seconds, and how long opening all takes."""
    before = running.process.memory() if running.process else None
    command = running.load("idle", count, 16)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        try:
            opened = json.loads(line_of(child, effort.patience))
            time.sleep(SILENCE)
            held = running.process.memory() if running.process else None
            child.stdin.close()
            alive = json.loads(line_of(child, effort.patience))["alive"]
        finally:
            child.kill()
    if alive != count:
        raise Failed(f"{count - alive} of {count} idle connections are gone")
    cells = {"seconds": opened["seconds"]}
    return cells if before is None else cells | {"memory": (held - before) / count}


def timed(running, effort, *arguments):
    """What a load says, the CPU that the contestant used meanwhile, and the whole machine's."""
    if running.process:
        running.process.check()
    before, machine = running.process.cpu() if running.process else None, busy()
    said = json.loads(output(running, running.load(*arguments), effort))
    used = running.process.cpu() - before if running.process else None
    return said, used, busy() - machine


def output(running, command, effort):
    """What a command prints, or why it failed."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=effort.patience, stdin=subprocess.DEVNULL, check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"not within {effort.patience} s") from None
    if done.returncode:
        if running.process:
            running.process.check()
        raise Failed(reason(done.stderr))
    return done.stdout
