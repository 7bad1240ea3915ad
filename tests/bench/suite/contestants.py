"""Who is measured: the kernel alone, ours in each of its ways, and others where they are installed."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import space
from .space import Failed, Process

CRATES = Path(os.environ.get("SOCKHOP_PEERS", Path.home() / ".cache/sockhop-peers"))
# Who the tunnel's clients are: the routes of that user lead into it, and those of the tunnel itself do not.
TUNNELLED = "61234"
DANTED = """
logoutput: /dev/null
internal: 127.0.0.1 port = 1080
external: out
clientmethod: none
socksmethod: none
user.privileged: root
user.unprivileged: nobody
client pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
socks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
"""


@dataclass(frozen=True)
class Contestant:
    """One row. `kind` is kernel, ours, socks or tunnel; `command` is what is run, its program first."""

    key: str
    name: str
    kind: str
    command: tuple = ()
    way: str = "127.0.0.1:1080"
    # Where it comes from: a Debian package, a crate, or nothing.
    package: str = ""
    crate: str = ""
    # Flags that this tun-demo may not have.
    needs: tuple = ()

    def missing(self, program):
        """Why it cannot be measured here; an empty text if it can. `program` is our own command."""
        if not self.command:
            return ""
        if self.kind == "ours":
            known = subprocess.run([program, "socks5", "--help"], capture_output=True, text=True, check=False).stdout
            lacking = [flag for flag in self.needs if f"{flag} " not in known and f"{flag}\n" not in known]
            return f"this tun-demo has no {' '.join(lacking)}" if lacking else ""
        return "" if find(self.command[0]) else "not installed"

    def version(self, program):
        """What it calls its version."""
        if not self.command:
            return os.uname().release
        if self.kind == "ours":
            said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout.split()[-1]
            commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
            return f"{said} {commit.stdout.strip()}".strip()
        if self.crate:
            listed = subprocess.run(
                ["cargo", "install", "--list", "--root", str(CRATES)], capture_output=True, text=True, check=False
            ).stdout
            named = [line.split()[1].strip("v:") for line in listed.splitlines() if line.startswith(f"{self.crate} ")]
            return named[0] if named else "unknown"
        query = ["dpkg-query", "-W", "-f", "${Version}", self.package]
        return subprocess.run(query, capture_output=True, text=True, check=False).stdout or "unknown"


OURS = ("TUN-DEMO", "socks5", "--control", "none", "--addr6", "none")
PLAIN = ("--no-offload", "--mtu", "1500")
FAST_SOCKS5 = ("server", "--listen-addr", "127.0.0.1:1080", "no-auth")
TUN = "198.18.0.2:1080"
TUN2PROXY = ("tun2proxy-bin", "--tun", "tunnel0", "--proxy", "none", "--max-sessions", "16384", "--verbosity", "off")
LARGE = ("--mtu", "65520")

ALL = [
    Contestant("direct", "the kernel alone", "kernel", way="direct"),
    # Bulk as somebody else measures it: whether the load itself is what is slow.
    Contestant("iperf3", "the same, by iperf3", "kernel", ("iperf3", "-s"), "direct", package="iperf3"),
    Contestant("ours", "sockhop, TUN", "ours", OURS, TUN),
    Contestant("ours-workers", "sockhop, TUN, 2 workers", "ours", (*OURS, "--workers", "2"), TUN, needs=("--workers",)),
    Contestant("ours-plain", "sockhop, TUN, no offload", "ours", (*OURS, *PLAIN), TUN, needs=("--no-offload",)),
    Contestant("ours-listen", "sockhop, host socket", "ours", (*OURS[:-2], "--listen", "127.0.0.1:1080", "--most", "16384")),
    Contestant("microsocks", "microsocks", "socks", ("microsocks", "-i", "127.0.0.1", "-p", "1080"), package="microsocks"),
    Contestant("danted", "Dante", "socks", ("danted", "-f", "SETTINGS"), package="dante-server"),
    Contestant("fast-socks5", "fast-socks5 (example)", "socks", FAST_SOCKS5, crate="fast-socks5"),
    Contestant("tun2proxy", "tun2proxy", "tunnel", TUN2PROXY, "direct", crate="tun2proxy"),
    Contestant("tun2proxy-large", "tun2proxy, MTU 65520", "tunnel", (*TUN2PROXY, *LARGE), "direct", crate="tun2proxy"),
    Contestant(
        "pasta",
        "passt (pasta)",
        "tunnel",
        ("pasta", "--netns-only", "--netns", "INSIDE", "-f", "-q", "--config-net", "-I", "tap0", "--runas", "0", "-g", "10.77.0.254")
        + ("--no-map-gw", "-t", "none", "-u", "none", "-T", "none", "-U", "none"),
        "direct",
        package="passt",
    ),
    Contestant(
        "slirp4netns",
        "slirp4netns",
        "tunnel",
        ("slirp4netns", "--configure", "--mtu=65520", "--netns-type=path", "INSIDE", "tap0"),
        "direct",
        package="slirp4netns",
    ),
]


def find(program):
    """Where a program is, among what is installed and what was built for this."""
    return shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:{CRATES}/bin")


def install_crates():
    """Builds what comes from crates.io, once."""
    for crate, extra in ("tun2proxy", ["--bin", "tun2proxy-bin"]), ("fast-socks5", ["--example", "server"]):
        subprocess.run(["cargo", "install", "--root", str(CRATES), "--quiet", crate, *extra], check=True)


class Running:
    """A contestant at work: where its clients are, what they dial, and its process; to be left by `end`."""

    def __init__(self, world, contestant, program, work):
        self.world, self.contestant, self.way = world, contestant, contestant.way
        self.client, self.process, self.inside = ["ip", "netns", "exec", world.here], None, None
        try:
            self.begin(list(contestant.command), program, work)
        except BaseException:
            self.end()
            raise

    def begin(self, command, program, work):
        """Starts the process, and returns once it serves."""
        if not command:
            return
        if "INSIDE" in command:
            self.inside = self.world.space("inside")
            command[command.index("INSIDE")] = f"/run/netns/{self.inside}"
            self.client = ["ip", "netns", "exec", self.inside]
        if "SETTINGS" in command:
            settings = work / "settings"
            settings.write_text(DANTED)
            command[command.index("SETTINGS")] = str(settings)
        command[0] = program if command[0] == "TUN-DEMO" else find(command[0])
        log = work / "log"
        with log.open("wb") as file:
            place = self.world.there if self.contestant.key == "iperf3" else self.world.here
            self.process = Process(self.world.start(place, command, stdout=file, stderr=file), log)
        if "--tun" in command:
            self.client += ["setpriv", "--reuid", TUNNELLED, "--clear-groups"]
            self.lead_in(command[command.index("--tun") + 1])
        space.wait_until(self.serves, 10, self.process)

    def lead_in(self, device):
        """Has what the clients send, and nothing else, go through the device."""
        here = self.world.here
        shown = ["ip", "-n", here, "link", "show", device]
        space.wait_until(lambda: not subprocess.run(shown, capture_output=True, check=False).returncode, 5, self.process)
        # The tunnel may have done the first two itself.
        subprocess.run(["ip", "-n", here, "addr", "add", "10.88.0.1/24", "dev", device], capture_output=True, check=False)
        space.ip("-n", here, "link", "set", device, "up")
        space.ip("-n", here, "route", "replace", "10.77.0.2/32", "dev", device, "table", "100")
        space.ip("-n", here, "rule", "add", "uidrange", f"{TUNNELLED}-{TUNNELLED}", "lookup", "100")

    def load(self, *arguments):
        """The command of a load for it."""
        mode, *rest = (str(argument) for argument in arguments)
        return [*self.client, self.world.load, mode, self.way, space.ORIGIN, *rest]

    def serves(self):
        """Whether an octet comes back through it."""
        asked = self.load("ping", 1, 1)
        if self.contestant.key == "iperf3":
            asked = [*self.client, "iperf3", "-c", space.ORIGIN.partition(":")[0], "-n", "1"]
        try:
            return not subprocess.run(asked, capture_output=True, timeout=2, check=False).returncode
        except subprocess.TimeoutExpired:
            return False

    def end(self):
        """Stops the process, and takes away what it needed."""
        if "--tun" in self.contestant.command:
            rule = ["ip", "-n", self.world.here, "rule", "del", "uidrange", f"{TUNNELLED}-{TUNNELLED}"]
            subprocess.run(rule, capture_output=True, check=False)
        if self.process:
            self.world.stop(self.process.child)
        if self.inside:
            self.world.remove(self.inside)


def named(names):
    """The contestants of these names, each a key or the beginning of one; all without any."""
    if not names:
        return ALL
    chosen = [one for one in ALL if any(one.key == name or one.key.startswith(f"{name}-") for name in names)]
    for name in names:
        if not any(one.key == name or one.key.startswith(f"{name}-") for one in ALL):
            raise Failed(f"{name!r} is none of {', '.join(one.key for one in ALL)}")
    return chosen
