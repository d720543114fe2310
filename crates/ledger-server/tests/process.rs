//! The server as a process of its own: killed under load, on a full disk, in a folder that cannot
//! be written, under a clock that is set.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and watches a clock while it waits"
)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ledger::{Placement, Side, Term};
use ledger_server::folder::FIRST_CLIENT;
use ledger_server::load::{At, account, open_accounts};
use ledger_server::serve::Kept;
use ledger_server::{
    BookClock, Clocks, Folder, Guard, Protections, Query, Said, ServeOptions, serve,
    serve::serve_by, serve_protected,
};
use seal::{from_canonical, to_canonical};
use terms::{BusinessDate, HoldId, Minor, TransactionId};
use wire::{CallOptions, Client, Completion, Lookup, RequestFlags, Status, Transfer};

const DIRECTORY: &str = "WAYLEAVE_SERVER_DIRECTORY";
/// Whether the child keeps everything beside the journal too.
const KEEPS_ALL: &str = "WAYLEAVE_SERVER_KEEPS_ALL";
const ACCOUNTS: u64 = 8;
const PATIENCE: Duration = Duration::from_secs(20);

struct Scratch(PathBuf);

impl Scratch {
    fn new(what: &str) -> Self {
        let name = format!("wayleave-ledger-{what}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        Folder::create(&path, "main".parse().unwrap()).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
        let _ = std::fs::remove_file(ledger_server::folder::guard_path(&self.0));
    }
}

fn options() -> ServeOptions {
    ServeOptions {
        address: "127.0.0.1:0".parse().unwrap(),
        http: None,
        flush_delay: Duration::ZERO,
        log: Kept::No,
        views: Kept::No,
    }
}

/// With log, read models and guard.
fn serve_all(folder: &Folder) -> Result<ledger_server::Running, String> {
    let guard = Guard::open(&folder.guard_path(), &folder.log_key().unwrap());
    let guard = Some(guard.map_err(|error| error.to_string())?);
    let with = Protections { guard, segment_bytes: Some(1 << 20), ..Protections::default() };
    let options = ServeOptions { log: Kept::Yes, views: Kept::Yes, ..options() };
    serve_protected(folder, &options, &BookClock::system(), with, None)
        .map_err(|error| error.to_string())
}

/// Not a test of its own: the process that the others start.
#[test]
fn child_serves_until_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    let folder = Folder::open(&directory).unwrap();
    let served = if std::env::var_os(KEEPS_ALL).is_some() {
        serve_all(&folder)
    } else {
        serve(&folder, &options()).map_err(|error| error.to_string())
    };
    match served {
        Ok(running) => {
            println!("\nlistens {} .", running.address);
            loop {
                std::thread::park();
            }
        }
        Err(error) => println!("\nrefuses {error} ."),
    }
}

/// A server, killed when dropped.
struct Served {
    child: Child,
    at: At,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(directory: &Path) -> Result<Served, String> {
    start_with(directory, &[])
}

/// With log, read models and guard, as `wayleave ledger serve` does.
fn start_all(directory: &Path) -> Result<Served, String> {
    start_with(directory, &[(KEEPS_ALL, "1")])
}

fn start_with(directory: &Path, envs: &[(&str, &str)]) -> Result<Served, String> {
    // A file that grows beyond its limit is to be an error and not a signal.
    let mut child = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "child_serves_until_killed", "--nocapture"])
        .env(DIRECTORY, directory)
        .envs(envs.iter().copied())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some(why) = line.strip_prefix("refuses ") {
            let _ = child.wait();
            return Err(why.to_owned());
        }
        let Some(address) = line.strip_prefix("listens ").and_then(|l| l.strip_suffix(" .")) else {
            continue;
        };
        let key = Folder::open(directory).unwrap().client_key(FIRST_CLIENT).unwrap();
        let at = At {
            address: address.parse().unwrap(),
            book: "main".parse().unwrap(),
            key,
            security: wire::Security::Plain,
        };
        return Ok(Served { child, at });
    }
    panic!("the server ended without a word: {:?}", child.wait());
}

fn id(n: u64) -> TransactionId {
    TransactionId::from_bytes(u128::from(n + 1).to_be_bytes())
}

fn transfer(n: u64) -> Transfer {
    Transfer::plain(
        id(n),
        account(n % ACCOUNTS),
        account((n + 1) % ACCOUNTS),
        Minor::new(1),
        BusinessDate::from_days(20_780),
    )
}

fn post(client: &mut Client, numbers: std::ops::Range<u64>) -> Result<Completion, String> {
    let options = CallOptions { flags: RequestFlags::NONE, within: PATIENCE };
    client.post(numbers.map(transfer), options).map_err(|error| error.to_string())
}

/// Posts until the connection breaks; the first and last number of each acknowledged request.
fn post_until_cut(at: &At, from: u64) -> Vec<std::ops::Range<u64>> {
    let (mut acknowledged, mut next) = (Vec::new(), from);
    let Ok(mut client) = at.connect() else { return acknowledged };
    loop {
        let numbers = next..next + 1 + next % 40;
        next = numbers.end;
        match post(&mut client, numbers.clone()) {
            Ok(Completion::Results(results)) => {
                let done = |status| matches!(status, Status::Done | Status::Repeated);
                assert!(results.iter().all(|result| done(result.status)));
                acknowledged.push(numbers);
            }
            _ => return acknowledged,
        }
    }
}

fn statuses(client: &mut Client, numbers: impl Iterator<Item = u64>) -> Vec<Status> {
    let lookups: Vec<Lookup> = numbers.map(|n| Lookup::Transaction(id(n))).collect();
    let mut all = Vec::new();
    for some in lookups.chunks(2000) {
        let ticket = client.lookup(some, PATIENCE).unwrap();
        let Completion::Results(results) = client.wait(ticket) else { panic!("no results") };
        all.extend(results.iter().map(|result| result.status));
    }
    all
}

fn ask(client: &mut Client, query: &Query) -> Said {
    let ticket = client.query(&to_canonical(query), PATIENCE).unwrap();
    let ended = client.wait(ticket);
    let Completion::Answer(bytes) = ended else { panic!("{query:?}: no answer, but {ended:?}") };
    from_canonical::<ledger_server::query::Told>(&bytes).unwrap().said
}

/// The day's debits and credits by the read models, once they have [`followed`].
fn trial(client: &mut Client) -> (u128, u128) {
    let Said::TrialBalance(lines) =
        ask(client, &Query::TrialBalance(BusinessDate::from_days(20_780)))
    else {
        panic!("no trial balance")
    };
    assert_eq!(lines.len(), 1);
    (lines[0].debits.units(), lines[0].credits.units())
}

/// Waits until log and read models have seen every fact, and says why when they never do.
fn followed(client: &mut Client) {
    let begun = Instant::now();
    loop {
        let Said::Status { log, views } = ask(client, &Query::Status) else { panic!("no status") };
        let Said::Engine { figures, troubles } = ask(client, &Query::Engine) else {
            panic!("no figures")
        };
        let head = figures.iter().find(|one| one.name == "wayleave_ledger_position").unwrap();
        let seen = [log, views].map(|next| next.unwrap().number());
        if seen == [head.value; 2] && troubles.is_empty() {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{seen:?} of {}: {troubles:?}", head.value);
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn assert_sound(directory: &Path) {
    let disk = store::FileDisk::look(&directory.join("journal"));
    let report = store::fsck(&disk, &"main".parse().unwrap(), None).unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
}

/// Sum of the posted debits of all accounts, and of their credits, and what `Totals` says.
fn sums(client: &mut Client) -> (u128, u128, u128) {
    let mut ask = |query: &Query| ask(client, query);
    let (mut debits, mut credits) = (0, 0);
    for n in 0..ACCOUNTS {
        let Said::Account(view) = ask(&Query::Account(account(n))) else { panic!("no account") };
        debits += view.debits_posted.units();
        credits += view.credits_posted.units();
    }
    let Said::Totals(totals, _) = ask(&Query::Totals) else { panic!("no totals") };
    (debits, credits, totals[0].posted.units())
}

#[test]
fn what_was_acknowledged_is_there_after_each_kill() {
    let scratch = Scratch::new("kill");
    let mut acknowledged: Vec<std::ops::Range<u64>> = Vec::new();
    let (rounds, clients) = (5, 3);
    for round in 0..rounds {
        let mut served = start_all(&scratch.0).unwrap();
        if round == 0 {
            open_accounts(&served.at, 0, ACCOUNTS).unwrap();
        }
        let told: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..clients)
                .map(|client| {
                    let from = (round * clients + client) * 10_000_000;
                    let at = &served.at;
                    scope.spawn(move || post_until_cut(at, from))
                })
                .collect();
            std::thread::sleep(Duration::from_millis(120 + round * 90));
            served.child.kill().unwrap();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        assert!(!told.is_empty(), "nothing was acknowledged before the kill");
        acknowledged.extend(told);
        drop(served);
        let served = start_all(&scratch.0).unwrap();
        let mut client = served.at.connect().unwrap();
        let numbers = || acknowledged.iter().cloned().flatten();
        let found = statuses(&mut client, numbers());
        let lost = numbers().zip(&found).find(|(_, status)| **status != Status::Repeated);
        assert_eq!(lost, None, "round {round}: acknowledged and not found");
        // Sent again, nothing happens again.
        let before = sums(&mut client);
        let first = acknowledged[0].clone();
        let Ok(Completion::Results(again)) = post(&mut client, first) else { panic!("no results") };
        assert!(again.iter().all(|result| result.status == Status::Repeated));
        let after = sums(&mut client);
        assert_eq!(before, after);
        assert!(after.0 == after.1 && after.0 == after.2, "{after:?}");
        assert!(after.0 >= u128::try_from(found.len()).unwrap(), "{after:?}");
        // Log and read models, killed as well, come to the same.
        followed(&mut client);
        assert_eq!(trial(&mut client), (after.0, after.1));
        // What nobody sent is not there: a look-up that always says yes would pass otherwise.
        assert_eq!(statuses(&mut client, [u64::MAX - 2].into_iter()), [Status::Absent]);
    }
    assert_sound(&scratch.0);
    println!("{} requests acknowledged over {rounds} kills", acknowledged.len());
}

/// Limits how long a file of the process may grow. `false` where the tool is missing.
fn limit_files(served: &Served, limit: &str) -> bool {
    let pid = served.child.id().to_string();
    let ran = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={limit}")]).status();
    let works = ran.is_ok_and(|status| status.success());
    assert!(works || std::env::var_os("CI").is_none(), "prlimit is needed");
    works
}

#[test]
fn a_full_disk_loses_nothing_and_service_resumes() {
    let scratch = Scratch::new("full");
    let served = start(&scratch.0).unwrap();
    open_accounts(&served.at, 0, ACCOUNTS).unwrap();
    let mut client = served.at.connect().unwrap();
    let done = |completion: &Result<Completion, String>| {
        let Ok(Completion::Results(results)) = completion else { return false };
        results.iter().all(|r| matches!(r.status, Status::Done | Status::Repeated))
    };
    assert!(done(&post(&mut client, 0..100)));
    if !limit_files(&served, "512:unlimited") {
        println!("left out: there is no `prlimit`");
        return;
    }
    let mut failed = Vec::new();
    for n in 100..104 {
        let end = post(&mut client, n..n + 1);
        assert!(!done(&end), "there is no room, and {n} was acknowledged");
        assert!(matches!(end, Ok(Completion::Unknown(_) | Completion::NotDone(_))), "{n}: {end:?}");
        failed.push(end);
    }
    println!("while full: {failed:?}");
    assert!(limit_files(&served, "unlimited:unlimited"));
    let begun = Instant::now();
    while !done(&post(&mut client, 100..104)) {
        assert!(begun.elapsed() < PATIENCE, "service did not resume");
        std::thread::sleep(Duration::from_millis(100));
    }
    let found = statuses(&mut client, 0..104);
    assert!(found.iter().all(|status| *status == Status::Repeated), "{found:?}");
    assert_eq!(sums(&mut client), (104, 104, 104));
}

/// Where the small disk lies of the test that runs in a mount namespace of its own.
const SMALL_DISK: &str = "WAYLEAVE_SMALL_DISK";

/// Runs a test of this file again, in a mount namespace with a small disk of its own. Whoever may
/// not mount leaves it out, and says so; under CI that fails.
fn on_a_small_disk(test: &str) {
    let name = format!("wayleave-small-disk-{test}-{}", std::process::id());
    let at = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&at).unwrap();
    let apart = |flags: &str, then: &[&std::ffi::OsStr]| {
        Command::new("unshare")
            .args([flags, "sh", "-c", "mount -t tmpfs -o size=24m none \"$0\" && exec \"$@\""])
            .arg(&at)
            .args(then)
            .env(SMALL_DISK, &at)
            .status()
            .is_ok_and(|status| status.success())
    };
    let may = ["-m", "-rm"].into_iter().find(|flags| apart(flags, &["true".as_ref()]));
    match may {
        Some(flags) => {
            let itself = std::env::current_exe().unwrap();
            let run = ["--exact", test, "--nocapture"].map(std::ffi::OsStr::new);
            let passed = apart(flags, &[&[itself.as_os_str()], &run[..]].concat());
            assert!(passed, "`{test}` failed on a small disk: see above");
        }
        None => {
            println!("left out: {test}: nothing can be mounted here");
            assert!(std::env::var_os("CI").is_none(), "a disk must be mounted for {test}");
        }
    }
    let _ = std::fs::remove_dir(&at);
}

/// Writes until there is no room.
fn fill(ballast: &Path) {
    use std::io::Write as _;
    let mut file = std::fs::File::create(ballast).unwrap();
    let error = loop {
        if let Err(error) = file.write_all(&[7; 4096]) {
            break error;
        }
    };
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
}

fn is_done(ended: &Result<Completion, String>) -> bool {
    let done = |status| matches!(status, Status::Done | Status::Repeated);
    matches!(ended, Ok(Completion::Results(results)) if results.iter().all(|r| done(r.status)))
}

#[test]
fn a_disk_that_is_full_loses_nothing_and_all_resumes() {
    let Some(disk) = std::env::var_os(SMALL_DISK).map(PathBuf::from) else {
        return on_a_small_disk("a_disk_that_is_full_loses_nothing_and_all_resumes");
    };
    let directory = disk.join("book");
    Folder::create(&directory, "main".parse().unwrap()).unwrap();
    let served = start_all(&directory).unwrap();
    open_accounts(&served.at, 0, ACCOUNTS).unwrap();
    let mut client = served.at.connect().unwrap();
    let mut next = 0;
    // Twice: who resumed once resumes again.
    for round in 0..2 {
        assert!(is_done(&post(&mut client, next..next + 100)));
        next += 100;
        let ballast = disk.join("ballast");
        fill(&ballast);
        // What room the journal had taken before is used up, then nothing is acknowledged.
        let mut failed = 0;
        for _ in 0..2000 {
            let ended = post(&mut client, next..next + 40);
            if is_done(&ended) {
                assert_eq!(failed, 0, "there is no room, and {next} was acknowledged");
                next += 40;
                continue;
            }
            let Ok(Completion::Unknown(_) | Completion::NotDone(_)) = &ended else {
                panic!("{next}: {ended:?}")
            };
            // The answer may be told before the writer has said what ails it.
            let begun = Instant::now();
            let said = loop {
                let Said::Engine { troubles, .. } = ask(&mut client, &Query::Engine) else {
                    panic!("no figures")
                };
                let said = format!("{ended:?} {troubles:?}").to_lowercase();
                if said.contains("space") || said.contains("room") {
                    break said;
                }
                assert!(begun.elapsed() < PATIENCE, "what is it? {said}");
                std::thread::sleep(Duration::from_millis(10));
            };
            if failed == 0 {
                println!("round {round}, full after {next}: {said}");
            }
            failed += 1;
            if failed == 5 {
                break;
            }
        }
        assert_eq!(failed, 5, "the disk never was full");
        std::fs::remove_file(&ballast).unwrap();
        let begun = Instant::now();
        while !is_done(&post(&mut client, next..next + 40)) {
            assert!(begun.elapsed() < PATIENCE, "service did not resume");
            std::thread::sleep(Duration::from_millis(100));
        }
        next += 40;
        let found = statuses(&mut client, 0..next);
        assert!(found.iter().all(|status| *status == Status::Repeated), "{found:?}");
        followed(&mut client);
        let all = u128::from(next);
        assert_eq!(sums(&mut client), (all, all, all));
        assert_eq!(trial(&mut client), (all, all));
    }
    drop(served);
    assert_sound(&directory);
    let served = start_all(&directory).unwrap();
    let all = u128::from(next);
    let mut client = served.at.connect().unwrap();
    assert_eq!(sums(&mut client), (all, all, all));
    followed(&mut client);
    assert_eq!(trial(&mut client), (all, all));
}

fn remount(disk: &Path, how: &str) -> bool {
    let how = format!("remount,{how}");
    let ran = Command::new("mount").args(["-o", &how]).arg(disk).stderr(Stdio::null()).status();
    ran.is_ok_and(|status| status.success())
}

#[test]
fn a_disk_that_is_read_only_is_named_and_service_resumes() {
    let Some(disk) = std::env::var_os(SMALL_DISK).map(PathBuf::from) else {
        return on_a_small_disk("a_disk_that_is_read_only_is_named_and_service_resumes");
    };
    let directory = disk.join("book");
    Folder::create(&directory, "main".parse().unwrap()).unwrap();
    let mut served = start_all(&directory).unwrap();
    open_accounts(&served.at, 0, ACCOUNTS).unwrap();
    let acknowledged = std::thread::scope(|scope| {
        let at = &served.at;
        let posting = scope.spawn(move || post_until_cut(at, 0));
        std::thread::sleep(Duration::from_millis(300));
        // A file is open for writing: the kernel says no, and the load goes on. A disk that turns
        // read-only all the same is one whose calls fail: the simulation's `ReadOnly`.
        assert!(!remount(&disk, "ro"), "the book has no file open for writing");
        std::thread::sleep(Duration::from_millis(200));
        served.child.kill().unwrap();
        served.child.wait().unwrap();
        posting.join().unwrap()
    });
    assert!(!acknowledged.is_empty());
    assert!(remount(&disk, "ro"), "nobody writes any more");
    for _ in 0..2 {
        let why = start_all(&directory).err().unwrap();
        println!("refuses: {why}");
        assert!(why.contains("Read-only file system") && why.contains("book"), "{why}");
    }
    assert_sound(&directory);
    assert!(remount(&disk, "rw"));
    let served = start_all(&directory).unwrap();
    let mut client = served.at.connect().unwrap();
    let numbers = acknowledged.iter().cloned().flatten();
    let found = statuses(&mut client, numbers);
    assert!(found.iter().all(|status| *status == Status::Repeated), "{found:?}");
    assert!(is_done(&post(&mut client, 1_000_000..1_000_010)));
    followed(&mut client);
    let (debits, credits, all) = sums(&mut client);
    assert!(debits == credits && debits == all, "{debits} {credits} {all}");
    assert_eq!(trial(&mut client), (debits, credits));
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new("readonly");
    drop(start(&scratch.0).unwrap());
    let journal = scratch.0.join("journal");
    let mode = |mode| std::fs::set_permissions(&journal, PermissionsExt::from_mode(mode)).unwrap();
    mode(0o500);
    let is_bound = std::fs::write(journal.join("probe"), b"").is_err();
    if is_bound {
        let why = start(&scratch.0).err().unwrap();
        println!("refuses: {why}");
        assert!(why.contains("denied"), "{why}");
    } else {
        println!("left out: this user writes where it may not");
        std::fs::remove_file(journal.join("probe")).unwrap();
    }
    mode(0o700);
    drop(start(&scratch.0).unwrap());
    // Whoever runs this: a file where the folder should be.
    std::fs::rename(&journal, scratch.0.join("away")).unwrap();
    std::fs::write(&journal, b"").unwrap();
    let why = start(&scratch.0).err().unwrap();
    assert!(why.contains(&journal.display().to_string()), "{why}");
    std::fs::remove_file(&journal).unwrap();
    std::fs::rename(scratch.0.join("away"), &journal).unwrap();
    drop(start(&scratch.0).unwrap());
}

/// Clocks that a test sets: seconds of the wall clock, seconds that passed.
struct Set {
    seconds: Arc<Mutex<(u64, u64)>>,
    /// The planted bug: the two clocks are one, so that nobody sees that it was set.
    is_blind: bool,
}

impl Clocks for Set {
    fn wall(&self) -> terms::Instant {
        terms::Instant::from_seconds(self.seconds.lock().unwrap().0)
    }

    fn monotonic(&self) -> Duration {
        let (wall, passed) = *self.seconds.lock().unwrap();
        Duration::from_secs(if self.is_blind { wall } else { passed })
    }

    fn boot(&self) -> Option<String> {
        Some("one boot".into())
    }
}

const DAY: u64 = 86_400;

/// Whether a hold of an hour was still open a good while after the wall clock was set.
fn hold_survives(step: i64, is_blind: bool) -> bool {
    let scratch = Scratch::new(&format!("clock-{step}-{is_blind}"));
    let seconds = Arc::new(Mutex::new((1000 * DAY, 10 * DAY)));
    let clock = BookClock::new(Set { seconds: Arc::clone(&seconds), is_blind });
    let folder = Folder::open(&scratch.0).unwrap();
    let running = serve_by(&folder, &options(), &clock).unwrap();
    let key = folder.client_key(FIRST_CLIENT).unwrap();
    let at =
        At { address: running.address, book: folder.book(), key, security: wire::Security::Plain };
    open_accounts(&at, 0, ACCOUNTS).unwrap();
    let mut client = at.connect().unwrap();
    place_hold(&mut client, 1000 * DAY + 3600);
    let open = || {
        let read = running.handle().read_blocking(|book| book.ledger().open_holds().count());
        let store::Answer::Done { outcome, .. } = read else { panic!("{read:?}") };
        outcome == 1
    };
    assert!(open());
    seconds.lock().unwrap().0 = (1000 * DAY).saturating_add_signed(step);
    // Several sweeps; and what needs no deadline goes on.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1200) && open() {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(matches!(post(&mut client, 0..10), Ok(Completion::Results(_))));
    assert_eq!(sums(&mut client).2, 10);
    let survived = open();
    // The clock is right again, and two hours have passed: now it expires.
    *seconds.lock().unwrap() = (1000 * DAY + 7200, 10 * DAY + 7200);
    let begun = Instant::now();
    while open() {
        assert!(begun.elapsed() < PATIENCE, "the hold never expires");
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(client);
    running.stop();
    survived
}

#[test]
fn no_hold_expires_by_a_clock_that_was_set() {
    let day = i64::try_from(DAY).unwrap();
    assert!(hold_survives(day, false), "a hold expired by a clock set a day ahead");
    assert!(hold_survives(-day, false));
    // The guard is what keeps it: without, the same test sees it expire.
    assert!(!hold_survives(day, true));
}

/// A folder whose book is served in this process by clocks that a test sets.
struct Here<'a> {
    folder: &'a Path,
    seconds: Arc<Mutex<(u64, u64)>>,
    running: ledger_server::Running,
}

impl<'a> Here<'a> {
    fn start(folder: &'a Path, wall: u64, passed: u64) -> Self {
        let seconds = Arc::new(Mutex::new((wall, passed)));
        let clock = BookClock::new(Set { seconds: Arc::clone(&seconds), is_blind: false });
        let running = serve_by(&Folder::open(folder).unwrap(), &options(), &clock).unwrap();
        Self { folder, seconds, running }
    }

    fn connect(&self) -> (At, Client) {
        let folder = Folder::open(self.folder).unwrap();
        let key = folder.client_key(FIRST_CLIENT).unwrap();
        let address = self.running.address;
        let at = At { address, book: folder.book(), key, security: wire::Security::Plain };
        let client = at.connect().unwrap();
        (at, client)
    }

    fn has_open_hold(&self) -> bool {
        let read = self.running.handle().read_blocking(|book| book.ledger().open_holds().count());
        let store::Answer::Done { outcome, .. } = read else { panic!("{read:?}") };
        outcome == 1
    }

    /// Troubles that name the clock, and the metric.
    fn parted(&self) -> (usize, u64) {
        let (_, mut client) = self.connect();
        let ticket = client.query(&to_canonical(&Query::Engine), PATIENCE).unwrap();
        let Completion::Answer(bytes) = client.wait(ticket) else { panic!("no answer") };
        let told = from_canonical::<ledger_server::query::Told>(&bytes).unwrap().said;
        let Said::Engine { figures, troubles } = told else { panic!("{told:?}") };
        let parted = figures.iter().find(|one| one.name == "wayleave_ledger_clock_parted");
        let named = troubles.iter().filter(|one| one.contains("the wall clock was set")).count();
        (named, parted.unwrap().value)
    }

    /// Waits through several sweeps, and takes requests meanwhile.
    fn keeps_its_hold(&self, posts: std::ops::Range<u64>) {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(1200) {
            assert!(self.has_open_hold(), "a hold expired by a clock that was set");
            std::thread::sleep(Duration::from_millis(50));
        }
        let (_, mut client) = self.connect();
        let Ok(Completion::Results(done)) = post(&mut client, posts) else { panic!("no results") };
        assert!(done.iter().all(|result| result.status == Status::Done));
    }

    fn expires(&self) {
        let begun = Instant::now();
        while self.has_open_hold() {
            assert!(begun.elapsed() < PATIENCE, "the hold never expires");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn place_hold(client: &mut Client, expires: u64) {
    let placement = Placement {
        id: HoldId::from_bytes([9; 16]),
        account: account(1),
        side: Side::Debit,
        amount: Minor::new(5),
        term: Term::Expiring { at: terms::Instant::from_seconds(expires) },
        business_date: BusinessDate::from_days(1000),
        limits: Vec::new(),
        links: Vec::new(),
    };
    let place = to_canonical(&ledger::Command::PlaceHold(placement));
    let options = CallOptions { flags: RequestFlags::NONE, within: PATIENCE };
    let ticket = client.commands(&[place], options).unwrap();
    let Completion::Results(placed) = client.wait(ticket) else { panic!("no results") };
    assert!(placed.iter().all(|result| result.status == Status::Done));
}

#[test]
fn no_hold_expires_by_a_clock_that_was_set_between_two_starts() {
    let scratch = Scratch::new("clock-restart");
    let (wall, passed) = (1000 * DAY, 10 * DAY);
    let here = Here::start(&scratch.0, wall, passed);
    let (at, mut client) = here.connect();
    open_accounts(&at, 0, ACCOUNTS).unwrap();
    place_hold(&mut client, wall + 3600);
    drop(client);
    assert_eq!(here.parted(), (0, 0));
    here.running.stop();
    // A day ahead after a minute's stop, twice: the second start knows what the first was told.
    for (round, later) in [(1, 60), (2, 120)] {
        let here = Here::start(&scratch.0, wall + DAY + later, passed + later);
        assert_eq!(here.parted(), (1, 1), "before any sweep");
        here.keeps_its_hold(round * 10..round * 10 + 10);
        here.running.stop();
    }
    // A day behind: the same.
    let here = Here::start(&scratch.0, wall - DAY + 180, passed + 180);
    here.keeps_its_hold(30..40);
    assert_eq!(here.parted(), (1, 1));
    // Set right, and the hour has not passed.
    *here.seconds.lock().unwrap() = (wall + 240, passed + 240);
    here.keeps_its_hold(40..50);
    assert_eq!(here.parted(), (0, 0));
    here.running.stop();
    // A day ahead again, and this time a person says, beside the running book, that it is right.
    let here = Here::start(&scratch.0, wall + DAY + 300, passed + 300);
    here.keeps_its_hold(50..60);
    let clocks = Set { seconds: Arc::clone(&here.seconds), is_blind: false };
    let word = ledger_server::Anchor::now(&clocks).unwrap();
    Folder::open(&scratch.0).unwrap().note_clock(&word).unwrap();
    here.expires();
    assert_eq!(here.parted(), (0, 0));
    here.running.stop();
}

#[test]
fn what_was_kept_of_another_boot_binds_nobody() {
    let scratch = Scratch::new("clock-boot");
    let (wall, passed) = (1000 * DAY, 10 * DAY);
    let here = Here::start(&scratch.0, wall, passed);
    let (at, mut client) = here.connect();
    open_accounts(&at, 0, ACCOUNTS).unwrap();
    place_hold(&mut client, wall + 3600);
    drop(client);
    here.running.stop();
    let folder = Folder::open(&scratch.0).unwrap();
    let kept = folder.clock().unwrap().unwrap();
    folder.note_clock(&ledger_server::Anchor { boot: "another".into(), ..kept }).unwrap();
    let here = Here::start(&scratch.0, wall + DAY, 60);
    here.expires();
    assert_eq!(folder.clock().unwrap().unwrap().boot, "one boot", "from now on it is this one");
    here.running.stop();
}
