//! A failing plan made small, field by field.

use super::plan::{Host, Plan};
use crate::link::Path;
use core::time::Duration;

/// Returns the smallest plan found by leaving things out of which `fails` still holds.
pub fn shrink(plan: &Plan, mut fails: impl FnMut(&Plan) -> bool) -> Plan {
    let mut best = plan.clone();
    loop {
        let Some(next) = simpler(&best).into_iter().find(|next| *next != best && fails(next)) else {
            return best;
        };
        best = next;
    }
}

/// Returns plans that have one thing less, those that lose most first.
fn simpler(plan: &Plan) -> Vec<Plan> {
    let mut plans = Vec::new();
    let mut offer = |change: &dyn Fn(&mut Plan)| {
        let mut next = plan.clone();
        change(&mut next);
        plans.push(next);
    };
    offer(&|plan| plan.six = false);
    offer(&|plan| plan.both_open = false);
    offer(&|plan| plan.mtu = 1_500);
    offer(&|plan| plan.offload = false);
    for change in PATH {
        offer(&|plan| change(&mut plan.there));
        offer(&|plan| change(&mut plan.back));
    }
    for change in HOST {
        offer(&|plan| change(&mut plan.a));
        offer(&|plan| change(&mut plan.b));
    }
    offer(&|plan| plan.heals /= 2);
    plans
}

const PATH: &[fn(&mut Path)] = &[
    |path| *path = Path { delay: path.delay, ..Path::default() },
    |path| path.loss = 0,
    |path| path.duplicate = 0,
    |path| path.reorder = 0,
    |path| path.corrupt = 0,
    |path| (path.bandwidth, path.queue) = (0, 0),
    |path| path.queue = 0,
    |path| path.jitter = Duration::ZERO,
    |path| path.delay = Duration::from_millis(10),
    |path| path.narrow = None,
    |path| path.cuts.truncate(path.cuts.len().saturating_sub(1)),
    |path| path.stalls.truncate(path.stalls.len().saturating_sub(1)),
    |path| path.loss /= 2,
    |path| path.reorder /= 2,
];

const HOST: &[fn(&mut Host)] = &[
    |host| host.sends = 0,
    |host| host.sends /= 2,
    |host| host.sends = host.sends.saturating_sub(1_000),
    |host| host.pauses.clear(),
    |host| (host.reads, host.every) = (usize::MAX, Duration::ZERO),
    |host| host.aborts = None,
    |host| host.reboots = None,
    |host| host.ring = 65_535,
    |host| host.pauses.truncate(host.pauses.len().saturating_sub(1)),
];
