//! What happens in a simulation, as plain data.

use crate::link::{Dice, Path, Stretch};
use core::fmt;
use core::str::FromStr;
use core::time::Duration;

/// What a slow reader may take.
const HOUR: Duration = Duration::from_secs(3_600);

/// How bad things get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// A link as the Internet has them: little loss and little reordering.
    Mild,
    /// A link that does its worst for a while, and then heals.
    Hostile,
    /// The same with cuts, hosts that reboot and owners that abort.
    Faults,
    /// A hostile link between rings so large that their windows are scaled.
    Wide,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 4] = [Self::Mild, Self::Hostile, Self::Faults, Self::Wide];

    /// Returns whether a connection has to end complete.
    pub const fn must_finish(self) -> bool {
        match self {
            Self::Mild | Self::Hostile | Self::Wide => true,
            Self::Faults => false,
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Mild => "mild",
            Self::Hostile => "hostile",
            Self::Faults => "faults",
            Self::Wide => "wide",
        })
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|profile| profile.to_string() == text);
        found.ok_or_else(|| format!("{text:?} is no profile; there are mild, hostile, faults and wide"))
    }
}

/// When a host closes its sending half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// As soon as everything is written.
    AfterSending,
    /// When everything is written and the peer has closed.
    AfterPeer,
}

/// What one host does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Octets in each of its rings.
    pub ring: usize,
    /// Octets it sends.
    pub sends: u64,
    /// Octets it reads at once.
    pub reads: usize,
    /// How long it waits between two reads.
    pub every: Duration,
    /// While it reads nothing.
    pub pauses: Vec<Stretch>,
    /// When it closes.
    pub closing: Closing,
    /// When its owner aborts the connection.
    pub aborts: Option<Duration>,
    /// When it loses all memory of the connection.
    pub reboots: Option<Duration>,
}

impl Host {
    /// Lets a slow reader read so much at once that it is through with `octets` in less than an hour.
    fn hurry(&mut self, octets: u64) {
        let most = HOUR.as_millis() / self.every.as_millis().max(1);
        let least = u128::from(octets) / most.max(1) + 1;
        self.reads = self.reads.max(usize::try_from(least).unwrap_or(usize::MAX));
    }
}

/// Everything that happens in one simulation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The number of everything that is left to chance.
    pub seed: u64,
    /// How bad things get.
    pub profile: Profile,
    /// The largest packet, in octets.
    pub mtu: usize,
    /// Whether the stacks hand out segments of up to 64 KiB, which are cut into packets behind them.
    pub offload: bool,
    /// Whether the hosts speak IPv6.
    pub six: bool,
    /// Whether both hosts open the connection at the same time (RFC 9293 §3.5, figure 7).
    pub both_open: bool,
    /// The opener.
    pub a: Host,
    /// The listener.
    pub b: Host,
    /// From A to B.
    pub there: Path,
    /// From B to A.
    pub back: Path,
    /// From when on nothing goes wrong any more.
    pub heals: Duration,
}

impl Plan {
    /// Returns what this seed makes.
    pub fn new(seed: u64, profile: Profile) -> Self {
        let mut dice = Dice::new(seed ^ (profile as u64) << 60);
        let heals = Duration::from_millis(1_000 + dice.below(120_000));
        let mut plan = Self {
            seed,
            profile,
            mtu: [1_500, 1_500, 1_280, 9_000][pick(&mut dice, 4)],
            six: dice.below(4) == 0,
            both_open: dice.below(16) == 0,
            a: host(&mut dice, profile),
            b: host(&mut dice, profile),
            there: path(&mut dice, profile),
            back: path(&mut dice, profile),
            heals,
            offload: profile == Profile::Wide && dice.below(2) == 0,
        };
        if plan.a.closing == Closing::AfterPeer && plan.b.closing == Closing::AfterPeer {
            // Somebody has to be first.
            plan.b.closing = Closing::AfterSending;
        }
        plan.a.hurry(plan.b.sends);
        plan.b.hurry(plan.a.sends);
        plan
    }
}

fn pick(dice: &mut Dice, count: u64) -> usize {
    usize::try_from(dice.below(count)).unwrap_or(0)
}

fn millis(dice: &mut Dice, most: u64) -> Duration {
    Duration::from_millis(dice.below(most))
}

fn host(dice: &mut Dice, profile: Profile) -> Host {
    let ring = match profile {
        Profile::Mild => [4_096, 16_384, 65_535][pick(dice, 3)],
        Profile::Wide => [1 << 17, 1 << 18, 1 << 19, 65_535][pick(dice, 4)],
        Profile::Hostile | Profile::Faults => [64, 500, 1_460, 2_048, 4_096, 8_192, 65_535][pick(dice, 7)],
    };
    let slow = dice.below(3) == 0;
    let sends = match dice.below(8) {
        0 => 0,
        1 => dice.below(100),
        _ if profile == Profile::Wide => dice.below(4 * ring as u64),
        _ => dice.below(24 * ring as u64 + 3_000).min(200_000),
    };
    let pauses = (0..dice.below(3)).map(|_| {
        let from = millis(dice, 20_000);
        (from, from + millis(dice, 15_000))
    });
    let pauses = pauses.collect();
    let fault =
        |dice: &mut Dice| (profile == Profile::Faults && dice.below(6) == 0).then(|| millis(dice, 40_000));
    Host {
        ring,
        sends,
        reads: if slow { 1 + pick(dice, ring as u64) } else { usize::MAX },
        every: if slow { millis(dice, 400) } else { Duration::ZERO },
        pauses,
        closing: if dice.below(2) == 0 { Closing::AfterSending } else { Closing::AfterPeer },
        aborts: fault(dice),
        reboots: fault(dice),
    }
}

fn path(dice: &mut Dice, profile: Profile) -> Path {
    let mut some = |chance: u64, most: u64| -> u16 {
        if dice.below(chance) == 0 { u16::try_from(dice.below(most)).unwrap_or(0) } else { 0 }
    };
    if profile == Profile::Mild {
        let (loss, reorder, duplicate) = (some(1, 30), some(3, 20), some(4, 10));
        let (delay, jitter) = (millis(dice, 80), millis(dice, 10));
        return Path { delay, jitter, loss, reorder, duplicate, ..Path::default() };
    }
    let (loss, duplicate, reorder, corrupt) = (some(1, 300), some(2, 200), some(2, 400), some(3, 100));
    let (delay, jitter) = (millis(dice, 300), millis(dice, 200));
    let bandwidth = if dice.below(4) == 0 { 5_000 + dice.below(200_000) } else { 0 };
    let queue = if dice.below(2) == 0 { 3_000 + dice.below(30_000) } else { 0 };
    let stalls = stretches(dice, 3, 3_000);
    let cuts = if profile == Profile::Faults { stretches(dice, 3, 60_000) } else { vec![] };
    let narrow = (profile == Profile::Faults && dice.below(8) == 0).then(|| (millis(dice, 10_000), 576));
    let lose = vec![];
    let dull = Path { delay, jitter, bandwidth, queue, ..Path::default() };
    Path { loss, duplicate, reorder, corrupt, lose, cuts, stalls, narrow, ..dull }
}

fn stretches(dice: &mut Dice, most: u64, length: u64) -> Vec<Stretch> {
    let count = dice.below(most);
    let one = |dice: &mut Dice| {
        let from = millis(dice, 30_000);
        (from, from + millis(dice, length))
    };
    (0..count).map(|_| one(dice)).collect()
}
