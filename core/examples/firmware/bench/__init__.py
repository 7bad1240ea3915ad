"""The parts of `prove`: the build, the board in qemu, the host it talks to, and what it costs."""
