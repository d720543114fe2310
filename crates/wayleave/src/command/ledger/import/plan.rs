//! What a row asks for.

use std::collections::BTreeMap;

use anyhow::{Context, anyhow, bail, ensure};
use clap::ValueEnum;
use ledger::{
    Ask, Ceiling, Command, Datum, Detail, Draft, Floor, Line, Link, Marks, Opening, Owner, Part,
    Placement, Reason, Rest, Side, Tags, Term, Value, VoidGround,
};
use ledger_server::{PersonalKeys, Query, Said};
use terms::{AccountId, AssetCode, BusinessDate, HoldId, TransactionId};
use wire::Rule;

use super::super::beside::{link, sealed};
use super::super::ids::{Given, Id};
use super::super::money::parse;
use super::super::post::{ask, posting};
use super::super::rows::{NOTE, PERSONAL, Row, instant};
use super::super::said::Report;
use super::super::session::Session;
use crate::cli::ledger::{FreezeArg, PurposeArg, SideArg};

/// What a row asks for, and what it is called.
pub(super) struct Planned {
    pub(super) line: u64,
    /// `transaction`, `account` or `hold`.
    pub(super) kind: &'static str,
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) command: Command,
}

/// Read, or certain to be refused; an error is a row that cannot be read.
type Read<T> = anyhow::Result<Result<T, Report>>;

macro_rules! known {
    ($read:expr) => {
        match $read? {
            Ok(known) => known,
            Err(report) => return Ok(Err(report)),
        }
    };
}

/// Reads rows, and knows the assets of the accounts that they name.
pub(super) struct Planner {
    /// Of accounts that the book has: for ever.
    known: BTreeMap<AccountId, AssetCode>,
    /// Of accounts that the book has not, as the file opens them.
    opened: BTreeMap<AccountId, AssetCode>,
    /// Accounts that the file opens in another asset, and why no row that names one is sent.
    opposed: BTreeMap<AccountId, String>,
    keys: PersonalKeys,
}

fn given<I: Id>(row: &Row, name: &str) -> anyhow::Result<Given<I>> {
    row.read(name, |text| text.parse::<Given<I>>())
}

fn word<T: ValueEnum>(row: &Row, name: &str, absent: T) -> anyhow::Result<T> {
    Ok(row.read_optional(name, |text| T::from_str(text, false))?.unwrap_or(absent))
}

fn date(row: &Row) -> anyhow::Result<BusinessDate> {
    row.read("business_date", str::parse::<BusinessDate>)
}

fn code(row: &Row) -> anyhow::Result<Option<u16>> {
    row.read_optional("code", str::parse)
}

fn links(row: &Row) -> anyhow::Result<Vec<Link>> {
    let read = |text: &str| text.split_whitespace().map(link).collect::<anyhow::Result<_>>();
    Ok(row.read_optional("links", read)?.unwrap_or_default())
}

fn part(row: &Row) -> anyhow::Result<Option<Part>> {
    let rest = row.read_optional("rest", |text| match text {
        "released" => Ok(Rest::Released),
        "kept" => Ok(Rest::Kept),
        other => Err(anyhow!("expected `released` or `kept`, got `{other}`")),
    })?;
    let hold = row.optional("hold").map(|_| given::<HoldId>(row, "hold")).transpose()?;
    ensure!(rest.is_none() || hold.is_some(), "field `rest` stands without `hold`");
    Ok(hold.map(|hold| Part { hold: hold.id, rest: rest.unwrap_or(Rest::Released) }))
}

impl Planner {
    /// That seals under these keys.
    pub(super) const fn new(keys: PersonalKeys) -> Self {
        Self { known: BTreeMap::new(), opened: BTreeMap::new(), opposed: BTreeMap::new(), keys }
    }

    /// A row by itself.
    pub(super) fn plan(&mut self, session: &mut Session, row: &Row) -> Read<Planned> {
        match row.optional("kind").unwrap_or("transfer") {
            "transfer" => self.transfer(session, row),
            "transaction" => {
                ensure!(!row.entries.is_empty(), "expected `entries`, got none");
                self.transaction(session, row, &row.entries)
            }
            "account" => self.account(session, row),
            "hold" => self.hold(session, row),
            "pin" => of_hold(row, |hold| Command::PinHold { hold }).map(Ok),
            "void" => {
                let ground = VoidGround::Cancelled;
                of_hold(row, |hold| Command::VoidHold { hold, ground }).map(Ok)
            }
            "freeze" => {
                let freeze = word(row, "freeze", FreezeArg::Both)?.into();
                of_account(row, |account| Command::SetFreeze { account, freeze }).map(Ok)
            }
            "close" => of_account(row, |account| Command::CloseAccount { account }).map(Ok),
            other => bail!(
                "field `kind`: expected `transfer`, `entry`, `transaction`, `account`, `hold`, \
                 `pin`, `void`, `freeze` or `close`, got `{other}`"
            ),
        }
    }

    /// The asset of an account in the book. That there is none is asked anew each time, because
    /// the file may open it.
    fn in_book(
        &mut self,
        session: &mut Session,
        id: AccountId,
    ) -> anyhow::Result<Option<AssetCode>> {
        if let Some(asset) = self.known.get(&id) {
            return Ok(Some(*asset));
        }
        let asset = match session.ask(&Query::AccountWhole(id))?.said {
            Said::AccountWhole(account) => account.opening().asset,
            Said::NoAccount(_) => return Ok(None),
            _ => bail!("the book answers another question"),
        };
        self.known.insert(id, asset);
        Ok(Some(asset))
    }

    /// The asset of an account: of the book, and only where it has none, of this file.
    fn asset(&mut self, session: &mut Session, of: &Given<AccountId>) -> Read<AssetCode> {
        session.names.learn(of);
        if let Some(why) = self.opposed.get(&of.id) {
            return Ok(Err(Report::refused(Rule::IdUsedWithOtherContent, why.clone())));
        }
        if let Some(asset) = self.opened.get(&of.id) {
            return Ok(Ok(*asset));
        }
        Ok(match self.in_book(session, of.id)? {
            Some(asset) => Ok(asset),
            None => {
                Err(Report::refused(Rule::UnknownAccount, format!("there is no account `{of}`")))
            }
        })
    }

    /// That a row opens an account in this asset: the book has none, or has it so.
    fn opens(&mut self, session: &mut Session, row: &Row, asset: AssetCode) -> Read<()> {
        let of = given::<AccountId>(row, "id")?;
        session.names.learn(&of);
        let before = match self.opened.get(&of.id) {
            Some(opened) => Some(*opened),
            None => self.in_book(session, of.id)?,
        };
        if let Some(before) = before.filter(|before| *before != asset) {
            let line = row.line;
            let why = format!("account `{of}` is in `{before}`, and in `{asset}` on line {line}");
            self.opposed.insert(of.id, why.clone());
            return Ok(Err(Report::refused(Rule::IdUsedWithOtherContent, why)));
        }
        self.opened.insert(of.id, asset);
        Ok(Ok(()))
    }

    fn transfer(&mut self, session: &mut Session, row: &Row) -> Read<Planned> {
        let (from, to) = (given::<AccountId>(row, "from")?, given::<AccountId>(row, "to")?);
        ensure!(from.id != to.id, "`from` and `to` are one account");
        let asset = known!(self.asset(session, &from));
        known!(self.asset(session, &to));
        let ask = row.read("amount", |text| ask(text, asset))?;
        let other = if matches!(ask, Ask::Exact(_)) { ask } else { Ask::Remainder };
        let lines = vec![
            Line { account: from.id, side: Side::Debit, ask, part: part(row)? },
            Line { account: to.id, side: Side::Credit, ask: other, part: None },
        ];
        posted(&self.keys, row, lines).map(Ok)
    }

    /// Entries that stand or fall together: rows of their own, or within one.
    pub(super) fn transaction(
        &mut self,
        session: &mut Session,
        head: &Row,
        entries: &[Row],
    ) -> Read<Planned> {
        let mut lines = Vec::with_capacity(entries.len());
        for row in entries {
            if let Some(field) = row.differs(head) {
                let (line, first) = (row.line, head.line);
                bail!("entry on line {line}: field `{field}` is another than on line {first}");
            }
            let account = given::<AccountId>(row, "account")?;
            let asset = known!(self.asset(session, &account));
            row.field("side")?;
            let line = || -> anyhow::Result<Line> {
                Ok(Line {
                    account: account.id,
                    side: word(row, "side", SideArg::Debit)?.into(),
                    ask: row.read("amount", |text| ask(text, asset))?,
                    part: part(row)?,
                })
            };
            lines.push(line().with_context(|| format!("entry on line {}", row.line))?);
        }
        posted(&self.keys, head, lines).map(Ok)
    }

    fn account(&mut self, session: &mut Session, row: &Row) -> Read<Planned> {
        let given = given::<AccountId>(row, "id")?;
        let asset = row.read("asset", str::parse::<AssetCode>)?;
        let floor = row.read_optional("overdraft", |text| match text {
            "unlimited" => Ok(Floor::Unlimited),
            text => parse(text, asset).map(|amount| match amount {
                amount if amount.is_zero() => Floor::MayNotGoBelowZero,
                amount => Floor::Overdraft(amount),
            }),
        })?;
        let ceiling = row.read_optional("ceiling", |text| parse(text, asset))?;
        let owner = row.optional("owner").unwrap_or(session.folder.book().as_str()).to_owned();
        let owner = if owner.contains(':') {
            Owner::Company(owner.parse().context("field `owner`")?)
        } else {
            Owner::Institution(owner.parse().context("field `owner`")?)
        };
        let tags = row.read_optional("tags", |text| {
            let tags: Result<Vec<_>, _> = text.split_whitespace().map(str::parse).collect();
            Tags::of(tags?)
        })?;
        let marks = Marks { code: code(row)?, tags: tags.unwrap_or(Tags::NONE) }.if_any();
        let command = Command::OpenAccount(Opening {
            id: given.id,
            asset,
            normal: word(row, "normal", SideArg::Credit)?.into(),
            owner,
            purpose: word(row, "purpose", PurposeArg::Customer)?.into(),
            floor: floor.unwrap_or(Floor::MayNotGoBelowZero),
            ceiling: ceiling.map_or(Ceiling::Unlimited, Ceiling::At),
            marks,
        });
        known!(self.opens(session, row, asset));
        Ok(Ok(planned(row, "account", &given, command)))
    }

    fn hold(&mut self, session: &mut Session, row: &Row) -> Read<Planned> {
        let (id, on) = (given::<HoldId>(row, "id")?, given::<AccountId>(row, "account")?);
        let asset = known!(self.asset(session, &on));
        let expires = row.read_optional("expires", instant)?;
        let command = Command::PlaceHold(Placement {
            id: id.id,
            account: on.id,
            side: word(row, "side", SideArg::Debit)?.into(),
            amount: row.read("amount", |text| parse(text, asset))?,
            term: expires.map_or(Term::Pinned, |at| Term::Expiring { at }),
            business_date: date(row)?,
            limits: Vec::new(),
            links: links(row)?,
        });
        Ok(Ok(planned(row, "hold", &id, command)))
    }
}

fn planned<I: Id>(row: &Row, kind: &'static str, of: &Given<I>, command: Command) -> Planned {
    Planned { line: row.line, kind, id: of.id.to_string(), name: of.name.clone(), command }
}

fn of_hold(row: &Row, command: impl FnOnce(HoldId) -> Command) -> anyhow::Result<Planned> {
    let hold = given::<HoldId>(row, "hold")?;
    Ok(planned(row, "hold", &hold, command(hold.id)))
}

fn of_account(row: &Row, command: impl FnOnce(AccountId) -> Command) -> anyhow::Result<Planned> {
    let account = given::<AccountId>(row, "account")?;
    Ok(planned(row, "account", &account, command(account.id)))
}

fn posted(keys: &PersonalKeys, row: &Row, lines: Vec<Line>) -> anyhow::Result<Planned> {
    let id = given::<TransactionId>(row, "id")?;
    let reason = row.read_optional("reason", |text| {
        Reason::named(text).ok_or_else(|| anyhow!("there is no reason `{text}`"))
    })?;
    let mut metadata = Vec::new();
    for (key, text) in row.beginning(NOTE) {
        let key = key.parse().with_context(|| format!("field `{NOTE}{key}`"))?;
        metadata.push(Datum { key, value: Value::Text(text.to_owned()) });
    }
    for (key, text) in row.beginning(PERSONAL) {
        let slot = row.read("key_slot", str::parse::<u32>)?;
        let value = sealed(keys, slot, id.id, key, text)?;
        metadata.push(Datum { key: key.parse()?, value });
    }
    let detail =
        Detail { effective: row.read_optional("effective", instant)?, code: code(row)?, metadata };
    let command = posting(Draft {
        id: id.id,
        business_date: date(row)?,
        reason: reason.unwrap_or(ledger::Reason::Payment),
        lines,
        claims: Vec::new(),
        links: links(row)?,
        detail: (detail != Detail::default()).then(|| Box::new(detail)),
    });
    Ok(planned(row, "transaction", &id, command))
}
