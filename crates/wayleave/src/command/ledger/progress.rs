//! How far long work has come, on standard error: standard output is the command's answer alone.
//!
//! A bar where a person watches, a line every few seconds in a log, nothing for a program that
//! reads JSON. Nothing here can fail the work that it tells of.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use ledger_server::archive::Step;
use terms::Position;

use crate::cli::ledger::ProgressArgs;
use crate::command::tell;

/// Between two lines where standard error is no terminal: enough to see that it moves.
const LINES_EVERY: Duration = Duration::from_secs(5);
/// Between two pictures of the bar.
const BAR_EVERY: Duration = Duration::from_millis(100);
/// Facts between two looks at the clock: a fraction of a millisecond of folding.
const FACTS_A_LOOK: u64 = 512;
/// Characters of the bar.
const BAR: u64 = 24;

/// What is told of, and to whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    /// The command's word for it.
    pub(super) name: &'static str,
    /// What it counts.
    pub(super) unit: &'static str,
    /// Whether the answer is JSON.
    pub(super) json: bool,
}

/// A part of a whole, in whatever it is measured by; a whole of nothing is not known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Part {
    pub(super) done: u64,
    pub(super) whole: u64,
}

impl Part {
    pub(super) const fn of(done: u64, whole: u64) -> Self {
        Self { done, whole }
    }

    const fn scaled(self, to: u64) -> Option<u64> {
        match self.done.saturating_mul(to).checked_div(self.whole) {
            Some(scaled) if scaled < to => Some(scaled),
            Some(_) => Some(to),
            None => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Bar,
    Lines(Duration),
    Silent,
}

/// Progress of one command, in one stage or several.
pub(super) struct Progress {
    work: Work,
    form: Form,
    begun: Instant,
    told: Option<Instant>,
    /// Whether a line was printed, or a bar stands on the terminal.
    is_shown: bool,
    items: u64,
}

impl Progress {
    /// Begins now.
    pub(super) fn begin(args: ProgressArgs, work: Work) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let form = form(args, work.json, is_terminal);
        let begun = Instant::now();
        Self { work, form, begun, told: None, is_shown: false, items: 0 }
    }

    /// Says nothing, whatever was asked: both streams are the same terminal.
    pub(super) fn silenced(mut self) -> Self {
        self.form = Form::Silent;
        self
    }

    /// The next stage of the same command, counted anew.
    pub(super) fn stage(&mut self, name: &'static str, unit: &'static str) {
        self.end();
        self.work = Work { name, unit, ..self.work };
        (self.begun, self.told, self.items) = (Instant::now(), None, 0);
    }

    /// So many items are done, which is that part of all.
    pub(super) fn at(&mut self, items: u64, part: Part) {
        self.items = items;
        let every = match self.form {
            Form::Silent => return,
            Form::Bar => BAR_EVERY,
            Form::Lines(every) => every,
        };
        let now = Instant::now();
        let since = now.saturating_duration_since(self.told.unwrap_or(self.begun));
        if since < every {
            return;
        }
        self.told = Some(now);
        self.is_shown = true;
        let took = now.saturating_duration_since(self.begun);
        let text = text(self.work, items, part, took);
        match (self.form, part.scaled(BAR)) {
            (Form::Bar, Some(full)) => draw(&format!("{} {text}", bar(full))),
            (Form::Bar, None) => draw(&text),
            (Form::Lines(_) | Form::Silent, _) => tell(&text),
        }
    }

    /// Facts before this position are done, of about so many: the log counts them.
    pub(super) fn facts(&mut self, next: Position, whole: u64) {
        self.at(next.number(), Part::of(next.number(), whole));
    }

    /// As [`Progress::facts`] after each fact, where a look at the clock for each would be felt.
    pub(super) fn each_fact(&mut self, done: Position, whole: u64) {
        let next = done.number().saturating_add(1);
        if next == whole || next.is_multiple_of(FACTS_A_LOOK) {
            self.facts(Position::new(next), whole);
        }
    }

    /// What a library says of its stages.
    pub(super) fn step(&mut self, step: Step) {
        let Step { stage, done, whole } = step;
        if self.work.name != stage {
            self.stage(stage, self.work.unit);
        }
        self.at(done, Part::of(done, whole));
    }

    /// Takes the bar away before something else is said.
    pub(super) fn clear(&mut self) {
        if self.form == Form::Bar && std::mem::take(&mut self.is_shown) {
            draw("");
        }
    }

    /// The end of a stage: the bar goes, and a log that saw it move is told what it came to.
    pub(super) fn end(&mut self) {
        self.clear();
        if std::mem::take(&mut self.is_shown) {
            let (Work { name, unit, .. }, items) = (self.work, self.items);
            let took = self.begun.elapsed();
            let (seconds, rate) = (shown_seconds(took), rate(items, took));
            tell(&format!("{name}   {items} {unit} in {seconds}   {rate}/s"));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

fn form(args: ProgressArgs, json: bool, is_terminal: bool) -> Form {
    let asked = args.progress_every.map(|seconds| Duration::from_secs(seconds.into()));
    match (args.quiet, is_terminal, asked) {
        (true, _, _) => Form::Silent,
        (false, true, _) => Form::Bar,
        (false, false, Some(every)) => Form::Lines(every),
        // A program reads: a log of what it would have to filter helps nobody.
        (false, false, None) if json => Form::Silent,
        (false, false, None) => Form::Lines(LINES_EVERY),
    }
}

/// What both forms say: items, part, rate, time left.
fn text(work: Work, items: u64, part: Part, took: Duration) -> String {
    let Work { name, unit, .. } = work;
    let percent = part.scaled(100).map(|percent| format!("   {percent} %")).unwrap_or_default();
    let left = left(part, took).map(|left| format!("   {} left", shown_seconds(left)));
    let (rate, left) = (rate(items, took), left.unwrap_or_default());
    format!("{name}   {items} {unit}{percent}   {rate}/s{left}")
}

/// By the rate so far.
fn left(part: Part, took: Duration) -> Option<Duration> {
    let rest = part.whole.checked_sub(part.done).filter(|rest| *rest > 0)?;
    let rest = u128::from(rest);
    let nanos = took.as_nanos().saturating_mul(rest).checked_div(u128::from(part.done))?;
    Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
}

fn rate(items: u64, took: Duration) -> u128 {
    u128::from(items).saturating_mul(1_000_000_000) / took.as_nanos().max(1)
}

fn shown_seconds(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

fn bar(full: u64) -> String {
    let part = |of: u64, with: &str| with.repeat(usize::try_from(of).unwrap_or(0));
    format!("[{}{}]", part(full, "="), part(BAR.saturating_sub(full), " "))
}

/// Puts a text in place of the last line of the terminal.
fn draw(text: &str) {
    let mut out = std::io::stderr().lock();
    let _gone = write!(out, "\r{text}\u{1b}[K").and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORK: Work = Work { name: "fold", unit: "facts", json: false };

    #[test]
    fn items_part_rate_and_time_left_are_told() {
        let said = |items, part, seconds| text(WORK, items, part, Duration::from_secs(seconds));
        assert_eq!(
            said(500, Part::of(500, 2000), 10),
            "fold   500 facts   25 %   50/s   30 s left"
        );
        assert_eq!(said(500, Part::default(), 10), "fold   500 facts   50/s");
        assert_eq!(said(0, Part::of(0, 9), 0), "fold   0 facts   0 %   0/s");
        // A log that lags behind its journal is no more than all of it.
        assert_eq!(said(12, Part::of(12, 9), 1), "fold   12 facts   100 %   12/s");
        assert_eq!(said(1, Part::of(1, 100), 2), "fold   1 facts   1 %   0/s   3 min 18 s left");
        assert_eq!(bar(24).len(), bar(0).len());
    }

    #[test]
    fn a_program_is_told_only_when_it_asks() {
        let (usual, quiet) =
            (ProgressArgs::default(), ProgressArgs { quiet: true, ..ProgressArgs::default() });
        let each = ProgressArgs { quiet: false, progress_every: Some(0) };
        let silent = Form::Silent;
        for (args, json, is_terminal, expected) in [
            (usual, false, true, Form::Bar),
            (usual, true, true, Form::Bar),
            (usual, false, false, Form::Lines(LINES_EVERY)),
            (usual, true, false, silent),
            (quiet, false, true, silent),
            (quiet, false, false, silent),
            (each, true, false, Form::Lines(Duration::ZERO)),
        ] {
            assert_eq!(form(args, json, is_terminal), expected, "{args:?} {json} {is_terminal}");
        }
    }
}
