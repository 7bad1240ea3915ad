//! How transfers are shown while they go on: bars on a terminal, a line for each tenth otherwise.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use sockhop_hosted::transfer::Progress;
use std::collections::HashMap;
use std::io::{IsTerminal, Write};

/// What is shown of transfers, on standard error.
#[derive(Debug)]
pub(crate) struct Shown {
    /// The bars, if there is a terminal.
    bars: Option<MultiProgress>,
    files: HashMap<String, File>,
}

#[derive(Debug)]
struct File {
    bar: Option<ProgressBar>,
    tenth: u64,
}

impl Shown {
    /// Returns bars if standard error is a terminal and lines if it is none; nothing of either when `quiet`.
    pub(crate) fn new() -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        Self { bars, files: HashMap::new() }
    }

    /// Shows how far a file is.
    pub(crate) fn show(&mut self, progress: &Progress) {
        let Progress { name, octets, size } = progress;
        let bars = &self.bars;
        let file = self.files.entry(name.clone()).or_insert_with(|| File {
            bar: bars.as_ref().map(|bars| bars.add(bar(name, *size, *octets))),
            tenth: size.map_or(0, |size| tenth(*octets, size)),
        });
        if let Some(bar) = &file.bar {
            return bar.set_position(*octets);
        }
        let now = size.map_or(0, |size| tenth(*octets, size));
        if now > file.tenth {
            file.tenth = now;
            // Whoever reads no more is told no more.
            let _ = writeln!(
                std::io::stderr(),
                "{}: {} % of {} B",
                name.escape_debug(),
                now * 10,
                size.unwrap_or(0)
            );
        }
    }

    /// Takes a file that is over out of sight.
    pub(crate) fn forget(&mut self, name: &str) {
        if let Some(File { bar: Some(bar), .. }) = self.files.remove(name) {
            bar.finish_and_clear();
        }
    }
}

fn tenth(octets: u64, size: u64) -> u64 {
    (u128::from(octets) * 10).checked_div(u128::from(size)).map_or(10, |tenth| tenth as u64)
}

fn bar(name: &str, size: Option<u64>, at: u64) -> ProgressBar {
    let plain = !crate::may_colour();
    let line = match (size, plain) {
        (None, _) => "{prefix}  {binary_bytes}  {binary_bytes_per_sec}",
        (Some(_), true) => {
            "{prefix}  {bar:30}  {binary_bytes} of {binary_total_bytes}  {binary_bytes_per_sec}  {eta} left"
        }
        (Some(_), false) => {
            "{prefix}  {bar:30.cyan}  {binary_bytes} of {binary_total_bytes}  {binary_bytes_per_sec}  {eta} left"
        }
    };
    let bar = ProgressBar::new(size.unwrap_or(0)).with_position(at);
    // A resumed file would seem to come at the speed of light.
    bar.reset_eta();
    bar.set_prefix(name.escape_debug().to_string());
    match ProgressStyle::with_template(line) {
        Ok(style) => bar.with_style(style.progress_chars("━━─")),
        Err(_) => bar,
    }
}
