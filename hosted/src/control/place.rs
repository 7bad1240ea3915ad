//! Where control sockets are: one for each process, in a folder of the system's or of a user's.

use crate::survey::harmless;
use core::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// The folder of processes that root started.
const SYSTEM: &str = "/run/sockhop";
/// Where the folders of users are.
const USERS: &str = "/run/user";
const SUFFIX: &str = "sock";

/// A control socket of this process; its file is gone once it is dropped.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    listener: UnixListener,
    name: Option<Name>,
}

/// The file by which a control socket is found; it is gone once this is dropped.
#[derive(Debug)]
pub struct Name(PathBuf);

impl Drop for Name {
    fn drop(&mut self) {
        // Whoever removed it before us has saved us the trouble.
        let _ = fs::remove_file(&self.0);
    }
}

impl Place {
    /// Binds a socket that only this user may ask, or the one who called sudo: at `at`, in it if that is a folder, or
    /// in the folder of this user's. `None` where there is no such folder.
    ///
    /// A socket that a process has left behind is removed.
    ///
    /// # Errors
    /// The host's, or that another process answers there, each with the path.
    pub fn open(at: Option<&Path>, name: &str) -> io::Result<Option<Self>> {
        let folder = match at {
            Some(at) if !at.is_dir() => return Self::bind(at.to_owned()).map(Some),
            Some(at) => at.to_owned(),
            None => {
                let Some(folder) = folder() else { return Ok(None) };
                let made = fs::DirBuilder::new().mode(0o755).recursive(true).create(&folder);
                made.map_err(|error| named(&folder, &error))?;
                folder
            }
        };
        for path in sockets(&folder).unwrap_or_default() {
            // What cannot be removed is somebody else's, and in nobody's way.
            let _ = sweep(&path);
        }
        Self::bind(folder.join(format!("{name}-{}.{SUFFIX}", std::process::id()))).map(Some)
    }

    fn bind(path: PathBuf) -> io::Result<Self> {
        if path.exists() && !sweep(&path)? {
            let text = format!("{}: another process answers there, or it is no socket", path.display());
            return Err(io::Error::new(ErrorKind::AddrInUse, text));
        }
        // It gets its name once it answers: one that does not would be swept away by whoever starts at the same time.
        let mut early = path.clone().into_os_string();
        early.push(format!(".{}", std::process::id()));
        let listener = listen(Path::new(&early)).map_err(|error| named(&path, &error))?;
        let mut name = Name(early.into());
        if let Some(user) = caller() {
            std::os::unix::fs::chown(&name.0, Some(user), None).map_err(|error| named(&path, &error))?;
        }
        fs::rename(&name.0, &path).map_err(|error| named(&path, &error))?;
        name.0.clone_from(&path);
        Ok(Self { path, listener, name: Some(name) })
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the file away, for whoever may remove it at the end.
    pub const fn unname(&mut self) -> Option<Name> {
        self.name.take()
    }

    /// Returns what accepts those who ask.
    pub(super) fn listener(&self) -> io::Result<UnixListener> {
        self.listener.try_clone()
    }
}

/// Binds a socket with mode 0600 from its first moment.
fn listen(path: &Path) -> io::Result<UnixListener> {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // Linux gives the file the mode that the socket has when it is bound.
    rustix::fs::fchmod(socket.as_fd(), rustix::fs::Mode::from_raw_mode(0o600))?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    listen(&socket, 8)?;
    Ok(socket.into())
}

/// Removes a socket that nobody answers at any more; returns whether it is gone.
fn sweep(path: &Path) -> io::Result<bool> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    let left = is_socket
        && UnixStream::connect(path).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused);
    if left {
        fs::remove_file(path).map_err(|error| named(path, &error))?;
    }
    Ok(left)
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Returns who called sudo, if root runs on somebody's behalf.
fn caller() -> Option<u32> {
    rustix::process::geteuid().is_root().then(|| std::env::var("SUDO_UID").ok()?.parse().ok()).flatten()
}

/// Returns the folder in which this user's processes have their sockets.
pub fn folder() -> Option<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Some(PathBuf::from(SYSTEM));
    }
    std::env::var_os("XDG_RUNTIME_DIR")
        .filter(|folder| !folder.is_empty())
        .map(|folder| PathBuf::from(folder).join("sockhop"))
}

/// Returns the folders in which processes may be that this user may ask: root's, for sudo gives sockets to its caller,
/// and this user's, or every user's if this is root.
pub fn candidates() -> Vec<PathBuf> {
    let mut all = vec![PathBuf::from(SYSTEM)];
    if rustix::process::geteuid().is_root() {
        let users = fs::read_dir(USERS).into_iter().flatten().flatten();
        all.extend(users.map(|user| user.path().join("sockhop")).filter(|folder| folder.is_dir()));
    } else {
        all.extend(folder());
    }
    all
}

fn sockets(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.flatten().map(|entry| entry.path());
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|suffix| suffix == SUFFIX)).collect();
    paths.sort_unstable();
    Ok(paths)
}

/// A process that answers.
#[derive(Debug)]
pub struct Found {
    /// Its socket.
    pub path: PathBuf,
    /// The connection to it.
    pub stream: UnixStream,
}

impl Found {
    /// Returns the name by which it is chosen: `tun0-4711`.
    pub fn name(&self) -> String {
        harmless(&self.path.file_stem().unwrap_or_default().to_string_lossy())
    }
}

/// Why nobody can be asked.
#[derive(Debug)]
pub enum Trouble {
    /// No process has a socket in any of these places.
    Nobody(Vec<PathBuf>),
    /// None has this name; there are these.
    Unknown(String, Vec<String>),
    /// There are several, with these names.
    Several(Vec<String>),
    /// The process of this socket has gone without removing it.
    Stale(PathBuf),
    /// The socket is another user's, whose number this is.
    Denied(PathBuf, u32),
    /// The host's.
    Host(PathBuf, io::Error),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |paths: &[PathBuf]| {
            paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" or ")
        };
        match self {
            Self::Nobody(paths) => write!(
                f,
                "no proxy runs that could be asked (none has a socket in {}); `tun-demo socks5` starts one",
                shown(paths)
            ),
            Self::Unknown(name, names) => {
                write!(f, "no proxy is named {name:?}; --process takes one of {}", names.join(", "))
            }
            Self::Several(names) => {
                write!(
                    f,
                    "{} proxies run: choose one by --process {}",
                    names.len(),
                    names.join(" or --process ")
                )
            }
            Self::Stale(path) => write!(
                f,
                "nobody answers at {}: its process is gone; the next `tun-demo socks5` removes what it left",
                path.display()
            ),
            Self::Denied(path, 0) => {
                write!(f, "{} is root's, who alone may ask there: try it with sudo", path.display())
            }
            Self::Denied(path, user) => {
                write!(
                    f,
                    "{} is user {user}'s, who alone may ask there; root may as well: try it with sudo",
                    path.display()
                )
            }
            Self::Host(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl core::error::Error for Trouble {}

/// Looks for the process to ask: the only one, or the one whose name or number is `wanted`, at `at` or in it, or in the
/// usual folders.
///
/// # Errors
/// Why there is none.
pub fn search(at: Option<&Path>, wanted: Option<&str>) -> Result<Found, Trouble> {
    let folders = match at {
        Some(at) if at.is_dir() => vec![at.to_owned()],
        Some(at) => return connect(at.to_owned()),
        None => candidates(),
    };
    let paths: Vec<PathBuf> = folders.iter().flat_map(|folder| sockets(folder).unwrap_or_default()).collect();
    let (mut found, mut trouble) = (Vec::new(), None);
    for path in paths {
        match connect(path) {
            Ok(one) => found.push(one),
            // Another user's is worth more words than one whose process is gone.
            Err(why @ Trouble::Stale(_)) => trouble = trouble.or(Some(why)),
            Err(why) => trouble = Some(why),
        }
    }
    let names: Vec<String> = found.iter().map(Found::name).collect();
    if let Some(wanted) = wanted {
        let fits = |name: &String| {
            name == wanted || name.rsplit_once('-').is_some_and(|(tun, pid)| wanted == tun || wanted == pid)
        };
        if let Some(place) = names.iter().position(fits) {
            return Ok(found.swap_remove(place));
        }
        if !names.is_empty() {
            return Err(Trouble::Unknown(wanted.to_owned(), names));
        }
    }
    match (found.len(), found.pop()) {
        (1, Some(one)) => Ok(one),
        (0, _) => Err(trouble.unwrap_or(Trouble::Nobody(folders))),
        _ => Err(Trouble::Several(names)),
    }
}

fn connect(path: PathBuf) -> Result<Found, Trouble> {
    match UnixStream::connect(&path) {
        Ok(stream) => Ok(Found { path, stream }),
        Err(error) => Err(match error.kind() {
            ErrorKind::NotFound => Trouble::Nobody(vec![path]),
            ErrorKind::ConnectionRefused => Trouble::Stale(path),
            ErrorKind::PermissionDenied => {
                let owner = fs::metadata(&path).map_or(0, |found| found.uid());
                Trouble::Denied(path, owner)
            }
            _ => Trouble::Host(path, error),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn empty(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("sockhop-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_socket_is_its_owners_alone_and_gone_with_its_place() {
        let folder = empty("place");
        let place = Place::open(Some(&folder), "tun7").unwrap().unwrap();
        let path = place.path().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        let pid = std::process::id();
        assert_eq!(search(Some(&folder), None).unwrap().name(), format!("tun7-{pid}"));
        for wanted in ["tun7", &pid.to_string(), &format!("tun7-{pid}")] {
            assert!(search(Some(&folder), Some(wanted)).is_ok(), "{wanted}");
        }
        let unknown = search(Some(&folder), Some("tun8")).unwrap_err().to_string();
        assert!(unknown.contains("\"tun8\"") && unknown.contains("tun7-"), "{unknown}");
        let second = Place::open(Some(&folder.join("b.sock")), "").unwrap().unwrap();
        let several = search(Some(&folder), None).unwrap_err().to_string();
        assert!(several.starts_with("2 proxies run") && several.contains("--process b"), "{several}");
        drop((place, second));
        assert!(!path.exists());
        let nobody = search(Some(&folder), None).unwrap_err().to_string();
        assert!(nobody.contains("no proxy runs") && nobody.contains("tun-demo socks5"), "{nobody}");
        fs::remove_dir(&folder).unwrap();
    }

    #[test]
    fn what_a_process_has_left_is_named_and_removed_by_the_next() {
        let folder = empty("stale");
        let path = folder.join("tun0-1.sock");
        drop(UnixListener::bind(&path).unwrap());
        let stale = search(Some(&folder), None).unwrap_err().to_string();
        assert!(stale.contains("its process is gone") && stale.contains("tun0-1.sock"), "{stale}");
        let place = Place::open(Some(&folder), "tun1").unwrap().unwrap();
        assert!(!path.exists(), "the next process sweeps");
        // One that answers, or is something else, is left alone.
        let taken = Place::open(Some(place.path()), "").unwrap_err().to_string();
        assert!(taken.contains("another process answers"), "{taken}");
        let file = folder.join("notes");
        fs::write(&file, "mine").unwrap();
        assert!(Place::open(Some(&file), "").is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
        drop(place);
        fs::remove_dir_all(&folder).unwrap();
    }
}
