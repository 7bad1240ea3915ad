"""Builds an image: with a rustup target where one is installed, else with Debian's compiler and its library source."""

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


def cargo(here, target, words):
    """Runs cargo for a bare target, and returns the folder of what it made."""
    env = dict(os.environ, DEFMT_LOG="info", CARGO_TERM_COLOR="never")
    env.pop("CARGO_BUILD_TARGET", None)
    folder = pathlib.Path(env.get("SOCKHOP_FIRMWARE_TARGET", here / "target"))
    words = [*words, "--release", "--target", target, "--target-dir", str(folder)]
    installed = subprocess.run(["rustup", "target", "list", "--installed"], capture_output=True, text=True).stdout if shutil.which("rustup") else ""
    if target in installed.split():
        command = ["cargo", *words]
    else:
        env.update(PATH="/usr/bin:" + env["PATH"], RUSTC="/usr/bin/rustc", RUSTC_BOOTSTRAP="1")
        env["RUSTFLAGS"] = "-Clinker=ld.lld"
        command = ["/usr/bin/cargo", *words, "-Zbuild-std=core"]
    subprocess.run(command, cwd=here, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return folder / target / "release"


def build(here, board, kind):
    """Returns the image of this kind for a board."""
    features = ",".join([board, *FEATURES[kind]])
    made = cargo(here, TARGETS[board], ["build", "--bin", "sockhop-firmware", "--features", features])
    image = made / f"{board}-{kind}.elf"
    shutil.copyfile(made / "sockhop-firmware", image)
    return str(image)
