//! A file on its way into a folder that somebody else may write to as well.

use sockhop::file::{Algorithm, Keep, Leading, Name, Offer, Refusal, Stat, Store};
use sockhop_hosted::transfer::{Existing, Folder, Part, Policy};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const STAT: Stat = Stat { size: 6, mtime: 1_700_000_000, mode: 0o640 };

/// A folder that goes with the test, a folder to receive into and one outside of it.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sockhop-part-{}-{name}", std::process::id()));
        for folder in ["in", "out"] {
            std::fs::create_dir_all(path.join(folder)).expect("the host lets it");
        }
        Self(path)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join("in").join(name)
    }

    fn outside(&self) -> PathBuf {
        self.0.join("out").join("prize")
    }

    fn part(&self, existing: Existing) -> Part {
        let folder = Folder::open(&self.0.join("in")).expect("it is there");
        Part::new(Arc::new(folder), Policy { existing, ..Policy::default() }, None)
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.join("in")).expect("it is there");
        entries.map(|entry| entry.expect("listed").file_name().to_string_lossy().into_owned()).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn offer(name: &str, stat: Option<Stat>) -> Offer<'_> {
    let name = Name::new(name.as_bytes(), Leading::Any).expect("a safe name");
    Offer { name, stat, algorithm: Algorithm::Sha256 }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("it is there")
}

#[test]
fn a_file_has_its_name_time_and_mode_once_it_is_whole_and_not_before() {
    let place = Place::new("whole");
    let mut part = place.part(Existing::Refuse);
    assert_eq!(part.open(&offer("a", Some(STAT))), Ok(0));
    assert_eq!(part.write(0, b"abcdef"), Ok(6));
    assert!(!place.at("a").exists());
    assert_eq!(part.commit(), Ok(()));
    let meta = place.at("a").metadata().expect("it is there");
    let mtime = meta.modified().expect("known").duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    assert_eq!((read(&place.at("a")).as_str(), mtime.as_secs()), ("abcdef", 1_700_000_000));
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o777, 0o640);
    assert_eq!(place.names(), ["a"]);
    drop(part);
    assert_eq!(place.part(Existing::Refuse).open(&offer("a", Some(STAT))), Ok(6), "and it is known again");
}

#[test]
fn a_part_is_kept_for_its_own_file_only_and_locked_while_it_is_in_use() {
    let place = Place::new("kept");
    let mut part = place.part(Existing::Refuse);
    part.open(&offer("a", Some(STAT))).expect("there is room");
    part.write(0, b"abc").expect("there is room");
    assert_eq!(place.part(Existing::Refuse).open(&offer("a", Some(STAT))), Err(Refusal::Busy));
    part.abort(Keep::Part);
    let newer = Stat { mtime: 1_700_000_001, ..STAT };
    assert_eq!(place.part(Existing::Refuse).open(&offer("a", Some(newer))), Ok(0));
    assert_eq!(place.part(Existing::Refuse).open(&offer("a", Some(STAT))), Ok(3));
}

#[test]
fn an_empty_a_wrong_and_a_classic_part_leave_nothing() {
    let place = Place::new("nothing");
    for (stat, octets, keep) in
        [(Some(STAT), &b""[..], Keep::Part), (Some(STAT), b"abc", Keep::Nothing), (None, b"abc", Keep::Part)]
    {
        let mut part = place.part(Existing::Refuse);
        part.open(&offer("a", stat)).expect("there is room");
        if !octets.is_empty() {
            part.write(0, octets).expect("there is room");
        }
        part.abort(keep);
        assert!(place.names().is_empty(), "{:?}", place.names());
    }
}

#[test]
fn a_link_of_the_files_name_is_never_followed_nor_replaced() {
    let place = Place::new("link");
    std::fs::write(place.outside(), "prize").expect("there is room");
    for existing in [Existing::Refuse, Existing::Overwrite] {
        let link = place.at("a");
        let _ = std::fs::remove_file(&link);
        symlink(place.outside(), &link).expect("the host lets it");
        assert_eq!(place.part(existing).open(&offer("a", Some(STAT))), Err(Refusal::Exists), "{existing:?}");
    }
    assert_eq!(read(&place.outside()), "prize");
}

#[test]
fn a_link_in_the_place_of_the_part_is_not_written_through() {
    let place = Place::new("part-link");
    let mut part = place.part(Existing::Refuse);
    part.open(&offer("a", Some(STAT))).expect("there is room");
    part.write(0, b"abc").expect("there is room");
    part.abort(Keep::Part);
    let name = place.names().pop().expect("the part is kept");
    for hard in [false, true] {
        std::fs::remove_file(place.at(&name)).expect("it is there");
        std::fs::write(place.outside(), "prize").expect("there is room");
        let link = if hard {
            std::fs::hard_link(place.outside(), place.at(&name))
        } else {
            symlink(place.outside(), place.at(&name))
        };
        link.expect("the host lets it");
        assert!(place.part(Existing::Refuse).open(&offer("a", Some(STAT))).is_err(), "hard: {hard}");
        assert_eq!(read(&place.outside()), "prize");
    }
}

#[test]
fn a_name_that_is_taken_meanwhile_is_not_replaced() {
    let place = Place::new("race");
    let mut part = place.part(Existing::Refuse);
    part.open(&offer("a", Some(STAT))).expect("there is room");
    part.write(0, b"abcdef").expect("there is room");
    std::fs::write(place.at("a"), "first").expect("there is room");
    assert_eq!(part.commit(), Err(nb::Error::Other(Refusal::Exists)));
    assert_eq!(read(&place.at("a")), "first");
}

#[test]
fn a_part_that_was_exchanged_meanwhile_gets_no_name() {
    let place = Place::new("exchanged");
    let mut part = place.part(Existing::Overwrite);
    part.open(&offer("a", Some(STAT))).expect("there is room");
    part.write(0, b"abcdef").expect("there is room");
    let name = place.names().pop().expect("the part is there");
    std::fs::remove_file(place.at(&name)).expect("it is there");
    symlink(place.outside(), place.at(&name)).expect("the host lets it");
    assert_eq!(part.commit(), Err(nb::Error::Other(Refusal::Local)));
    assert!(!place.at("a").exists());
}

#[test]
fn a_disk_without_space_refuses_before_anything_is_sent() {
    let place = Place::new("space");
    let huge = Stat { size: u64::MAX / 2, ..STAT };
    assert_eq!(place.part(Existing::Refuse).open(&offer("a", Some(huge))), Err(Refusal::NoSpace));
    assert!(place.names().is_empty());
}

#[test]
fn nobody_can_send_a_part_file() {
    let place = Place::new("prefix");
    assert_eq!(
        place.part(Existing::Refuse).open(&offer(".sockhop-00.part", Some(STAT))),
        Err(Refusal::BadName)
    );
}
