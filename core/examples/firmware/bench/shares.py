"""What part of an image's code is whose."""

import collections
import re

from .lines import frames, lines_of

# In this order: the first that fits.
PARTS = {
    "smoltcp: TCP, with its rings": r"smoltcp-[\d.]+/src/(socket/tcp|storage|wire/tcp|iface/interface/tcp)",
    "smoltcp: IPv4, ICMP, and what calls its sockets": r"smoltcp-",
    "guard and tracker": r"/core/src/tcp/",
    "node: Ethernet, ARP, UDP": r"/core/src/node/(ethernet|datagram|nic)",
    "node: connections, deadlines, sessions": r"/core/src/(node|stack|time|trace)",
    "SOCKS5 server and relay": r"/core/src/(socks|wire|machine|relay)",
    "board and driver": r"/core/examples/",
}
REST = "start, copying, division, and what the compiler did not note"


def shares(image):
    """Returns the octets of code of each part, largest first; what a library does, it does for whoever calls it."""
    headers = (line.split() for line in lines_of("arm-none-eabi-objdump", "-h", image))
    size, begin = next((int(words[2], 16), int(words[3], 16)) for words in headers if words[1:2] == [".text"])
    counted = collections.Counter()
    for files in frames(image, range(begin, begin + size, 2)):
        known = (part for file in files if "/library/" not in file for part, pattern in PARTS.items() if re.search(pattern, file))
        counted[next(known, REST)] += 2
    return counted.most_common()
