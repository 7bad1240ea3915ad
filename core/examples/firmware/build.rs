//! Puts the memory map of the chosen board where the linker looks, and tells it which scripts to use.

use std::path::PathBuf;
use std::{env, fs};

const BOARDS: [&str; 3] = ["lm3s6965", "an505", "virt"];

fn main() {
    let chosen = |board: &&str| env::var(format!("CARGO_FEATURE_{}", board.to_uppercase())).is_ok();
    let Some(board) = BOARDS.into_iter().find(chosen) else {
        panic!("choose a board: --features {}", BOARDS.join(", or "));
    };
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo says where output goes"));
    fs::copy(format!("memory/{board}.x"), out.join("memory.x")).expect("the memory map is there");
    // No interrupt of a device's is ever enabled, so none has a handler that would be named here.
    fs::write(out.join("device.x"), "").expect("there is room");
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rerun-if-changed=memory");
    if board == "virt" {
        println!("cargo:rustc-link-arg=-Tmemory.x");
    } else {
        println!("cargo:rustc-link-arg=--nmagic");
    }
    println!("cargo:rustc-link-arg=-Tlink.x");
    if env::var("CARGO_FEATURE_LOG").is_ok() {
        println!("cargo:rustc-link-arg=-Tdefmt.x");
    }
}
