"""Two hosts and a cable between them, as network namespaces, and what runs in them.

    here: clients, the proxy ══ veth, 1500 octets ══ there: the origin
    inside: clients of tunnels that bring a namespace of their own

Congestion control is Reno everywhere: a host's default may pace what is local and so measure itself.
"""

import os
import select
import subprocess
import time

ORIGIN = "10.77.0.2:9000"
TICKS = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A measurement that came to nothing; the text says why."""


class World:
    """The namespaces, and the origin. To be left by `close`, which takes everything down."""

    def __init__(self, load):
        self.load = load
        self.names = []
        self.children = []
        try:
            self.here, self.there = self.space("here"), self.space("there")
            ip("link", "add", "out", "netns", self.here, "type", "veth", "peer", "name", "in", "netns", self.there)
            for space, device, address in (self.here, "out", "10.77.0.1/24"), (self.there, "in", "10.77.0.2/24"):
                ip("-n", space, "addr", "add", address, "dev", device)
                ip("-n", space, "link", "set", device, "up")
            # Tunnels ask for the way out before they begin; nothing is sent there.
            ip("-n", self.here, "route", "add", "default", "via", "10.77.0.2")
            origin = self.start(self.there, [load, "origin", "0.0.0.0:9000"], stdout=subprocess.PIPE)
            if not origin.stdout.readline().startswith(b"ready"):
                raise Failed("the origin does not start")
        except BaseException:
            self.close()
            raise

    def space(self, what):
        """Makes a namespace, and returns its name."""
        name = f"sockhop-bench-{os.getpid()}-{what}"
        ip("netns", "add", name)
        self.names.append(name)
        ip("-n", name, "link", "set", "lo", "up")
        for setting in (
            "net.ipv4.tcp_congestion_control=reno",
            "net.ipv4.ip_local_port_range=2048 65535",
            # A client that opens thousands of connections a second would run out of ports within seconds.
            "net.ipv4.tcp_max_tw_buckets=2048",
        ):
            run(["ip", "netns", "exec", name, "sysctl", "-qw", setting])
        return name

    def start(self, space, command, **how):
        """Starts what is to go on until it is stopped or the world ends."""
        how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | how
        child = subprocess.Popen(["ip", "netns", "exec", space, *command], **how)
        self.children.append(child)
        return child

    def stop(self, child):
        """Ends what was started, and what that has started: politely, then for good."""
        family = set(tree(child.pid))
        self.children.remove(child)
        child.terminate()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        for name in self.names:
            for number in family & {int(number) for number in run(["ip", "netns", "pids", name]).split()}:
                os.kill(number, 9)

    def remove(self, name):
        """Removes a namespace."""
        self.names.remove(name)
        subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)

    def close(self):
        for child in list(self.children):
            self.stop(child)
        for name in list(self.names):
            self.remove(name)


class Process:
    """A process, its threads and its children: what they have used, and hold."""

    def __init__(self, child, log):
        self.child, self.log = child, log

    def check(self):
        code = self.child.poll()
        if code is not None:
            last = self.log.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
            raise Failed(f"it ended with code {code}: {last[0][:120]}")

    def cpu(self):
        """Seconds of CPU, in user space and in the kernel on its behalf, of what has ended too."""
        total = 0
        for number in tree(self.child.pid):
            fields = stat(number)
            total += sum(int(field) for field in fields[11:15]) if fields else 0
        return total / TICKS

    def memory(self):
        """Octets it holds; what several of its processes share is counted once."""
        total = 0
        for number in tree(self.child.pid):
            try:
                with open(f"/proc/{number}/smaps_rollup") as file:
                    total += next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
            except OSError:
                pass
        return total * 1024


def stat(number):
    """The fields of /proc/N/stat behind the name, which may have spaces in it."""
    try:
        with open(f"/proc/{number}/stat") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return None


def tree(root):
    """A process and all that descend from it."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := stat(name)):
            parents.setdefault(int(fields[1]), []).append(int(name))
    found = [root]
    for number in found:
        found += parents.get(number, [])
    return found


def busy():
    """Seconds that this machine's cores were not idle, whatever for."""
    with open("/proc/stat") as file:
        fields = [int(field) for field in file.readline().split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICKS


def line_of(child, seconds):
    """The next line that a process prints, or why there is none."""
    ready, _, _ = select.select([child.stdout], [], [], seconds)
    if not ready:
        raise Failed(f"not within {seconds} s")
    line = child.stdout.readline()
    if not line:
        raise Failed(reason(child.stderr.read()))
    return line


def reason(said):
    """What a program said last before it failed."""
    lines = said.decode(errors="replace").strip().splitlines() or ["it ended without a word"]
    return lines[-1].removeprefix("load: ")[:120]


def wait_until(ready, seconds, process):
    """Asks again and again until something is so, the process has ended, or time is up."""
    end = time.monotonic() + seconds
    while not ready():
        process.check()
        if time.monotonic() > end:
            raise Failed(f"it does not serve within {seconds} s")
        time.sleep(0.05)


def ip(*arguments):
    run(["ip", *arguments])


def run(command):
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(command)}: {done.stderr.decode().strip()}")
    return done.stdout.decode()
