//! Connections on bad links, each from a seed: with guards every one ends as it should, without them many do not.
//!
//! `tun-demo sim --count N` plays as many more as one likes.

use core::time::Duration;
use sockhop::tcp::Rules;
use sockhop_hosted::sim::{Plan, Profile, Verdict, run, shrink};

const BOTH: (Rules, Rules) = (Rules::ALL, Rules::ALL);
const NEITHER: (Rules, Rules) = (Rules::NONE, Rules::NONE);

/// Seeds that once failed with guards at both ends, and what they showed.
const ONCE_FAILED: &[(u64, Profile, &str)] = &[
    (144, Profile::Mild, "a closed connection told its owner so without end"),
    (41, Profile::Mild, "a close in SYN-SENT ended the connection that was being opened"),
    (78, Profile::Mild, "a repeated SYN set the edge from a number that does not count"),
    (62, Profile::Hostile, "a damaged IPv4 header was taken by the guard and dropped by smoltcp"),
    (109, Profile::Faults, "the same, with octets"),
    (115, Profile::Faults, "a probe advertised a window that smoltcp forgot"),
    (74, Profile::Wide, "a repeated SYN-ACK cannot say a scaled window, which is no retraction"),
    (1467, Profile::Wide, "a challenge said less than was left of the window"),
    (1395, Profile::Wide, "a challenge before the first acknowledgment said a window of nothing"),
    (
        11770,
        Profile::Wide,
        "a SYN-ACK repeated after an acknowledgment made the next challenge say less than that",
    ),
    (13271, Profile::Wide, "the same, with octets"),
    (26, Profile::Mild, "stock: no timer and no packet left"),
    (71, Profile::Mild, "stock: unread octets thrown away when TIME-WAIT ends"),
    (30, Profile::Mild, "stock: a FIN that is never sent again"),
    (2824, Profile::Hostile, "stock: a clean end of stream before the last octet"),
    (1530, Profile::Faults, "stock: the same"),
];

#[test]
fn seeds_that_once_failed_end_as_they_should() {
    for (seed, profile, what) in ONCE_FAILED {
        let outcome = run(&Plan::new(*seed, *profile), BOTH);
        assert_eq!(outcome.verdict, Verdict::Good, "{profile} seed {seed}: {what}");
    }
}

#[test]
fn every_seed_ends_as_it_should_with_a_guard_at_both_ends() {
    for profile in Profile::ALL {
        for seed in 0..250 {
            let outcome = run(&Plan::new(seed, profile), BOTH);
            assert_eq!(outcome.verdict, Verdict::Good, "tun-demo sim --seed {seed} --profile {profile}");
        }
    }
}

#[test]
fn half_of_the_wide_seeds_hand_the_link_segments_to_be_cut_and_no_others_do() {
    for profile in Profile::ALL {
        let offloading = (0..1_000).filter(|seed| Plan::new(*seed, profile).offload).count();
        let wanted = if profile == Profile::Wide { 400..600 } else { 0..1 };
        assert!(wanted.contains(&offloading), "{profile}: {offloading} of 1000");
    }
}

#[test]
fn without_guards_the_same_harness_finds_failures() {
    for (profile, least) in
        [(Profile::Mild, 5), (Profile::Hostile, 20), (Profile::Faults, 3), (Profile::Wide, 10)]
    {
        let fails = |seed: &u64| !run(&Plan::new(*seed, profile), NEITHER).verdict.is_good();
        let failed = (0..200).filter(fails).count();
        println!("{profile}: {failed} of 200 seeds fail with smoltcp as it comes");
        assert!(failed >= least, "{profile}: the harness finds {failed} failures only");
    }
}

#[test]
fn a_guard_at_one_end_cuts_nothing_short_and_corrupts_nothing() {
    for guards in [(Rules::ALL, Rules::NONE), (Rules::NONE, Rules::ALL)] {
        for profile in Profile::ALL {
            for seed in 0..150 {
                let verdict = run(&Plan::new(seed, profile), guards).verdict;
                let silent = matches!(verdict, Verdict::CutShort(..) | Verdict::Corrupt(_) | Verdict::Panic);
                assert!(!silent, "{profile} seed {seed} with {guards:?}: {verdict}");
            }
        }
    }
}

#[test]
fn guards_make_connections_faster_on_the_seeds_that_stock_finishes() {
    let (mut stock, mut guarded, mut slower) = (Duration::ZERO, Duration::ZERO, 0);
    let mut seeds = 0;
    for seed in 0..400 {
        let plan = Plan::new(seed, Profile::Mild);
        let (without, with) = (run(&plan, NEITHER), run(&plan, BOTH));
        if let (true, Some(before), Some(after)) =
            (without.verdict.is_good(), without.completed, with.completed)
        {
            seeds += 1;
            stock += before;
            guarded += after;
            slower += usize::from(after > before + before / 10);
        }
    }
    println!(
        "{seeds} mild seeds: {stock:?} as it comes, {guarded:?} with guards, {slower} slower by a tenth"
    );
    assert!(guarded <= stock + stock / 50, "{guarded:?} against {stock:?}");
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for profile in Profile::ALL {
        let plan = Plan::new(11, profile);
        assert_eq!(plan, Plan::new(11, profile));
        let (first, second) = (run(&plan, BOTH), run(&plan, BOTH));
        assert_eq!((first.a.0, first.b.0), (second.a.0, second.b.0), "{profile}");
    }
}

#[test]
fn a_failing_plan_is_made_small_and_still_fails() {
    let plan = Plan::new(26, Profile::Mild);
    let kind = run(&plan, NEITHER).verdict.kind();
    assert_ne!(kind, "good");
    let small = shrink(&plan, |plan| run(plan, NEITHER).verdict.kind() == kind);
    assert_eq!(run(&small, NEITHER).verdict.kind(), kind);
    let size = |plan: &Plan| plan.a.sends + plan.b.sends;
    assert!(size(&small) <= size(&plan) && small != plan, "{small:#?}");
}
