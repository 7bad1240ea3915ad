"""A board in qemu, with its ports on this host's loopback and no rights that need root."""

import pathlib
import socket
import subprocess
import time

BOARDS = {
    "lm3s6965": (["qemu-system-arm", "-machine", "lm3s6965evb"], ["-nic", "{net}"]),
    "an505": (["qemu-system-arm", "-machine", "mps2-an505"], ["-nic", "{net}"]),
    "virt": (
        ["qemu-system-riscv32", "-machine", "virt", "-m", "8M", "-bios", "none", "-global", "virtio-mmio.force-legacy=false"],
        ["-netdev", "{net},id=net", "-device", "virtio-net-device,netdev=net"],
    ),
}
PORTS = {"echo": 7, "socks": 1080, "files": 7007, "reader": 7008, "trace": 7070}
SECONDS = 20
PAINT = 0xCC


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Board:
    """A board that runs for as long as it is entered."""

    def __init__(self, name, image, folder):
        self.name, self.image = name, image
        self.uart = pathlib.Path(folder, f"{name}.uart")
        self.monitor = pathlib.Path(folder, f"{name}.monitor")

    def __enter__(self):
        forwards = ""
        for port, inside in PORTS.items():
            setattr(self, port, free_port())
            forwards += f",hostfwd=tcp:127.0.0.1:{getattr(self, port)}-10.0.2.15:{inside}"
        machine, wire = BOARDS[self.name]
        command = [*machine, *(word.format(net="user" + forwards) for word in wire)]
        command += ["-kernel", self.image, "-display", "none", "-serial", f"file:{self.uart}"]
        command += ["-monitor", f"unix:{self.monitor},server=on,wait=off"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self.wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.monitor.unlink(missing_ok=True)

    def wait(self):
        """Waits until the board answers a client."""
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.socks), 1) as probe:
                    probe.sendall(b"\5\1\0")
                    if probe.recv(2) == b"\5\0":
                        return
            except OSError:
                pass
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(f"the {self.name} does not serve within {SECONDS} s")
            time.sleep(0.05)  # qemu has no event for what its guest does

    def tell(self, command):
        """Has qemu's monitor carry a command out."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(str(self.monitor))
            for words in ("", command + "\n"):
                monitor.sendall(words.encode())
                heard = b""
                while not heard.rstrip().endswith(b"(qemu)"):
                    heard += monitor.recv(4_096)

    def forward_udp(self, inside):
        """Returns a port of this host's that leads to a UDP port of the board's."""
        port = free_port(socket.SOCK_DGRAM)
        self.tell(f"hostfwd_add udp:127.0.0.1:{port}-10.0.2.15:{inside}")
        return port

    def painted(self, folder):
        """Returns how many octets of the stack were ever used: those that are not as they were painted.

        `None` when there is no paint left.
        """
        words = ["arm-none-eabi-nm", self.image]
        lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
        places = {line.split()[-1]: int(line.split()[0], 16) for line in lines if not line.startswith(" ")}
        top = places["_stack_start"]
        bottom = places.get("_stack_end", places.get("__estack"))
        dump = pathlib.Path(folder, "stack")
        self.tell(f'memsave {bottom:#x} {top - bottom:#x} "{dump}"')
        octets = dump.read_bytes()
        untouched = next((at for at, octet in enumerate(octets) if octet != PAINT), len(octets))
        return len(octets) - untouched if untouched else None

    def read_all(self, port):
        """Returns what a port of the board's says until it closes."""
        octets = b""
        with socket.create_connection(("127.0.0.1", port), SECONDS) as ours:
            while more := ours.recv(65_536):
                octets += more
        return octets

    def log(self):
        """Returns what the UART has said."""
        return self.uart.read_bytes()
