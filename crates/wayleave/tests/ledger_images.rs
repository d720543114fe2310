//! Images of a ledger's state, taken often: killed at many moments while they are written, and
//! with bytes flipped.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may stop at the first surprise, and says what it counted"
)]
#![cfg(unix)]

mod support;

use std::io::{BufRead, BufReader, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bookkeeping::LedgerBook;
use ledger_server::load::{At, account, open_accounts};
use ledger_server::{FIRST_CLIENT, Folder as BookFolder};
use serde_json::Value;
use store::FileDisk;
use store::image::{IMAGE_NAME, load_image};
use support::{Folder, command, run};
use terms::{BusinessDate, Minor, TransactionId};
use wire::{CallOptions, Client, Completion, Lookup, RequestFlags, Status, Transfer};

/// Few enough that images come as often as they are asked for.
const ACCOUNTS: u64 = 150;
const PATIENCE: Duration = Duration::from_secs(30);
/// Facts between two images: some batches.
const EVERY: &str = "60";
/// Lives of the book, each ended by SIGKILL after another number of answers.
const LIVES: u64 = 24;
/// Requests of one life at most.
const MOST: u64 = 90;

/// A book that is served by the program until the value goes.
struct Served {
    child: Child,
    ready: Value,
    at: At,
    said: Option<ChildStderr>,
}

impl Served {
    fn start(dir: &Path) -> Self {
        let mut child = command()
            .args(["ledger", "serve", "--until-input-ends", "--json", "--image-every", EVERY])
            .arg("--dir")
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said = child.stderr.take();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{said:?}"));
        let folder = BookFolder::open(dir).unwrap();
        let key = folder.client_key(FIRST_CLIENT).unwrap();
        let address = ready["ready"].as_str().unwrap().parse().unwrap();
        let at = At { address, book: folder.book(), key, security: wire::Security::Plain };
        Self { child, ready, at, said }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it in order; what it said on standard error.
    fn stop(mut self) -> String {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
        let mut said = String::new();
        self.said.take().unwrap().read_to_string(&mut said).unwrap();
        said
    }

    fn number(&self, name: &str) -> u64 {
        self.ready[name].as_u64().unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn made(name: &str) -> (Folder, PathBuf) {
    let folder = Folder::new(name);
    let dir = folder.path().join("book");
    assert_eq!(run(&["ledger", "init", "--dir", dir.to_str().unwrap()]).code, Some(0));
    (folder, dir)
}

fn id(number: u64) -> TransactionId {
    TransactionId::from_bytes(u128::from(number + 1).to_be_bytes())
}

fn transfer(number: u64) -> Transfer {
    Transfer::plain(
        id(number),
        account(number % ACCOUNTS),
        account((number + 1) % ACCOUNTS),
        Minor::new(1),
        BusinessDate::from_days(20_780),
    )
}

fn post(client: &mut Client, numbers: Range<u64>) -> Option<bool> {
    let options = CallOptions { flags: RequestFlags::NONE, within: PATIENCE };
    match client.post(numbers.map(transfer), options) {
        Ok(Completion::Results(results)) => {
            let done = |status| matches!(status, Status::Done | Status::Repeated);
            Some(results.iter().all(|result| done(result.status)))
        }
        _ => None,
    }
}

/// Posts until the connection breaks; what was acknowledged. `told` counts it for whoever kills.
fn post_until_cut(at: &At, from: u64, told: &AtomicU64) -> Vec<Range<u64>> {
    let (mut acknowledged, mut next) = (Vec::new(), from);
    let Ok(mut client) = at.connect() else { return acknowledged };
    while let Some(all_done) = post(&mut client, next..next + 1 + next % 20) {
        assert!(all_done, "from {next} on");
        let numbers = next..next + 1 + next % 20;
        next = numbers.end;
        acknowledged.push(numbers);
        told.fetch_add(1, Ordering::SeqCst);
    }
    acknowledged
}

fn lost(client: &mut Client, numbers: impl Iterator<Item = u64>) -> Vec<u64> {
    let all: Vec<u64> = numbers.collect();
    let mut lost = Vec::new();
    for some in all.chunks(2_000) {
        let lookups: Vec<Lookup> = some.iter().map(|n| Lookup::Transaction(id(*n))).collect();
        let ticket = client.lookup(&lookups, PATIENCE).unwrap();
        let Completion::Results(results) = client.wait(ticket) else { panic!("no results") };
        let found = some.iter().zip(results.iter());
        lost.extend(found.filter(|(_, one)| one.status != Status::Repeated).map(|(n, _)| *n));
    }
    lost
}

/// Whether the image that was being written, or the one before last, is none.
fn left_unfinished(dir: &Path) -> bool {
    let beside = dir.join("images/image.new");
    let alone = dir.with_file_name("alone");
    std::fs::create_dir_all(&alone).unwrap();
    if !beside.exists() {
        return false;
    }
    std::fs::copy(beside, alone.join(IMAGE_NAME)).unwrap();
    let book = BookFolder::open(dir).unwrap().book();
    load_image::<LedgerBook, _>(&FileDisk::look(&alone), &book).is_err()
}

fn fsck(dir: &Path) -> (Option<i32>, Value) {
    let ran = run(&["ledger", "fsck", "--json", "--dir", dir.to_str().unwrap()]);
    (ran.code, serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}")))
}

#[test]
fn a_book_killed_at_many_moments_while_images_are_written_keeps_what_it_acknowledged() {
    let (_folder, dir) = made("images");
    let mut acknowledged: Vec<Range<u64>> = Vec::new();
    let (mut imaged, mut refolded, mut unfinished) = (0, 0, 0);
    for life in 0..LIVES {
        let mut served = Served::start(&dir);
        assert_eq!(served.ready["image_refused"], Value::Null, "no kill spoils an image");
        imaged += u64::from(served.ready["from_image"] == true);
        refolded += served.number("facts_refolded");
        if life == 0 {
            open_accounts(&served.at, 0, ACCOUNTS).unwrap();
        }
        let mut client = served.at.connect().unwrap();
        let all = || acknowledged.iter().cloned().flatten();
        assert_eq!(lost(&mut client, all()), Vec::<u64>::new(), "life {life}");
        assert!(served.number("facts") >= u64::try_from(all().count()).unwrap());
        drop(client);
        let (told, from) = (AtomicU64::new(0), life * 1_000_000);
        // Other moments in each life, spread over all that an image goes through.
        let moment = 1 + life * 37 % MOST;
        let more = std::thread::scope(|scope| {
            let posting = scope.spawn(|| post_until_cut(&served.at, from, &told));
            while told.load(Ordering::SeqCst) < moment && !posting.is_finished() {
                std::thread::yield_now();
            }
            served.child.kill().unwrap();
            posting.join().unwrap()
        });
        served.kill();
        assert!(u64::try_from(more.len()).unwrap() >= moment, "life {life}");
        acknowledged.extend(more);
        unfinished += u64::from(left_unfinished(&dir));
    }
    let (code, told) = fsck(&dir);
    assert_eq!(code, Some(0), "{told}");
    let count = acknowledged.iter().cloned().flatten().count();
    println!(
        "{count} transfers acknowledged over {LIVES} kills, none lost; {imaged} starts from an \
         image, {refolded} facts folded again; {unfinished} kills cut one off"
    );
    assert!(imaged > LIVES / 2, "images were written: {imaged}");
}

#[test]
fn a_flipped_byte_of_an_image_is_named_and_the_journal_mends_it() {
    let (_folder, dir) = made("flipped");
    let served = Served::start(&dir);
    open_accounts(&served.at, 0, ACCOUNTS).unwrap();
    let mut client = served.at.connect().unwrap();
    for number in (0..400).step_by(20) {
        assert_eq!(post(&mut client, number..number + 20), Some(true));
    }
    drop(client);
    let said = served.stop();
    assert!(!said.contains("image"), "{said}");
    let image = dir.join("images/image");
    let length = std::fs::metadata(&image).unwrap().len();
    let mut next = 400;
    for place in [0, 7, length / 3, length - 80, length - 1] {
        assert_eq!(fsck(&dir).0, Some(0), "before byte {place}");
        let mut bytes = std::fs::read(&image).unwrap();
        let at = usize::try_from(place).unwrap().min(bytes.len() - 1);
        bytes[at] ^= 1;
        std::fs::write(&image, &bytes).unwrap();
        let (code, told) = fsck(&dir);
        assert_eq!((code, &told["sound"]), (Some(1), &false.into()), "byte {place}: {told}");
        let findings = told["findings"].as_array().unwrap();
        let named = findings[0].as_str().unwrap();
        assert!(findings.len() == 1 && named.starts_with("images: `image`: the image is damaged"));

        // The start names it too, and folds the journal from its first fact.
        let served = Served::start(&dir);
        assert_eq!(served.ready["from_image"], false, "byte {place}");
        assert!(served.ready["image_refused"].as_str().unwrap().contains("damaged"));
        assert_eq!(served.number("facts_refolded"), served.number("facts"));
        assert_eq!(served.number("facts"), ACCOUNTS + next, "byte {place}");
        let mut client = served.at.connect().unwrap();
        assert_eq!(lost(&mut client, 0..next), Vec::<u64>::new(), "byte {place}");
        // The next image takes its place.
        assert_eq!(post(&mut client, next..next + 100), Some(true));
        next += 100;
        drop(client);
        let said = served.stop();
        assert!(said.contains("its image was not used: the image is damaged"), "{said}");
    }
    let served = Served::start(&dir);
    assert_eq!(served.ready["from_image"], true, "{}", served.ready);
    assert!(served.number("facts_refolded") < 100 + 60, "{}", served.ready);
    served.stop();
}
