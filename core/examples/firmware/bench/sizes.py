"""What an image costs, and whether that is within the budget."""

import itertools
import subprocess
import tempfile

from .shares import shares

MARK = ("<!-- sizes: written by core/examples/firmware/prove -->", "<!-- sizes end -->")
ALLOCATOR = ("__rust_alloc", "__rg_alloc", "__rdl_alloc", "malloc")


def sections(image):
    lines = subprocess.run(["arm-none-eabi-size", "-A", image], capture_output=True, text=True, check=True).stdout
    rows = (line.split() for line in lines.splitlines() if line.startswith("."))
    return {row[0]: int(row[1]) for row in rows}


def symbols(image):
    """Returns the functions of an image, largest first."""
    words = ["arm-none-eabi-nm", "-C", "-S", "--size-sort", "-r", image]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    found = []
    for line in lines:
        _, size, kind, name = line.split(maxsplit=3)
        if kind in "tTwW":
            found.append((int(size, 16), name))
    return found


def frames(image):
    """Returns the frames of an image's functions in octets, largest first, as the compiler has noted them."""
    with tempfile.NamedTemporaryFile() as dump:
        words = ["arm-none-eabi-objcopy", "-O", "binary", "--only-section=.stack_sizes"]
        words += ["--set-section-flags", ".stack_sizes=alloc", image, dump.name]
        subprocess.run(words, check=True)
        octets = iter(dump.read())
    words = ["arm-none-eabi-nm", "-C", image]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    names = {int(line.split()[0], 16) & ~1: line.split(maxsplit=2)[2] for line in lines if not line.startswith(" ")}
    found = []
    while place := bytes(itertools.islice(octets, 4)):
        # An address, and a number in LEB128.
        size = shift = 0
        for octet in octets:
            size |= (octet & 0x7F) << shift
            shift += 7
            if octet < 0x80:
                break
        found.append((size, names.get(int.from_bytes(place, "little") & ~1, "?")))
    return sorted(found, reverse=True)


def row(board, kind, image, stack):
    parts = sections(image)
    data = parts.get(".data", 0)
    flash = sum(parts.get(name, 0) for name in (".vector_table", ".init", ".text", ".rodata")) + data
    ram = data + parts.get(".bss", 0) + parts.get(".uninit", 0)
    return {"board": board, "kind": kind, "image": image, "flash": flash, "ram": ram, "stack": stack}


def parts(image):
    """Returns the code of the SOCKS5 server, its RAM, and that of the guard."""
    words = ["arm-none-eabi-nm", "-S", image]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    sizes = {words[3]: int(words[1], 16) for words in map(str.split, lines) if len(words) == 4}
    # What every program has anyway, to copy and to clear memory, is not the server's.
    code = sum(size for size, name in symbols(image) if not name.startswith(("compiler_builtins", "core::", "__aeabi")))
    return {"code": code, "ram": sizes["SERVER"], "guard": sizes["GUARD"]}


def within(value, most, what):
    def claim():
        if value is None or value > most:
            raise AssertionError(f"{value:,} octets of {what} are more than {most:,}")
        return f"{value:,} of {most:,}"

    return claim


def judge_parts(score, found, budget):
    """Holds the parts of core against the budget."""
    score.check("the SOCKS5 server: code", within(found["code"], budget["machine"]["code"], "code"))
    score.check("the SOCKS5 server: RAM for a connection", within(found["ram"], budget["machine"]["ram"], "RAM"))
    score.check("guard and tracker: RAM for a connection", within(found["guard"], budget["connection"]["guard"], "RAM"))


def judge(score, rows, budget):
    """Holds the images of the Cortex-M3 against the budget."""
    for one in rows:
        name = f"{one['board']}, {one['kind']}"
        names = [name for _, name in symbols(one["image"])]
        allocators = [symbol for symbol in names if any(part in symbol for part in ALLOCATOR)]
        score.check(f"{name}: no allocator", lambda found=allocators: found and 1 / 0)
        if one["board"] != "lm3s6965":
            continue
        most = budget[one["kind"]]
        score.check(f"{name}: flash", within(one["flash"], most["flash"], "flash"))
        stack = one["stack"]
        score.check(f"{name}: stack, as painted", within(stack, most["stack"], "stack"))
        score.check(f"{name}: RAM with that stack", within(one["ram"] + (stack or 0), most["ram"], "RAM"))


def table(rows, found):
    """Returns the costs as Markdown, with the largest functions of the relay image."""
    server = f"{found['code']:,} octets of code and {found['ram']} of RAM for a connection"
    lines = [f"SOCKS5 server alone (password, names, UDP; inbox of 224 octets): {server}. Guard: {found['guard']}.", ""]
    lines += ["| board | image | flash | static RAM | stack |", "|---|---|---|---|---|"]
    for one in rows:
        stack = f"{one['stack']:,}" if one["stack"] else ""
        lines.append(f"| {one['board']} | {one['kind']} | {one['flash']:,} | {one['ram']:,} | {stack} |")
    relay = next((one for one in rows if (one["board"], one["kind"]) == ("lm3s6965", "relay")), None)
    if relay:
        lines += ["", "Where its code comes from:", "", "| octets | part |", "|---|---|"]
        lines += [f"| {size:,} | {part} |" for part, size in shares(relay["image"])]
        lines += ["", "The ten largest functions of the relay image on the Cortex-M3:", ""]
        lines += ["| octets | function |", "|---|---|"]
        lines += [f"| {size:,} | `{short(name)}` |" for size, name in symbols(relay["image"])[:10]]
        lines += ["", "Its ten largest frames, of which those that call each other add up to the stack:", ""]
        lines += ["| octets | function |", "|---|---|"]
        lines += [f"| {size:,} | `{short(name)}` |" for size, name in frames(relay["image"])[:10]]
    return "\n".join(lines) + "\n"


def short(name):
    """Returns a function's name without the types it is made for."""
    depth, out = 0, ""
    for letter in name.removeprefix("<"):
        opens, closes = letter == "<", letter == ">"
        depth += opens
        out += letter if depth == 0 and not closes else ""
        depth = max(depth - closes, 0)
    return out.replace("::::", "::").rstrip(":")


def write_into(path, text):
    """Puts the table between its marks in a document."""
    whole = path.read_text()
    before, rest = whole.split(MARK[0])
    _, after = rest.split(MARK[1])
    path.write_text(f"{before}{MARK[0]}\n\n{text}\n{MARK[1]}{after}")
