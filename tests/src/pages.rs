//! Traces to draw pages of, and a browser that looks at the pages.

use core::time::Duration;
use sockhop::tcp::Rules;
use sockhop::trace::Event;
use sockhop_hosted::link::Path;
use sockhop_hosted::report::html::{End, page};
use sockhop_hosted::sim::{Closing, Host, Plan, Profile, run};
use std::process::Command;

/// What both ends recorded of one connection.
#[derive(Clone, Debug)]
pub struct Traces {
    /// The opener's events.
    pub a: Vec<Event>,
    /// The listener's events.
    pub b: Vec<Event>,
}

impl Traces {
    /// Returns the traces of a plan, with guards at both ends.
    pub fn of(plan: &Plan) -> Self {
        let outcome = run(plan, (Rules::ALL, Rules::ALL));
        Self { a: outcome.a.0, b: outcome.b.0 }
    }

    /// Returns the page of both ends.
    pub fn page(&self, title: &str) -> String {
        page(title, &[End { name: "opener", events: &self.a }, End { name: "listener", events: &self.b }])
    }

    /// Returns both ends cut to so many events in all, half of them each.
    #[must_use]
    pub fn first(&self, events: usize) -> Self {
        let half = |all: &[Event]| all[..all.len().min(events / 2)].to_vec();
        Self { a: half(&self.a), b: half(&self.b) }
    }

    /// Returns how many events both ends have.
    pub fn len(&self) -> usize {
        self.a.len() + self.b.len()
    }

    /// Returns whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Returns a plan in which A sends so much over a link with this loss, in thousandths, and nothing else goes wrong.
pub fn transfer(octets: u64, loss: u16) -> Plan {
    let host = |sends| Host {
        ring: 16_384,
        sends,
        reads: usize::MAX,
        every: Duration::ZERO,
        pauses: vec![],
        closing: Closing::AfterSending,
        aborts: None,
        reboots: None,
    };
    let path = Path { delay: Duration::from_millis(20), loss, ..Path::default() };
    Plan {
        seed: 5,
        profile: Profile::Mild,
        mtu: 1_500,
        offload: false,
        six: false,
        both_open: false,
        a: host(octets),
        b: host(200),
        there: path.clone(),
        back: path,
        heals: Duration::from_secs(100_000),
    }
}

/// Returns a plan in which B does not read for two seconds, so that its window closes.
pub fn stalled() -> Plan {
    let mut plan = transfer(120_000, 0);
    plan.b.pauses = vec![(Duration::from_millis(200), Duration::from_millis(2_200))];
    plan
}

/// A page in a browser: what it says of itself when it is asked to.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Every line.
    pub lines: Vec<String>,
}

impl Measured {
    /// Opens a page in Chromium at this size, in this theme, and lets it measure itself.
    ///
    /// # Panics
    /// The browser cannot be started, or the page does not say anything.
    pub fn new(page: &std::path::Path, theme: &str, (width, height): (u32, u32)) -> Self {
        let profile = page.with_extension("profile");
        let output = Command::new("chromium")
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                "--virtual-time-budget=10000",
            ])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(format!("--window-size={width},{height}"))
            .arg("--dump-dom")
            .arg(format!("file://{}#selftest-{theme}", page.display()))
            .output()
            .expect("Chromium starts");
        let _ = std::fs::remove_dir_all(profile);
        let dom = String::from_utf8_lossy(&output.stdout);
        let said = dom.split_once("<pre id=\"selftest\">").and_then(|(_, rest)| rest.split_once("</pre>"));
        let (said, _) = said.expect("the page measures itself");
        Self { lines: said.lines().map(str::to_owned).collect() }
    }

    /// Returns the number behind a word.
    pub fn number(&self, word: &str) -> Option<u64> {
        let line = self.lines.iter().find_map(|line| line.strip_prefix(word))?;
        line.split_whitespace().next()?.parse().ok()
    }
}
