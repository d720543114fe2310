//! What is counted, and how it reads as OpenMetrics text (`docs/formats/ledger-metrics.md`).

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant as Clock};

use journal::{Append, Batch, ClaimError, Journal, ReadError, Tip};
use store::PausesSeen;
use store::times::{BOUNDS_US, Times, TimesSeen};
use terms::{BookName, Epoch, Position, RunId};
use wire::Rule;

use crate::query::Figure;

/// The most rules that are counted by name.
const RULES_MAX: usize = 64;

/// Counters of one process, shared by its threads. Each is added to where the thing happens.
#[derive(Debug, Default)]
pub struct Figures {
    /// Whose they are: a process may serve several books.
    book: Option<BookName>,
    batches: AtomicU64,
    facts: AtomicU64,
    bytes: AtomicU64,
    /// One after the newest durable position.
    head: AtomicU64,
    /// Writing and syncing one batch.
    pub appends: Times,
    /// Syncing a file of the journal.
    pub syncs: Arc<Times>,
    refused: Refusals,
    /// Requests over the binary protocol.
    pub binary_requests: AtomicU64,
    /// Requests over HTTP.
    pub http_requests: AtomicU64,
    /// Requests and follows of clients that had as much under way as they may.
    pub turned_away: AtomicU64,
    /// Follows and projections that ended at bytes of the journal that cannot be read.
    pub unreadable: AtomicU64,
    /// Questions that were answered.
    pub questions: AtomicU64,
    /// Questions whose answer was not ready in time.
    pub not_ready: AtomicU64,
    /// Facts sent to those who follow the book.
    pub facts_sent: AtomicU64,
    /// Who follows the book now.
    pub followers: AtomicU64,
    /// Facts before it are in the index of ids.
    pub ids_indexed: AtomicU64,
    /// Ids in memory only.
    pub ids_unsealed: AtomicU64,
    /// Sealed runs of ids.
    pub ids_runs: AtomicU64,
    /// 1 while the wall clock is not believed.
    pub clock_parted: AtomicU64,
}

/// Refusals by rule.
#[derive(Debug)]
struct Refusals([AtomicU64; RULES_MAX]);

impl Default for Refusals {
    fn default() -> Self {
        Self(core::array::from_fn(|_| AtomicU64::new(0)))
    }
}

/// What is told while the wall clock is not believed.
const CLOCK_PARTED: &str = "the wall clock was set: no hold expires until it is right again, or a \
     person says that it is (`wayleave ledger clock --accept`)";

/// Adds one.
pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Figures {
    /// Of this book.
    #[must_use]
    pub fn of(book: BookName) -> Self {
        Self { book: Some(book), ..Self::default() }
    }

    /// A sample's name with the book among its labels.
    fn labelled(&self, name: &str) -> String {
        match (&self.book, name.split_once('{')) {
            (None, _) => name.to_owned(),
            (Some(book), None) => format!("{name}{{book=\"{book}\"}}"),
            (Some(book), Some((name, labels))) => format!("{name}{{book=\"{book}\",{labels}"),
        }
    }

    /// Counts a refusal that was told, journalled or not.
    pub fn refused(&self, rule: Rule) {
        if let Some(counter) = self.refused.0.get(usize::from(rule.code())) {
            count(counter);
        }
    }

    /// Where the journal ended when it was opened.
    pub fn opened_at(&self, next: Position) {
        self.head.store(next.number(), Ordering::Release);
    }

    /// One after the newest durable position.
    #[must_use]
    pub fn head(&self) -> Position {
        Position::new(self.head.load(Ordering::Acquire))
    }

    fn appended(&self, batch: &Batch, took: Duration) {
        let (first, next) = (batch.origin().first.number(), batch.tip().next.number());
        count(&self.batches);
        self.facts.fetch_add(next.saturating_sub(first), Ordering::Relaxed);
        let bytes = u64::try_from(batch.bytes().len()).unwrap_or(u64::MAX);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.appends.add(took);
        self.head.fetch_max(next, Ordering::AcqRel);
    }
}

/// A journal that counts what is appended to it.
#[derive(Debug)]
pub struct Counted<J> {
    journal: J,
    figures: Arc<Figures>,
}

impl<J> Counted<J> {
    /// Counts into these figures.
    pub const fn new(journal: J, figures: Arc<Figures>) -> Self {
        Self { journal, figures }
    }
}

impl<J: Journal> Journal for Counted<J> {
    fn append(&mut self, expected: Position, epoch: Epoch, batch: &Batch) -> Append {
        let begun = Clock::now();
        let appended = self.journal.append(expected, epoch, batch);
        if appended == Append::Appended {
            self.figures.appended(batch, begun.elapsed());
        }
        appended
    }

    fn read_from(&self, position: Position, most: usize) -> Result<Vec<Batch>, ReadError> {
        self.journal.read_from(position, most)
    }

    fn head(&self) -> Result<Tip, ReadError> {
        self.journal.head()
    }

    fn claim_epoch(&mut self, run: RunId) -> Result<Epoch, ClaimError> {
        self.journal.claim_epoch(run)
    }

    fn torn_bytes(&self) -> u64 {
        self.journal.torn_bytes()
    }
}

/// A projection at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Projected {
    /// Its name: `log`, `views`, `ids`.
    pub name: &'static str,
    /// Facts before it are in it.
    pub next: Position,
    /// Why it stopped, if it did.
    pub failure: Option<String>,
}

/// Everything that is told, at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// One after the newest durable position.
    pub head: Position,
    /// What follows the journal.
    pub projections: Vec<Projected>,
    /// Why the book takes nothing now.
    pub trouble: Option<String>,
    /// Whether the wall clock is not believed, so that nothing expires.
    pub clock_parted: bool,
    /// Requests that wait for the writer.
    pub queued: usize,
    /// Questions that wait for a thread.
    pub questions_queued: usize,
    /// Questions that wait for a projection.
    pub questions_parked: usize,
    /// How long images held the book up.
    pub pauses: PausesSeen,
}

/// A name, how it is declared, what it says, and its numbers.
type Family = (&'static str, Kind, &'static str, Vec<Figure>);

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn counter(name: &'static str, help: &'static str, value: u64) -> Family {
    (name, Kind::Counter, help, vec![Figure { name: format!("{name}_total"), value }])
}

fn gauge(name: &'static str, help: &'static str, value: u64) -> Family {
    (name, Kind::Gauge, help, vec![Figure { name: name.to_owned(), value }])
}

/// What was counted since the process began.
fn counted(of: &Figures) -> Vec<Family> {
    let refused = Rule::ALL.iter().filter_map(|rule| {
        let value = load(of.refused.0.get(usize::from(rule.code()))?);
        let name = format!("wayleave_ledger_refusals_total{{rule=\"{}\"}}", rule.name());
        (value > 0).then_some(Figure { name, value })
    });
    vec![
        counter("wayleave_ledger_batches", "Batches appended.", load(&of.batches)),
        counter("wayleave_ledger_facts", "Facts appended.", load(&of.facts)),
        counter("wayleave_ledger_appended_bytes", "Bytes appended.", load(&of.bytes)),
        counter("wayleave_ledger_questions", "Questions answered.", load(&of.questions)),
        counter(
            "wayleave_ledger_questions_not_ready",
            "Questions whose projection did not come so far in time.",
            load(&of.not_ready),
        ),
        counter(
            "wayleave_ledger_binary_requests",
            "Requests over the binary protocol.",
            load(&of.binary_requests),
        ),
        counter("wayleave_ledger_http_requests", "Requests by HTTP.", load(&of.http_requests)),
        counter(
            "wayleave_ledger_turned_away",
            "Requests and follows of clients that had as much under way as they may.",
            load(&of.turned_away),
        ),
        counter(
            "wayleave_ledger_unreadable",
            "Follows and projections that ended at bytes of the journal that cannot be read.",
            load(&of.unreadable),
        ),
        counter("wayleave_ledger_followed_facts", "Facts sent to followers.", load(&of.facts_sent)),
        ("wayleave_ledger_refusals", Kind::Counter, "Refusals told, by rule.", refused.collect()),
    ]
}

/// How a name is declared.
#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
}

impl Snapshot {
    /// Each number by its name, counters with `_total`.
    #[must_use]
    pub fn figures(&self, figures: &Figures) -> Vec<Figure> {
        let mut all = Vec::new();
        for (_, _, _, samples) in self.families(figures) {
            all.extend(samples);
        }
        all
    }

    /// In words: what keeps the book or a projection from going on.
    #[must_use]
    pub fn troubles(&self) -> Vec<String> {
        let stopped = self.projections.iter().filter_map(|one| {
            one.failure.as_ref().map(|why| format!("`{}` stopped: {why}", one.name))
        });
        let clock = self.clock_parted.then(|| CLOCK_PARTED.to_owned());
        self.trouble.clone().into_iter().chain(stopped).chain(clock).collect()
    }

    fn families(&self, of: &Figures) -> Vec<Family> {
        let mut all = self.standing(of);
        all.extend(counted(of));
        all.extend(self.paused());
        all
    }

    /// What images cost those who wait for the writer.
    fn paused(&self) -> [Family; 3] {
        let PausesSeen { images, append, step } = self.pauses;
        let micros = |of: Duration| u64::try_from(of.as_micros()).unwrap_or(u64::MAX);
        [
            counter("wayleave_ledger_images", "Images put in place.", images),
            gauge(
                "wayleave_ledger_image_longest_append_microseconds",
                "Longest append of a batch while an image was written.",
                micros(append),
            ),
            gauge(
                "wayleave_ledger_image_longest_step_microseconds",
                "Longest step of an image on the writer's thread.",
                micros(step),
            ),
        ]
    }

    /// How things are now.
    fn standing(&self, of: &Figures) -> Vec<Family> {
        let by_projection = |name: &str, value: fn(Position, Position) -> u64| -> Vec<Figure> {
            let sample = |projected: &Projected| Figure {
                name: format!("{name}{{projection=\"{}\"}}", projected.name),
                value: value(self.head, projected.next),
            };
            self.projections.iter().map(sample).collect()
        };
        vec![
            gauge("wayleave_ledger_position", "Facts that are durable.", self.head.number()),
            (
                "wayleave_ledger_projection_position",
                Kind::Gauge,
                "Facts that a projection has seen.",
                by_projection("wayleave_ledger_projection_position", |_, next| next.number()),
            ),
            (
                "wayleave_ledger_projection_lag",
                Kind::Gauge,
                "Durable facts that a projection has not seen.",
                by_projection("wayleave_ledger_projection_lag", |head, next| {
                    head.number().saturating_sub(next.number())
                }),
            ),
            gauge(
                "wayleave_ledger_troubles",
                "What keeps the book or a projection from going on.",
                wide(self.troubles().len()),
            ),
            gauge("wayleave_ledger_queue", "Requests before the writer.", wide(self.queued)),
            gauge(
                "wayleave_ledger_questions_queue",
                "Questions before a thread.",
                wide(self.questions_queued),
            ),
            gauge(
                "wayleave_ledger_questions_parked",
                "Questions that wait for a projection.",
                wide(self.questions_parked),
            ),
            gauge("wayleave_ledger_followers", "Who follows the book.", load(&of.followers)),
            gauge("wayleave_ledger_ids_unsealed", "Ids in memory only.", load(&of.ids_unsealed)),
            gauge(
                "wayleave_ledger_clock_parted",
                "1 while the wall clock is not believed and nothing expires.",
                load(&of.clock_parted),
            ),
            gauge("wayleave_ledger_ids_runs", "Sealed runs of ids.", load(&of.ids_runs)),
        ]
    }

    /// OpenMetrics text, ended by `# EOF`.
    #[must_use]
    pub fn text(&self, figures: &Figures) -> String {
        let mut text = String::new();
        for (name, kind, help, samples) in self.families(figures) {
            let kind = match kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
            };
            let _ = writeln!(text, "# TYPE {name} {kind}\n# HELP {name} {help}");
            for sample in samples {
                let _ = writeln!(text, "{} {}", figures.labelled(&sample.name), sample.value);
            }
        }
        let help = "Writing and syncing one batch.";
        let name = "wayleave_ledger_append_seconds";
        figures.histogram(&mut text, name, help, &figures.appends.seen());
        let help = "One sync of a file of the journal.";
        let name = "wayleave_ledger_fsync_seconds";
        figures.histogram(&mut text, name, help, &figures.syncs.seen());
        text.push_str("# EOF\n");
        text
    }
}

impl Figures {
    fn histogram(&self, text: &mut String, name: &str, help: &str, seen: &TimesSeen) {
        let _ =
            writeln!(text, "# TYPE {name} histogram\n# UNIT {name} seconds\n# HELP {name} {help}");
        let bucket = |bound: &str| self.labelled(&format!("{name}_bucket{{le=\"{bound}\"}}"));
        for (bound, count) in BOUNDS_US.iter().zip(seen.at_most) {
            let (whole, part) = (bound / 1_000_000, bound % 1_000_000);
            let _ = writeln!(text, "{} {count}", bucket(&format!("{whole}.{part:06}")));
        }
        let _ = writeln!(text, "{} {}", bucket("+Inf"), seen.count);
        let _ = writeln!(text, "{} {}", self.labelled(&format!("{name}_count")), seen.count);
        let (whole, part) = (seen.whole.as_secs(), seen.whole.subsec_nanos());
        let _ = writeln!(text, "{} {whole}.{part:09}", self.labelled(&format!("{name}_sum")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_counter() {
        assert!(Rule::ALL.iter().all(|rule| usize::from(rule.code()) < RULES_MAX));
    }

    #[test]
    fn each_sample_names_its_book() {
        let figures = Figures::of("north".parse().unwrap());
        for (name, expected) in [
            ("a_total", "a_total{book=\"north\"}"),
            ("a{rule=\"x\"}", "a{book=\"north\",rule=\"x\"}"),
        ] {
            assert_eq!(figures.labelled(name), expected);
        }
    }

    #[test]
    fn the_text_names_each_family_before_its_samples_and_ends() {
        let figures = Figures::default();
        figures.refused(Rule::InsufficientFunds);
        figures.syncs.add(Duration::from_micros(300));
        let failure = Some("damaged".to_owned());
        let views = Projected { name: "views", next: Position::new(7), failure };
        let snapshot = Snapshot {
            head: Position::new(10),
            projections: vec![views],
            trouble: None,
            clock_parted: true,
            queued: 1,
            questions_queued: 0,
            questions_parked: 0,
            pauses: PausesSeen {
                images: 2,
                append: Duration::from_millis(12),
                step: Duration::from_micros(1_900),
            },
        };
        let text = snapshot.text(&figures);
        for line in [
            "# TYPE wayleave_ledger_projection_lag gauge",
            "wayleave_ledger_projection_lag{projection=\"views\"} 3",
            "wayleave_ledger_refusals_total{rule=\"insufficient_funds\"} 1",
            "wayleave_ledger_fsync_seconds_bucket{le=\"0.000500\"} 1",
            "wayleave_ledger_fsync_seconds_sum 0.000300000",
            "wayleave_ledger_troubles 2",
            "wayleave_ledger_clock_parted 0",
            "wayleave_ledger_images_total 2",
            "wayleave_ledger_image_longest_append_microseconds 12000",
            "wayleave_ledger_image_longest_step_microseconds 1900",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        assert_eq!(snapshot.troubles(), ["`views` stopped: damaged", CLOCK_PARTED]);
    }
}
