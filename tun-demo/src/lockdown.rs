//! What the program gives up between its device and its first client.

use crate::args::{Resolution, Sandbox, Socks5};
use crate::exit::{FAILED, Failure, USAGE};
use sockhop_hosted::resolve::Names;
use sockhop_hosted::sandbox::{Account, Files, Keeper, Plan};
use sockhop_hosted::transfer::Folder;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is said where nothing holds.
const OPEN: &str = "NOT locked in: whoever finds a flaw in it has all that this user has (--no-sandbox)";

/// The process once it is locked in; what was set up has been undone when this is dropped, whoever still holds files.
#[derive(Debug)]
pub(crate) struct Lockdown<U> {
    /// Where settings are read from.
    pub(crate) files: Files,
    /// Who resolves names.
    pub(crate) names: Names,
    /// What holds, as one line.
    pub(crate) held: String,
    undoing: Undoing<U>,
}

/// Who undoes what was set up.
#[derive(Debug)]
enum Undoing<U> {
    /// This process, by dropping it.
    Own { _undo: U },
    /// The keeper.
    Kept(Arc<Keeper>),
}

impl<U> Drop for Lockdown<U> {
    fn drop(&mut self) {
        // Threads that resolve names hold it as well, and end when they notice.
        if let Undoing::Kept(keeper) = &self.undoing {
            keeper.end();
        }
    }
}

/// Gives up what is not needed to serve; what stands behind `undo` is undone at the end by a process that keeps the
/// privilege to do so.
///
/// Everything that has to be opened is open before this, and no thread has been started.
pub(crate) fn enter<U>(options: &Socks5, undo: U) -> Result<Lockdown<U>, Failure> {
    let locking = &options.locking;
    if locking.sandbox.no_sandbox {
        let names = match locking.names {
            Resolution::Stub => Names::Stub(Files::default()),
            Resolution::Libc => Names::Libc,
        };
        return Ok(Lockdown {
            files: Files::default(),
            names,
            held: OPEN.to_owned(),
            undoing: Undoing::Own { _undo: undo },
        });
    }
    if locking.names == Resolution::Libc {
        let text = "--names libc opens files and plug-ins, which the sandbox does not let it: add --no-sandbox, or leave it out";
        return Err(Failure::new(USAGE, text));
    }
    let named = [&options.config, &options.users].into_iter().flatten().cloned();
    let paths: Vec<PathBuf> = Names::PATHS.iter().map(PathBuf::from).chain(named).collect();
    let run_as = named_by(&locking.sandbox)?;
    let keeper = Keeper::start(paths, || drop(undo))
        .map_err(|error| Failure::new(FAILED, format!("no process could be split off: {error}")))?;
    let keeper = Arc::new(keeper);
    let files = Files::kept_by(Arc::clone(&keeper));
    let held = Plan { run_as, terminal: options.top, ..Plan::default() }.enter()?.to_string();
    Ok(Lockdown { names: Names::Stub(files.clone()), files, held, undoing: Undoing::Kept(keeper) })
}

/// Gives up what is not needed to serve without settings: it keeps what is in `folder`, or no file; says what holds.
///
/// As root it becomes whom the folder belongs to, so that what comes into it is his. All else is open before this, and
/// no thread has been started.
pub(crate) fn enter_alone(sandbox: &Sandbox, folder: Option<(&Path, &Folder)>) -> Result<String, Failure> {
    if sandbox.no_sandbox {
        return Ok(OPEN.to_owned());
    }
    let is_root = rustix::process::geteuid().is_root();
    let owner = folder.filter(|_| is_root).map(|(_, open)| Account::owner_of(open)).transpose()?;
    let run_as = named_by(sandbox)?.or(owner);
    let write = folder.map(|(path, _)| path.to_owned()).into_iter().collect();
    Ok(Plan { run_as, write, ..Plan::default() }.enter()?.to_string())
}

fn named_by(sandbox: &Sandbox) -> Result<Option<Account>, Failure> {
    let account = sandbox.run_as.as_deref().map(str::parse::<Account>).transpose();
    account.map_err(|text| Failure::new(USAGE, format!("--run-as: {text}")))
}
