"""Whose panics an image can reach: from where the panic handler can be come to, by the lines that the compiler noted."""

import collections
import re

from .lines import frames, lines_of

FUNCTION = re.compile(r"^([0-9a-f]+) <(.*)>:$")
BRANCH = re.compile(r"^\s*([0-9a-f]+):\s+b\S*\s+([0-9a-f]+) <")
HANDLER = "rust_begin_unwind"
CRATE = re.compile(r"/registry/src/[^/]*/([^/]*?)-\d[^/]*/")
# What these do, they do for whoever calls them.
LIBRARIES = ("core", "heapless", "byteorder", "managed", "nb")


def branches(image):
    """Returns the branches of an image from one function to another, as (place, function, target)."""
    found, begin = [], None
    starts = set()
    for line in lines_of("arm-none-eabi-objdump", "-d", "--no-show-raw-insn", image):
        if match := FUNCTION.match(line):
            begin = int(match[1], 16)
            starts.add(begin)
        elif match := BRANCH.match(line):
            found.append((int(match[1], 16), begin, int(match[2], 16)))
    return [branch for branch in found if branch[2] in starts and branch[2] != branch[1]]


def crate(path, root):
    """Returns whose source a line is in."""
    if path.startswith(root):
        return "sockhop"
    if match := CRATE.search(path):
        return match[1]
    return "core" if "/library/" in path else path


def blamed(image, places, root):
    """Returns for each place whose code it is: that of the innermost frame that is not a library's; `None` if all are."""
    crates = ([crate(file, root) for file in files] for files in frames(image, places))
    return [next((owner for owner in files if owner not in LIBRARIES), None) for files in crates]


def owners(image, root):
    """Returns how many panics of whom an image can reach."""
    every = branches(image)
    symbols = (line.split() for line in lines_of("arm-none-eabi-nm", image))
    reached = {int(words[0], 16) & ~1 for words in symbols if len(words) == 3 and words[2].endswith(HANDLER)}
    if not reached:
        raise RuntimeError(f"{image} has no panic handler")
    counted, done = collections.Counter(), set()
    while new := [branch for branch in every if branch[2] in reached and branch[0] not in done]:
        for (place, function, _), owner in zip(new, blamed(image, [branch[0] for branch in new], root), strict=True):
            done.add(place)
            if owner is None:
                # A library's function of its own: whoever calls it is meant.
                reached.add(function)
            else:
                counted[owner] += 1
    return counted
