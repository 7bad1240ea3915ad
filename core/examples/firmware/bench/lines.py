"""Where in the source an image's code is from, as the compiler has noted it."""

import subprocess


def lines_of(*words, given=None):
    """Returns the lines that a program writes."""
    return subprocess.run(words, input=given, capture_output=True, text=True, check=True).stdout.splitlines()


def frames(image, places):
    """Gives for each place in the code, in their order, the files it is from: the function's own first, then its callers'
    that it is inlined in."""
    given = "\n".join(hex(place) for place in places)
    files = None
    for line in lines_of("arm-none-eabi-addr2line", "-e", image, "-i", "-a", given=given):
        if not line.startswith("0x"):
            files.append(line.split(":")[0])
            continue
        if files is not None:
            yield files
        files = []
    if files is not None:
        yield files
