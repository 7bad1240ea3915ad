//! tshark, which infers everything from the packets alone, agrees with what our events say of them.
//!
//! Each run is written as a capture of each of its ends, tshark reads it back, and every field of every packet is
//! compared. Where the two differ there is a reason, or the test fails.

use sockhop::tcp::{Flags, Marks, Rules, Seq};
use sockhop::trace::{Event, Flow, Header, View};
use sockhop_hosted::lab::{Scenario, play};
use sockhop_hosted::report::{Format, Trace};
use sockhop_hosted::sim::{Plan, Profile, run};
use sockhop_tests::netns::installed;
use std::collections::{BTreeMap, HashMap};
use std::process::Command;

const FIELDS: [&str; 13] = [
    "tcp.seq_raw",
    "tcp.ack_raw",
    "tcp.len",
    "tcp.flags",
    "tcp.window_size_value",
    "frame.packet_flags_direction",
    "tcp.analysis.bytes_in_flight",
    "tcp.analysis.retransmission",
    "tcp.analysis.fast_retransmission",
    "tcp.analysis.duplicate_ack",
    "tcp.analysis.zero_window",
    "tcp.analysis.zero_window_probe",
    "_ws.malformed",
];

#[test]
fn tshark_agrees_field_by_field_on_nine_scenarios_and_both_ends() {
    if !installed("tshark_agrees_field_by_field_on_nine_scenarios_and_both_ends", &["tshark"]) {
        return;
    }
    let mut compared = 0;
    let mut allowed: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unexplained = Vec::new();
    for (name, events) in runs() {
        let packets = packets(&events);
        let rows = tshark(&name, &events);
        assert_eq!(rows.len(), packets.len(), "{name}: every packet is read, and none is malformed");
        for (at, (packet, row)) in packets.iter().zip(&rows).enumerate() {
            for (field, ours, theirs) in packet.against(row) {
                compared += 1;
                if ours == theirs {
                    continue;
                }
                match packet.excuse(field, &ours, &theirs) {
                    Some(reason) => *allowed.entry(reason).or_default() += 1,
                    None => unexplained.push(format!(
                        "{name}, packet {}: {field} is {ours} and {theirs} to tshark; {packet:?}",
                        at + 1
                    )),
                }
            }
        }
    }
    assert!(unexplained.is_empty(), "{}\nexcused: {allowed:#?}", unexplained.join("\n"));
    println!("{compared} comparisons, excused: {allowed:#?}");
    assert!(compared > 5_000, "only {compared} comparisons");
}

/// A segment as its own end recorded it, with what the events before it tell.
#[derive(Debug)]
struct Packet {
    sent: bool,
    flags: Flags,
    seq: u32,
    ack: u32,
    len: u16,
    window: u16,
    marks: Marks,
    /// What is in flight once it has passed, a FIN included.
    flight: u32,
    /// Octets that the last segment received said to be held out of order.
    sacked: u32,
    /// The octet that was last sent as a probe.
    probe: Option<u32>,
    /// How many duplicates in a row tshark has seen: segments like the one received before, whatever came of either.
    alike: u32,
}

impl Packet {
    /// Returns each field as it is to us and to tshark.
    fn against(&self, row: &[String]) -> Vec<(&'static str, String, String)> {
        let marked = |mark: Marks| if self.marks.contains(mark) { "1" } else { "" }.to_owned();
        let ack = if self.flags.contains(Flags::ACK) { self.ack } else { 0 };
        let mut ours = vec![
            self.seq.to_string(),
            ack.to_string(),
            self.len.to_string(),
            format!("{:#06x}", self.flags.0),
            self.window.to_string(),
            if self.sent { "0x00000002" } else { "0x00000001" }.to_owned(),
        ];
        // What the other end sends again, and what it has in flight, this end does not know.
        let mut known: Vec<usize> = (0..6).collect();
        ours.extend([
            if self.sent && self.len > 0 { self.flight.to_string() } else { String::new() },
            marked(Marks::RETRANSMIT),
            marked(Marks::FAST),
            marked(Marks::DUPLICATE_ACK),
            marked(Marks::ZERO_WINDOW),
            marked(Marks::PROBE),
        ]);
        known.extend(if self.sent { [6, 7, 8, 10, 11].iter() } else { [9, 10].iter() });
        known.iter().map(|at| (FIELDS[*at], ours[*at].clone(), row[*at].clone())).collect()
    }

    /// Returns why it is no mistake that a field differs.
    fn excuse(&self, field: &str, ours: &str, theirs: &str) -> Option<&'static str> {
        let (ours, theirs) = (ours.parse::<u32>().unwrap_or(0), theirs.parse::<u32>().unwrap_or(0));
        let fin = u32::from(self.flags.contains(Flags::FIN));
        let refused = self.marks.contains(Marks::REFUSED);
        match field {
            "tcp.analysis.bytes_in_flight" if self.sacked == 0 && ours == theirs + fin => {
                Some("a FIN takes a number, and is no octet to tshark")
            }
            "tcp.analysis.bytes_in_flight" if ours == theirs + self.sacked + fin => {
                Some("tshark takes off what the peer says to hold out of order")
            }
            "tcp.analysis.bytes_in_flight" if self.probe == Some(self.seq.wrapping_sub(1)) => {
                Some("tshark counts a probe's octet as not sent, and misses it before what follows")
            }
            "tcp.analysis.retransmission" if ours == 1 && self.probe == Some(self.seq) => {
                Some("all that is sent again is the octet of a probe, which tshark does not count as sent")
            }
            "tcp.analysis.duplicate_ack" if ours == 1 && self.window == 0 => {
                Some("tshark counts no duplicate while the window is closed")
            }
            "tcp.analysis.duplicate_ack" if theirs == u32::from(self.alike > 0) => {
                Some("to tshark a duplicate is like the segment before, to us it says what our end knows")
            }
            "tcp.analysis.fast_retransmission" if ours == 1 && self.alike < 2 => {
                Some("our end counted three duplicates where tshark saw fewer, since it compares otherwise")
            }
            "tcp.analysis.zero_window" if theirs == 1 && refused => {
                Some("our end refused the segment, and does not know its window")
            }
            _ => None,
        }
    }
}

/// Returns the packets that an end's events make, as they stand in its capture.
fn packets(events: &[Event]) -> Vec<Packet> {
    let mut flows: HashMap<u32, Flow> = HashMap::new();
    let mut packets = Vec::new();
    let (mut sacked, mut probe, mut alike) = (0, None, 0);
    // Of the segment received last: what it acknowledged, its window, and the highest number received.
    let (mut last, mut highest) = ((0, 0), None::<Seq>);
    for event in events {
        let flow = flows.entry(event.flow()).or_default();
        flow.see(event);
        match event.view() {
            Some(View::Segment { sent, flags, seq, ack, len, window, marks, .. }) => {
                if !sent {
                    sacked = 0;
                    let bare = len == 0 && !flags.intersects(Flags::SYN | Flags::FIN | Flags::RST);
                    let same = bare && window != 0 && (ack.0, window) == last && highest == Some(seq);
                    alike = if same { alike + 1 } else { 0 };
                    last = (ack.0, window);
                    let end = seq + u32::from(len) + u32::from(flags.intersects(Flags::SYN | Flags::FIN));
                    highest = Some(highest.map_or(end, |known| known.max(end)));
                } else if marks.contains(Marks::PROBE) {
                    probe = Some(seq.0);
                }
                let (seq, ack, flight) = (seq.0, ack.0, flow.flight());
                packets.push(Packet {
                    sent,
                    flags,
                    seq,
                    ack,
                    len,
                    window,
                    marks,
                    flight,
                    sacked,
                    probe,
                    alike,
                });
            }
            Some(View::Sacked { sent: false, blocks }) => {
                let octets = |(left, right): (Seq, Seq)| right.0.wrapping_sub(left.0);
                sacked = blocks.into_iter().flatten().map(octets).sum();
            }
            _ => {}
        }
    }
    packets
}

/// Returns tshark's fields of each packet of a capture; the analysis flags as `1` or nothing.
fn tshark(name: &str, events: &[Event]) -> Vec<Vec<String>> {
    let path = std::env::temp_dir().join(format!("sockhop-tshark-{}.pcapng", std::process::id()));
    let trace = Trace { header: Header::new(name, 0, 0), events: events.to_vec(), ..Trace::default() };
    let mut octets = Vec::new();
    Format::Pcapng.write(&trace, &mut octets).expect("memory takes everything");
    std::fs::write(&path, octets).expect("there is room");
    let mut command = Command::new("tshark");
    command.arg("-r").arg(&path).args(["-n", "-T", "fields", "-E", "separator=;", "-E", "occurrence=f"]);
    for field in FIELDS {
        command.args(["-e", field]);
    }
    let output = command.output().expect("tshark is installed");
    std::fs::remove_file(&path).expect("it was written above");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let rows = text.lines().map(|line| line.split(';').map(str::to_owned).collect::<Vec<_>>());
    rows.inspect(|row| assert_eq!(row.last().map(String::as_str), Some(""), "{name}: malformed: {row:?}"))
        .collect()
}

/// Nine runs, each with what its two ends recorded.
fn runs() -> Vec<(String, Vec<Event>)> {
    let mut runs = Vec::new();
    for name in ["socks5", "half-close", "loss", "window", "socks-refused"] {
        let scenario = Scenario::named(name).expect("it is there");
        let outcome = play(&scenario, 1).expect("every scenario starts");
        runs.push((format!("{name} client"), outcome.a));
        runs.push((format!("{name} proxy"), outcome.b));
    }
    for (profile, seed) in
        [(Profile::Mild, 3), (Profile::Mild, 8), (Profile::Hostile, 2), (Profile::Hostile, 7)]
    {
        let outcome = run(&Plan::new(seed, profile), (Rules::ALL, Rules::ALL));
        runs.push((format!("{profile} {seed} opener"), outcome.a.0));
        runs.push((format!("{profile} {seed} listener"), outcome.b.0));
    }
    assert_eq!(runs.len(), 18);
    runs
}
