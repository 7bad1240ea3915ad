"""Builds images: with a rustup target where one is installed, else with Debian's compiler and its library source."""

import os
import pathlib
import shutil
import subprocess

TARGETS = {
    "lm3s6965": "thumbv7m-none-eabi",
    "an505": "thumbv8m.main-none-eabi",
    "virt": "riscv32imac-unknown-none-elf",
}
FEATURES = {"relay": [], "full": ["full", "log"]}


# More is inlined than at "z" alone, which makes the images smaller; and each function's frame is noted, which takes none
# of the flash.
IMAGE = ("-Cllvm-args=--inline-threshold=50", "-Zemit-stack-sizes")


def has_target(target):
    if shutil.which("rustup") is None:
        return False
    listed = subprocess.run(["rustup", "target", "list", "--installed"], capture_output=True, text=True)
    return target in listed.stdout.split()


def cargo(folder, here, target, words, flags=()):
    """Runs cargo in a folder for a bare target, and returns where it puts what it makes."""
    env = dict(os.environ, DEFMT_LOG="info", CARGO_TERM_COLOR="never", RUSTC_BOOTSTRAP="1")
    made = pathlib.Path(env.get("SOCKHOP_FIRMWARE_TARGET", here / "target"))
    words = ["build", *words, "--release", "--target", target, "--target-dir", str(made)]
    if has_target(target):
        command = ["cargo", *words]
    else:
        env.update(PATH="/usr/bin:" + env["PATH"], RUSTC="/usr/bin/rustc")
        flags = ("-Clinker=ld.lld", *flags)
        command = ["/usr/bin/cargo", *words, "-Zbuild-std=core"]
    env["RUSTFLAGS"] = " ".join(flags)
    subprocess.run(command, cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return made / target / "release"


def build(here, board, kind):
    """Returns the image of this kind for a board."""
    features = ",".join([board, *FEATURES[kind]])
    made = cargo(here, here, TARGETS[board], ["--features", features], IMAGE)
    image = made / f"{board}-{kind}.elf"
    shutil.copyfile(made / "sockhop-firmware", image)
    return str(image)


BARE = ("-Clink-arg=--export-dynamic", "-Clink-arg=--entry=0")


def machine(here):
    """Returns an image of nothing but the SOCKS5 server."""
    made = cargo(here / "panic", here, TARGETS["lm3s6965"], ["--no-default-features", "--features", "machine"], BARE)
    return str(made / "sockhop-panic")


def links_without_panic(here, control):
    """Returns whether the proof links; with its control it must not, for the reason that a panic can be reached."""
    words = ["--features", "control"] if control else []
    try:
        cargo(here / "panic", here, TARGETS["lm3s6965"], words, BARE)
    except subprocess.CalledProcessError as error:
        if b"a_panic_can_be_reached" not in error.stderr:
            raise RuntimeError(error.stderr.decode()[-2_000:]) from error
        return False
    return True


def node(here, control):
    """Returns an image of every entry of a node, with the lines that its code is from, in which no two ends are one."""
    features = "node,control" if control else "node"
    flags = (*BARE, "-Cllvm-args=--enable-tail-merge=0")
    words = ["--features", features, "--config", "profile.release.debug=2"]
    return str(cargo(here / "panic", here, TARGETS["lm3s6965"], words, flags) / "sockhop-panic")
