//! What clients send, and the commands that it becomes.

use core::fmt;
use core::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use ledger::{
    Ask, Ceiling, Command, Entry, Floor, Opening, Owner, Part, Placement, Reason, Rest, Side, Term,
    Transaction, VoidGround,
};
use ledger::{NotDone, NotDoneSource};
use seal::text::from_hex_array;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use smallvec::SmallVec;
use terms::{AccountId, AssetCode, BusinessDate, HoldId, Instant, Minor, TransactionId};

use super::amounts::{Assets, parse};
use super::more::{ClaimForm, DatumForm, LimitForm, LinkForm, More, MoreForm, each, links, marks};
use super::problem::{BAD_JSON, Problem, REFUSED};
use super::reply::{FREEZES, PURPOSES};
use super::{App, Options};
use crate::personal::PersonalKeys;

/// Most transactions of one bulk.
pub(super) const BULK_MAX: usize = 1_000;

/// Reads a form: one JSON value, no member twice, none that the form has not. Forms are flat, so
/// what is nested deeper is refused at its first bracket.
pub(super) fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Problem> {
    serde_json::from_slice(body).map(|Members(form)| form).map_err(|error| {
        let mend = "correct the body at that place; amounts and ids are strings";
        Problem::of(&BAD_JSON).detail(error.to_string()).mend(mend)
    })
}

/// A form as an object: by itself a form would also be read from a list of its members' values.
pub(super) struct Members<T>(pub(super) T);

impl<'d, T: Deserialize<'d>> Deserialize<'d> for Members<T> {
    fn deserialize<D: Deserializer<'d>>(from: D) -> Result<Self, D::Error> {
        struct Object<T>(PhantomData<T>);

        impl<'d, T: Deserialize<'d>> Visitor<'d> for Object<T> {
            type Value = Members<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'d>>(self, members: A) -> Result<Members<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members)).map(Members)
            }
        }

        from.deserialize_map(Object(PhantomData))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TransactionForm {
    id: String,
    business_date: String,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    entries: Option<Vec<Members<EntryForm>>>,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    to: Option<String>,
    #[serde(default)]
    amount: Option<String>,
    #[serde(default)]
    asset: Option<String>,
    #[serde(default)]
    payment: Option<String>,
    #[serde(default)]
    effective: Option<String>,
    #[serde(default)]
    code: Option<u16>,
    #[serde(default)]
    metadata: Option<Vec<Members<DatumForm>>>,
    #[serde(default)]
    links: Option<Vec<Members<LinkForm>>>,
    #[serde(default)]
    claims: Option<Vec<Members<ClaimForm>>>,
}

/// One line, of `amount`, or of one member that lets the ledger find the amount.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EntryForm {
    account: String,
    side: String,
    #[serde(default)]
    amount: Option<String>,
    #[serde(default)]
    up_to: Option<String>,
    #[serde(default)]
    everything: Option<bool>,
    #[serde(default)]
    share: Option<u32>,
    #[serde(default)]
    remainder: Option<bool>,
    #[serde(default)]
    asset: Option<String>,
    #[serde(default)]
    hold: Option<String>,
    #[serde(default)]
    rest: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BulkForm {
    pub(super) transactions: Vec<Members<TransactionForm>>,
}

/// A transaction that posts a hold: the short form, and which of its two accounts holds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HoldPostForm {
    id: String,
    business_date: String,
    #[serde(default)]
    reason: Option<String>,
    from: String,
    to: String,
    amount: String,
    #[serde(default)]
    asset: Option<String>,
    #[serde(default)]
    payment: Option<String>,
    #[serde(default)]
    held: Option<String>,
    #[serde(default)]
    rest: Option<String>,
    #[serde(default)]
    effective: Option<String>,
    #[serde(default)]
    code: Option<u16>,
    #[serde(default)]
    metadata: Option<Vec<Members<DatumForm>>>,
    #[serde(default)]
    links: Option<Vec<Members<LinkForm>>>,
    #[serde(default)]
    claims: Option<Vec<Members<ClaimForm>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HoldForm {
    id: String,
    account: String,
    side: String,
    amount: String,
    business_date: String,
    /// RFC 3339 in UTC; without one it is pinned.
    #[serde(default)]
    expires_at: Option<String>,
    #[serde(default)]
    asset: Option<String>,
    #[serde(default)]
    payment: Option<String>,
    #[serde(default)]
    links: Option<Vec<Members<LinkForm>>>,
    #[serde(default)]
    limits: Option<Vec<Members<LimitForm>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VoidForm {
    ground: String,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    document: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountForm {
    id: String,
    asset: String,
    normal: String,
    owner: OwnerForm,
    purpose: String,
    #[serde(default)]
    floor: Option<String>,
    #[serde(default)]
    ceiling: Option<String>,
    #[serde(default)]
    code: Option<u16>,
    #[serde(default)]
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BlockForm {
    amount: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(super) enum OwnerForm {
    Company(String),
    Institution(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsForm {
    floor: String,
    ceiling: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FreezeForm {
    freeze: String,
}

/// A transaction whose amounts are still text: the assets of its accounts scale them.
#[derive(Debug)]
pub(super) struct Draft {
    id: TransactionId,
    business_date: BusinessDate,
    reason: Reason,
    lines: SmallVec<[Line; 2]>,
    more: More,
}

#[derive(Debug)]
struct Line {
    account: AccountId,
    side: Side,
    ask: AskText,
    asset: Option<AssetCode>,
    hold: Option<HoldId>,
    rest: Rest,
    /// Whether it came in the short form, so that its members have other names.
    short: bool,
}

/// How much, as far as it can be read without the account's asset.
#[derive(Debug)]
enum AskText {
    Exact(String),
    UpTo(String),
    Everything,
    Share(u32),
    Remainder,
}

impl TransactionForm {
    pub(super) fn draft(self) -> Result<Draft, Problem> {
        let asset = self.asset.as_deref().map(asset).transpose()?;
        let lines = match (self.entries, self.from, self.to, self.amount) {
            (Some(entries), None, None, None) => {
                if asset.is_some() {
                    return Err(Problem::field("asset", "`asset` in each entry", "beside them"));
                }
                let line = |(place, Members(entry)): (usize, Members<EntryForm>)| {
                    entry.line().map_err(|problem| problem.within(&format!("entries.{place}")))
                };
                entries.into_iter().enumerate().map(line).collect::<Result<_, _>>()?
            }
            (None, Some(from), Some(to), Some(amount)) => {
                two_lines(&from, &to, amount, asset, None)?
            }
            _ => {
                let expected = "either `entries`, or `from`, `to` and `amount`";
                return Err(Problem::field("entries", expected, "neither or both"));
            }
        };
        Ok(Draft {
            id: TransactionId::from_bytes(id("id", &self.id, TransactionId::PREFIX)?),
            business_date: date(&self.business_date)?,
            reason: reason(self.reason.as_deref())?,
            lines,
            more: MoreForm {
                payment: self.payment,
                effective: self.effective,
                code: self.code,
                metadata: self.metadata,
                links: self.links,
                claims: self.claims,
            }
            .read()?,
        })
    }
}

impl HoldPostForm {
    pub(super) fn draft(self, hold: HoldId) -> Result<Draft, Problem> {
        let side = match self.held.as_deref() {
            None | Some("from") => Side::Debit,
            Some("to") => Side::Credit,
            Some(other) => return Err(Problem::field("held", "`from` or `to`", other)),
        };
        let asset = self.asset.as_deref().map(asset).transpose()?;
        let held = Some((hold, side, rest(self.rest.as_deref())?));
        Ok(Draft {
            id: TransactionId::from_bytes(id("id", &self.id, TransactionId::PREFIX)?),
            business_date: date(&self.business_date)?,
            reason: reason(self.reason.as_deref())?,
            lines: two_lines(&self.from, &self.to, self.amount, asset, held)?,
            more: MoreForm {
                payment: self.payment,
                effective: self.effective,
                code: self.code,
                metadata: self.metadata,
                links: self.links,
                claims: self.claims,
            }
            .read()?,
        })
    }
}

fn two_lines(
    from: &str,
    to: &str,
    amount: String,
    asset: Option<AssetCode>,
    hold: Option<(HoldId, Side, Rest)>,
) -> Result<SmallVec<[Line; 2]>, Problem> {
    let of = |side| hold.filter(|(_, held, _)| *held == side);
    let line = |account, side, amount| Line {
        account,
        side,
        ask: AskText::Exact(amount),
        asset,
        hold: of(side).map(|(hold, ..)| hold),
        rest: of(side).map_or(Rest::Released, |(.., rest)| rest),
        short: true,
    };
    let from = line(account_id("from", from)?, Side::Debit, amount.clone());
    let to = line(account_id("to", to)?, Side::Credit, amount);
    Ok([from, to].into())
}

fn rest(text: Option<&str>) -> Result<Rest, Problem> {
    match text {
        None | Some("released") => Ok(Rest::Released),
        Some("kept") => Ok(Rest::Kept),
        Some(other) => Err(Problem::field("rest", "`released` or `kept`", other)),
    }
}

impl EntryForm {
    fn line(self) -> Result<Line, Problem> {
        let asks = [
            self.amount.map(AskText::Exact),
            self.up_to.map(AskText::UpTo),
            self.everything.filter(|is| *is).map(|_| AskText::Everything),
            self.share.map(AskText::Share),
            self.remainder.filter(|is| *is).map(|_| AskText::Remainder),
        ];
        let mut asks = asks.into_iter().flatten();
        let (Some(ask), None) = (asks.next(), asks.next()) else {
            let expected = "one of `amount`, `up_to`, `everything`, `share`, `remainder`";
            return Err(Problem::field("amount", expected, "none or several"));
        };
        if self.rest.is_some() && self.hold.is_none() {
            return Err(Problem::field("rest", "a `hold` beside it", "none"));
        }
        Ok(Line {
            account: account_id("account", &self.account)?,
            side: side("side", &self.side)?,
            ask,
            asset: self.asset.as_deref().map(asset).transpose()?,
            hold: self.hold.as_deref().map(|text| hold_id("hold", text)).transpose()?,
            rest: rest(self.rest.as_deref())?,
            short: false,
        })
    }
}

impl Line {
    /// What it asks for, once its account's asset is known.
    fn ask(&self, assets: &Assets) -> Result<Ask, Problem> {
        let read = |name, text| scaled_as(assets, self.account, self.asset, (name, text));
        Ok(match &self.ask {
            AskText::Exact(text) => Ask::Exact(read("amount", text)?),
            AskText::UpTo(text) => Ask::UpTo(read("up_to", text)?),
            AskText::Everything => Ask::Everything,
            AskText::Share(weight) => Ask::Share { weight: *weight },
            AskText::Remainder => Ask::Remainder,
        })
    }
}

impl Draft {
    pub(super) fn accounts(&self) -> impl Iterator<Item = AccountId> + '_ {
        self.lines.iter().map(|line| line.account)
    }

    /// The holds that it posts, with the accounts of their entries.
    pub(super) fn holds(&self) -> Vec<(HoldId, AccountId)> {
        self.lines.iter().filter_map(|line| Some((line.hold?, line.account))).collect()
    }

    /// [`Draft::command`] of one.
    pub(super) async fn commanded(
        self,
        app: &Arc<App>,
        options: Options,
    ) -> Result<Command, Problem> {
        let mut commands = commands(app, vec![self], options).await?;
        commands.pop().unwrap_or_else(|| Err(Problem::unknown()))
    }

    /// The command, once the assets of its accounts are known: a transaction where every amount
    /// is exact, else a draft.
    fn command(self, assets: &Assets, personal: &PersonalKeys) -> Result<Command, Problem> {
        let mut lines = SmallVec::<[(&Line, Ask); 2]>::with_capacity(self.lines.len());
        for (place, line) in self.lines.iter().enumerate() {
            let ask = line
                .ask(assets)
                .map_err(|p| if line.short { p } else { p.within(&format!("entries.{place}")) })?;
            lines.push((line, ask));
        }
        let (id, business_date, reason) = (self.id, self.business_date, self.reason);
        let (claims, links, detail) = self.more.parts(id, personal)?;
        let exact = |(line, ask): &(&Line, Ask)| match (ask, line.rest) {
            (Ask::Exact(amount), Rest::Released) => {
                let (account, side, hold) = (line.account, line.side, line.hold);
                Some(Entry { account, side, amount: *amount, hold })
            }
            _ => None,
        };
        if let Some(entries) = lines.iter().map(exact).collect() {
            let transaction =
                Transaction { id, business_date, reason, entries, claims, links, detail };
            return Ok(Command::Post(transaction));
        }
        let line = |(line, ask): (&Line, Ask)| ledger::Line {
            account: line.account,
            side: line.side,
            ask,
            part: line.hold.map(|hold| Part { hold, rest: line.rest }),
        };
        let lines = lines.into_iter().map(line).collect();
        let draft = ledger::Draft { id, business_date, reason, lines, claims, links, detail };
        Ok(Command::PostDraft(draft))
    }
}

/// The commands of drafts, or what is wrong with each. What is about persons is sealed on a thread
/// that may wait for the disk: those that serve all clients do not.
pub(super) async fn commands(
    app: &Arc<App>,
    drafts: Vec<Draft>,
    options: Options,
) -> Result<Vec<Result<Command, Problem>>, Problem> {
    let read = |app: &App, keys: &PersonalKeys, drafts: Vec<Draft>| {
        drafts.into_iter().map(|draft| draft.command(&app.assets, keys)).collect()
    };
    if !drafts.iter().any(|draft| draft.more.is_personal()) {
        return Ok(read(app, &app.interface.personal, drafts));
    }
    let mut keys = app.interface.personal.clone();
    if options.dry_run {
        keys = keys.without_making();
    }
    let app = Arc::clone(app);
    let sealed = tokio::task::spawn_blocking(move || read(&app, &keys, drafts)).await;
    sealed.map_err(|error| Problem::not_done(error.to_string()))
}

/// Minor units of an amount on an account. An account that is not there scales nothing.
pub(super) fn scaled(
    assets: &Assets,
    account: AccountId,
    stated: Option<AssetCode>,
    text: &str,
) -> Result<Minor, Problem> {
    scaled_as(assets, account, stated, ("amount", text))
}

/// [`scaled`], of a member of another name.
fn scaled_as(
    assets: &Assets,
    account: AccountId,
    stated: Option<AssetCode>,
    (name, text): (&str, &str),
) -> Result<Minor, Problem> {
    let Some(asset) = assets.of(account) else { return Err(no_account(account)) };
    if let Some(stated) = stated.filter(|stated| *stated != asset) {
        return Err(Problem::field("asset", asset.as_str(), stated.as_str()));
    }
    amount_of(name, text, asset)
}

/// The book said so to a read; no id is used up by it.
pub(super) fn no_account(account: AccountId) -> Problem {
    Problem::of(&REFUSED)
        .rule("unknown_account", false)
        .detail(format!("there is no account `{account}`"))
        .expected("an account of this book")
        .got(account.to_string())
        .repeated(false)
}

pub(super) fn amount_of(field: &str, text: &str, asset: AssetCode) -> Result<Minor, Problem> {
    let exponent = asset.exponent();
    parse(text, exponent).ok_or_else(|| {
        let expected = format!("a decimal of {asset}, at most {exponent} digits after the point");
        Problem::field(field, &expected, text)
    })
}

impl HoldForm {
    pub(super) fn account(&self) -> Result<AccountId, Problem> {
        account_id("account", &self.account)
    }

    pub(super) fn command(&self, assets: &Assets) -> Result<Command, Problem> {
        let account = self.account()?;
        let stated = self.asset.as_deref().map(asset).transpose()?;
        let term = match self.expires_at.as_deref() {
            Some(text) => Term::Expiring { at: instant("expires_at", text)? },
            None => Term::Pinned,
        };
        Ok(Command::PlaceHold(Placement {
            id: hold_id("id", &self.id)?,
            account,
            side: side("side", &self.side)?,
            amount: scaled(assets, account, stated, &self.amount)?,
            term,
            business_date: date(&self.business_date)?,
            limits: each("limits", self.limits.as_deref(), LimitForm::limit)?,
            links: links(self.payment.as_deref(), self.links.as_deref())?,
        }))
    }
}

impl VoidForm {
    pub(super) fn command(&self, hold: HoldId) -> Result<Command, Problem> {
        let ground = match (self.ground.as_str(), &self.source, &self.document) {
            ("cancelled", None, None) => VoidGround::Cancelled,
            ("not_done", Some(source), Some(document)) => {
                let source = match source.as_str() {
                    "rail_refused" => NotDoneSource::RailRefused,
                    "never_sent" => NotDoneSource::NeverSent,
                    "two_persons" => NotDoneSource::TwoPersons,
                    "one_person" => NotDoneSource::OnePerson,
                    other => {
                        let expected =
                            "`rail_refused`, `never_sent`, `two_persons` or `one_person`";
                        return Err(Problem::field("source", expected, other));
                    }
                };
                let digest = document.parse();
                let document = digest.map_err(|_| {
                    Problem::field("document", "a digest: 64 lower-case hex digits", document)
                })?;
                VoidGround::NotDone(NotDone { source, document })
            }
            (got, ..) => {
                let expected = "`cancelled`, or `not_done` with `source` and `document`";
                return Err(Problem::field("ground", expected, got));
            }
        };
        Ok(Command::VoidHold { hold, ground })
    }
}

impl AccountForm {
    pub(super) fn command(&self) -> Result<Command, Problem> {
        let asset = asset(&self.asset)?;
        let bad = |error: terms::name::NameError| Problem::field("owner", error.what, &error.got);
        let owner = match &self.owner {
            OwnerForm::Company(text) => Owner::Company(text.parse().map_err(bad)?),
            OwnerForm::Institution(text) => Owner::Institution(text.parse().map_err(bad)?),
        };
        Ok(Command::OpenAccount(Opening {
            id: account_id("id", &self.id)?,
            asset,
            normal: side("normal", &self.normal)?,
            owner,
            purpose: one_of("purpose", &PURPOSES, &self.purpose)?,
            floor: floor(self.floor.as_deref().unwrap_or("0"), asset)?,
            ceiling: ceiling(self.ceiling.as_deref().unwrap_or("unlimited"), asset)?,
            marks: marks(self.code, self.tags.as_deref())?,
        }))
    }
}

impl BlockForm {
    pub(super) fn command(&self, account: AccountId, assets: &Assets) -> Result<Command, Problem> {
        let amount = scaled(assets, account, None, &self.amount)?;
        Ok(Command::SetBlocked { account, amount })
    }
}

impl LimitsForm {
    pub(super) fn command(&self, account: AccountId, assets: &Assets) -> Result<Command, Problem> {
        let asset = assets.of(account).ok_or_else(|| no_account(account))?;
        let (floor, ceiling) = (floor(&self.floor, asset)?, ceiling(&self.ceiling, asset)?);
        Ok(Command::SetLimits { account, floor, ceiling })
    }
}

impl FreezeForm {
    pub(super) fn command(&self, account: AccountId) -> Result<Command, Problem> {
        let freeze = one_of("freeze", &FREEZES, &self.freeze)?;
        Ok(Command::SetFreeze { account, freeze })
    }
}

fn floor(text: &str, asset: AssetCode) -> Result<Floor, Problem> {
    if text == "unlimited" {
        return Ok(Floor::Unlimited);
    }
    let bad = || {
        let expected = format!("`unlimited`, `0` or `-` and a decimal of {asset} above 0");
        Problem::field("floor", &expected, text)
    };
    match text.strip_prefix('-') {
        Some(overdraft) => parse(overdraft, asset.exponent())
            .filter(|amount| !amount.is_zero())
            .map(Floor::Overdraft)
            .ok_or_else(bad),
        None => parse(text, asset.exponent())
            .filter(|amount| amount.is_zero())
            .map(|_| Floor::MayNotGoBelowZero)
            .ok_or_else(bad),
    }
}

fn ceiling(text: &str, asset: AssetCode) -> Result<Ceiling, Problem> {
    if text == "unlimited" {
        return Ok(Ceiling::Unlimited);
    }
    amount_of("ceiling", text, asset).map(Ceiling::At)
}

pub(super) fn one_of<T: Copy>(field: &str, list: &[(&str, T)], text: &str) -> Result<T, Problem> {
    let found = list.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let words: Vec<&str> = list.iter().map(|(word, _)| *word).collect();
        Problem::field(field, &format!("one of `{}`", words.join("`, `")), text)
    })
}

fn reason(text: Option<&str>) -> Result<Reason, Problem> {
    let all = Reason::ALL.map(|reason| (reason.name(), reason));
    text.map_or(Ok(Reason::Payment), |text| one_of("reason", &all, text))
}

fn side(field: &str, text: &str) -> Result<Side, Problem> {
    one_of(field, &Side::ALL.map(|side| (side.name(), side)), text)
}

pub(super) fn asset(text: &str) -> Result<AssetCode, Problem> {
    text.parse()
        .map_err(|error: terms::name::NameError| Problem::field("asset", error.what, &error.got))
}

/// Sixteen bytes in hex, with or without the prefix of their kind.
pub(super) fn id(field: &str, text: &str, prefix: &str) -> Result<[u8; 16], Problem> {
    from_hex_array(text.strip_prefix(prefix).unwrap_or(text)).ok_or_else(|| {
        let expected = format!("32 lower-case hex digits, `{prefix}` before them or not");
        Problem::field(field, &expected, text)
    })
}

pub(super) fn account_id(field: &str, text: &str) -> Result<AccountId, Problem> {
    id(field, text, AccountId::PREFIX).map(AccountId::from_bytes)
}

pub(super) fn hold_id(field: &str, text: &str) -> Result<HoldId, Problem> {
    id(field, text, HoldId::PREFIX).map(HoldId::from_bytes)
}

pub(super) fn transaction_id(field: &str, text: &str) -> Result<TransactionId, Problem> {
    id(field, text, TransactionId::PREFIX).map(TransactionId::from_bytes)
}

fn date(text: &str) -> Result<BusinessDate, Problem> {
    day(text).ok_or_else(|| Problem::field("business_date", "a day such as `2026-11-23`", text))
}

/// `YYYY-MM-DD`, computed rather than searched for as `BusinessDate::from_str` does: this is read
/// for each request.
fn day(text: &str) -> Option<BusinessDate> {
    let number = |from: usize, to: usize| -> Option<u32> {
        let part = text.get(from..to)?;
        part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let (year, month, date) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let separated = text.len() == 10 && text.get(4..5) == Some("-") && text.get(7..8) == Some("-");
    if !separated || !(1970..2500).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    // Counted from 0000-03-01, so that the leap day is the last of its year.
    let (year, shifted) = if month > 2 {
        (year, month.saturating_sub(3))
    } else {
        (year.saturating_sub(1), month.saturating_add(9))
    };
    let of_year = shifted.saturating_mul(153).saturating_add(2) / 5;
    let days = year
        .saturating_mul(365)
        .saturating_add(year / 4)
        .saturating_sub(year / 100)
        .saturating_add(year / 400)
        .saturating_add(of_year)
        .saturating_add(date)
        .checked_sub(719_469)?;
    let found = BusinessDate::from_days(days);
    // A day that does not exist comes back as another one.
    (found.civil() == (number(0, 4)?, month, date)).then_some(found)
}

/// RFC 3339 in UTC, up to nanoseconds: `2026-11-23T10:00:00Z`.
pub(super) fn instant(field: &str, text: &str) -> Result<Instant, Problem> {
    let read = || {
        let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
        let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let part = |from: usize, to: usize, most: u64| -> Option<u64> {
            let text = clock.get(from..to).filter(|text| digits(text))?;
            text.parse().ok().filter(|number| *number <= most)
        };
        let colons =
            clock.len() == 8 && clock.get(2..3) == Some(":") && clock.get(5..6) == Some(":");
        if !colons || !digits(fraction) || fraction.len() > 9 {
            return None;
        }
        let nanos: u64 = format!("{fraction:0<9}").parse().ok()?;
        let seconds = part(0, 2, 23)?
            .saturating_mul(3600)
            .saturating_add(part(3, 5, 59)?.saturating_mul(60))
            .saturating_add(part(6, 8, 59)?);
        let since = std::time::Duration::from_secs(seconds)
            .saturating_add(std::time::Duration::from_nanos(nanos));
        Some(day(date)?.start().plus(since))
    };
    read().ok_or_else(|| Problem::field(field, "an instant such as `2026-11-23T10:00:00Z`", text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_terms() {
        for days in (0..190_000).step_by(7) {
            let date = BusinessDate::from_days(days);
            assert_eq!(day(&date.to_string()), Some(date));
        }
        for text in ["2026-02-29", "2026-00-01", "2026-13-01", "2026-04-31", "1969-12-31"] {
            assert_eq!(day(text), None, "{text}");
        }
        for text in ["2026-1-01", "2026/01/01", "2026-01-01 ", "+026-01-01", "", "٢٠٢٦-01-01"] {
            assert_eq!(day(text), None, "{text}");
        }
        assert_eq!(day("2028-02-29"), "2028-02-29".parse().ok());
    }

    #[test]
    fn instants_are_read_to_the_nanosecond() {
        let at = |text| instant("at", text).ok().map(super::super::reply::moment);
        let second = "2026-11-23T10:00:00.000000000Z";
        assert_eq!(at("2026-11-23T10:00:00Z").as_deref(), Some(second));
        let nano = "2026-11-23T10:00:00.000000001Z";
        assert_eq!(at(nano).as_deref(), Some(nano));
        for text in ["2026-11-23", "2026-11-23T24:00:00Z", "2026-11-23T10:00:00+01:00"] {
            assert_eq!(at(text), None, "{text}");
        }
    }
}
