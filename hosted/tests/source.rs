//! A file that changes while it is sent.

use sockhop::file::{Source, Unreadable};
use sockhop_hosted::transfer::{FileSource, SourceError};
use std::io::Write;
use std::path::{Path, PathBuf};

fn path(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("sockhop-source-{}-{name}", std::process::id()));
    std::fs::write(&path, "abcdef").expect("there is room");
    path
}

fn open(path: &Path) -> FileSource {
    FileSource::open(path, None).expect("it can be read")
}

#[test]
fn a_file_that_stays_as_it_is_says_so() {
    let path = path("still");
    let mut source = open(&path);
    let mut room = [0; 4];
    assert_eq!((source.read(2, &mut room), &room), (Ok(4), b"cdef"));
    assert_eq!((source.stat(), source.offered().size), (Ok(source.offered()), 6));
    std::fs::remove_file(path).expect("it is there");
    assert_eq!(source.read(0, &mut room), Ok(4), "what is open stays");
}

#[test]
fn a_file_that_grows_or_is_written_anew_is_not_what_was_offered() {
    for grows in [true, false] {
        let path = path(if grows { "grows" } else { "anew" });
        let mut source = open(&path);
        let mut file =
            std::fs::OpenOptions::new().append(grows).write(true).open(&path).expect("it is there");
        file.write_all(b"fedcba").expect("there is room");
        // Two writes in one tick of the kernel's clock have one time.
        file.set_modified(std::time::UNIX_EPOCH).expect("it is ours");
        assert_eq!(source.stat(), Err(Unreadable), "grows: {grows}");
        std::fs::remove_file(path).expect("it is there");
    }
}

#[test]
fn a_file_that_shrinks_ends_before_its_size() {
    let path = path("shrinks");
    let mut source = open(&path);
    std::fs::File::create(&path).expect("there is room");
    assert_eq!((source.read(0, &mut [0; 4]), source.offered().size), (Ok(0), 6));
    std::fs::remove_file(path).expect("it is there");
}

#[test]
fn standard_input_is_spooled_before_its_size_is_told() {
    let mut source = FileSource::spool(&b"from a pipe"[..], "pipe.txt").expect("there is room");
    let mut room = [0; 11];
    assert_eq!((source.name(), source.offered().size), ("pipe.txt", 11));
    assert_eq!((source.read(0, &mut room), &room), (Ok(11), b"from a pipe"));
}

#[test]
fn what_is_no_file_or_has_no_safe_name_is_named() {
    let error = FileSource::open(&std::env::temp_dir(), None).expect_err("a folder");
    assert!(matches!(&error, SourceError::NoFile(_)) && error.to_string().contains("name a file"));
    let path = path("colon:name");
    let error = FileSource::open(&path, None).expect_err("a colon");
    assert!(error.to_string().contains("--name"), "{error}");
    assert_eq!(FileSource::open(&path, Some("other")).expect("another name").name(), "other");
    std::fs::remove_file(path).expect("it is there");
}
