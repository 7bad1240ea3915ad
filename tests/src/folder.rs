//! A folder for a test, which goes with it.

use std::path::{Path, PathBuf};

/// A folder of its own.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes an empty folder; the name tells it from those of other tests.
    ///
    /// # Panics
    /// The host does not let it.
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sockhop-{}-{name}", std::process::id()));
        std::fs::create_dir(&path).expect("the place for temporary files can be written to");
        Self(path)
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes a file of so many octets that are unlike each other and those of another seed, and returns where it is.
    ///
    /// # Panics
    /// There is no room.
    pub fn file(&self, name: &str, octets: usize, seed: u64) -> PathBuf {
        let mut state = seed;
        let mut content = Vec::with_capacity(octets + 8);
        while content.len() < octets {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            content.extend_from_slice(&(state ^ state >> 29).to_le_bytes());
        }
        content.truncate(octets);
        let path = self.0.join(name);
        std::fs::write(&path, content).expect("there is room");
        path
    }

    /// Returns the names in it, in order.
    ///
    /// # Panics
    /// It is gone.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).expect("it is there");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("listed").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A test that failed may have removed it.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
