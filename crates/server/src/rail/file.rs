//! A rail of files: pacs.008 files in `outbox`, pacs.002, pacs.004 and camt.029 files in `inbox`.
//!
//! Some gateway carries the files; it takes them from the outbox by moving or removing them, and
//! puts its own into the inbox by renaming. A file's name is its message id, and nothing is ever
//! overwritten. Beside each message lies what we know of it in `kept`: `ID.xml` before it can have
//! been handed over, `ID.handed` after it surely was. So an absent `ID.xml` is the word of our own
//! disk that no send ever began.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use clearing::outside::{Asking, Report, Sending, Told, message_id_of};
use record::OutsideEvidence;
use seal::sha256;
use terms::{Instant, OutsideId};

use super::{Arrived, MESSAGE_BYTES_MAX, Prepared, Rail, Verdict};

/// Files taken from the inbox at one time.
const TAKEN_AT_ONCE: usize = 64;

/// Folders with message files.
#[derive(Clone, Debug)]
pub struct FileRail {
    outbox: PathBuf,
    inbox: PathBuf,
    kept: PathBuf,
    taken: PathBuf,
    since: Instant,
}

/// Says in `kept` since when that folder knows every send.
const SINCE_FILE: &str = "since";

impl FileRail {
    /// Opens or makes the four folders.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let below = |name: &str| -> io::Result<PathBuf> {
            let path = folder.join(name);
            fs::create_dir_all(&path)?;
            Ok(path)
        };
        let kept = below("kept")?;
        let rail = Self {
            outbox: below("outbox")?,
            inbox: below("inbox")?,
            since: since(&kept)?,
            kept,
            taken: below("taken")?,
        };
        sync(folder)?;
        Ok(rail)
    }

    /// Since when an absent message is the word of this disk that it was never sent. A core that
    /// was restored from a backup begins with an empty folder, which says nothing of what was
    /// sent before.
    #[must_use]
    pub const fn knows_since(&self) -> Instant {
        self.since
    }

    /// Where a message waits for the gateway.
    #[must_use]
    pub fn outgoing(&self, message_id: &str) -> PathBuf {
        self.outbox.join(format!("{message_id}.pacs.008.001.08.xml"))
    }

    fn hand_over(&self, message: &Prepared) -> Sending {
        let (whole, handed) = self.kept_of(&message.message_id);
        if fs::read(&whole).is_ok_and(|known| known != message.xml.as_bytes()) {
            return Sending::Unknown("another message is kept under this id".to_owned());
        }
        if handed.exists() {
            return Sending::Sent(None);
        }
        // Nothing of this can be seen by the gateway: a failure is surely not done.
        if let Err(error) = self.keep(&whole, message.xml.as_bytes()) {
            return Sending::NotDone(format!("`{}`: {error}", whole.display()));
        }
        match self.put_out(message, &whole, &handed) {
            Ok(()) => Sending::Sent(None),
            Err(error) => Sending::Unknown(format!("the outbox: {error}")),
        }
    }

    /// Writes the message whole beside the outbox; the same message again changes nothing.
    fn keep(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        match fs::read(path) {
            Ok(known) if known == bytes => return Ok(()),
            Ok(_) => return Err(io::Error::other("another message is kept under this id")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let temporary = path.with_extension("new");
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync(&self.kept)
    }

    /// From here on the gateway may have it: a temporary file in the outbox, its sync, a link that
    /// never overwrites, the sync of the folder, and the mark.
    fn put_out(&self, message: &Prepared, whole: &Path, handed: &Path) -> io::Result<()> {
        let (named, hidden) = (
            self.outgoing(&message.message_id),
            self.outbox.join(format!(".{}", message.message_id)),
        );
        let _older = fs::remove_file(&hidden);
        fs::copy(whole, &hidden)?;
        File::open(&hidden)?.sync_all()?;
        match fs::hard_link(&hidden, &named) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        fs::remove_file(&hidden)?;
        sync(&self.outbox)?;
        File::create(handed)?.sync_all()?;
        sync(&self.kept)
    }

    fn kept_of(&self, message_id: &str) -> (PathBuf, PathBuf) {
        let at = |end: &str| self.kept.join(format!("{message_id}.{end}"));
        (at("xml"), at("handed"))
    }

    /// Nobody can be asked through files: our own disk says whether it was handed over.
    fn look(&self, id: OutsideId) -> Asking {
        let message_id = message_id_of(id);
        let (whole, handed) = self.kept_of(&message_id);
        let bytes = match fs::read(&whole) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Asking::NotKnown,
            Err(error) => return Asking::Unknown(error.to_string()),
        };
        if !handed.exists() && !self.outgoing(&message_id).exists() {
            return Asking::Unknown("it may have been taken from the outbox".to_owned());
        }
        let evidence = OutsideEvidence::Message {
            digest: sha256(&bytes),
            message_id,
            kind: "pacs.008".to_owned(),
            code: String::new(),
            reason: String::new(),
        };
        Asking::Status(Report { told: Told::Pending, evidence })
    }

    fn list(&self) -> io::Result<Vec<Arrived>> {
        let mut names: Vec<String> = fs::read_dir(&self.inbox)?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| !name.starts_with('.') && name.ends_with(".xml"))
            .collect();
        names.sort();
        names.truncate(TAKEN_AT_ONCE);
        let read = |name: String| {
            let mut bytes = Vec::new();
            // One byte more than a message may have: a longer file is refused, not cut.
            let limit = u64::try_from(MESSAGE_BYTES_MAX).ok()?.saturating_add(1);
            File::open(self.inbox.join(&name)).ok()?.take(limit).read_to_end(&mut bytes).ok()?;
            Some(Arrived { name, bytes })
        };
        Ok(names.into_iter().filter_map(read).collect())
    }

    /// Moves the file, with its verdict beside it. Two files of one name are two messages.
    fn move_away(&self, arrived: &Arrived, verdict: &Verdict) -> io::Result<()> {
        let digest = sha256(&arrived.bytes).to_string();
        let short: String = digest.chars().take(12).collect();
        let to = self.taken.join(format!("{short}-{}", arrived.name));
        let (word, detail) = match verdict {
            Verdict::Taken(of) => ("taken", of.join(" ")),
            Verdict::Refused(why) => ("refused", why.clone()),
        };
        let text = serde_json::json!({ "verdict": word, "detail": detail, "sha256": digest });
        crate::roles::write_whole(
            &to.with_extension("verdict.json"),
            format!("{text}\n").as_bytes(),
        )?;
        fs::rename(self.inbox.join(&arrived.name), &to)?;
        sync(&self.taken)?;
        sync(&self.inbox)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> T + Send + 'static,
        failed: T,
    ) -> T {
        let rail = self.clone();
        tokio::task::spawn_blocking(move || work(&rail)).await.unwrap_or(failed)
    }
}

impl Rail for FileRail {
    async fn send(&self, message: &Prepared) -> Sending {
        let message = message.clone();
        let failed = Sending::Unknown("the writing thread ended".to_owned());
        self.blocking(move |rail| rail.hand_over(&message), failed).await
    }

    async fn ask(&self, id: OutsideId) -> Asking {
        let failed = Asking::Unknown("the reading thread ended".to_owned());
        self.blocking(move |rail| rail.look(id), failed).await
    }

    async fn incoming(&self) -> Vec<Arrived> {
        let list = |rail: &Self| {
            rail.list().unwrap_or_else(|error| {
                tracing::error!(inbox = %rail.inbox.display(), %error, "cannot be read");
                Vec::new()
            })
        };
        self.blocking(list, Vec::new()).await
    }

    async fn taken(&self, arrived: &Arrived, verdict: &Verdict) {
        let (arrived, verdict) = (arrived.clone(), verdict.clone());
        let name = arrived.name.clone();
        let moved = self.blocking(move |rail| rail.move_away(&arrived, &verdict), Ok(())).await;
        if let Err(error) = moved {
            tracing::error!(name, %error, "a message that was taken stays in the inbox");
        }
    }
}

/// Reads the mark, or makes it now: a folder without it may be younger than what it is asked for.
fn since(kept: &Path) -> io::Result<Instant> {
    let path = kept.join(SINCE_FILE);
    match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map(Instant::from_seconds).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let now = crate::system::now().seconds();
            crate::roles::write_whole(&path, format!("{now}\n").as_bytes())?;
            sync(kept)?;
            Ok(Instant::from_seconds(now))
        }
        Err(error) => Err(error),
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
