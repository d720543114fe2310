//! `wayleave bank`: an institution's acts after a payment, with the keys of one of its edges.

use core::time::Duration;
use std::process::ExitCode;

use ::wallet::verify::read_receipt;
use ::wallet::{CommandResult, EXIT_REFUSED, EXIT_UNKNOWN};
use anyhow::{Context, bail};
use api::Role;
use api::after::{AfterView, AskedBack};
use api::messages::{AccountView, OrderAnswer, QuoteRequest};
use client::{Client, Outcome, Outgoing};
use minicbor::{Decode, Encode};
use record::settlement::TERMS_FIELD;
use record::{
    BlockExtent, BlockOrder, BlockRelease, CancellationAnswer, CancellationVerdict, CaseChange,
    CaseNotice, Document, Ending, Fee, FeeTaker, GuaranteeRequest, PaymentTerms, Promise, Quote,
    RateGuarantee, ReleaseTo, ReturnAsk, ReturnConsent, ReturnOrder, ReturnRate, Signed,
};
use seal::{SigningKey, from_canonical, to_canonical};
use serde_json::{Value, json};
use server::keys::{KeyStore, REQUEST_KEY};
use server::roles::{edge, read_config};
use server::system;
use terms::{Amount, BookName, Environment, InstitutionName, Minor, PaymentId, TransactionId};

use super::{books, files, show, tell, two_persons};
use crate::cli::bank::{
    AfterArgs, AnswerArgs, BankCommand, BankPlace, BlockArgs, CaseArgs, CaseWord, ReleaseCommand,
    ReturnArgs, SecondArgs,
};

/// How long a return order is good: it is sent at once.
const ORDER_GOOD_FOR: Duration = Duration::from_secs(60);
/// Quotes that are asked for until one fits: the second is within a cent or two.
const QUOTES_MAX: u32 = 8;

/// Does what was asked.
pub(crate) fn command(asked: &BankCommand) -> anyhow::Result<ExitCode> {
    match asked {
        BankCommand::Return(args) => run(give_back(args)),
        BankCommand::Answer(args) => run(answer(args)),
        BankCommand::Case(args) => run(case(args)),
        BankCommand::Block(args) => run(block(args)),
        BankCommand::Release(asked) => run(release(asked)),
        BankCommand::After(args) => run(after(args)),
        BankCommand::Duties(args) => books::duties(args),
        BankCommand::Freeze(args) => books::freeze(args),
    }
}

pub(super) fn run(act: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no threads for the runtime")?
        .block_on(act)
}

/// An institution, as one of its edges speaks for it.
pub(super) struct Bank {
    config: edge::Config,
    institution: InstitutionName,
    permit_key: SigningKey,
    request_key: SigningKey,
    client: Client,
}

impl Bank {
    pub(super) fn open(place: &BankPlace) -> anyhow::Result<Self> {
        let config: edge::Config = read_config(&place.dir)?;
        let keys = KeyStore::open(&place.dir)?;
        Ok(Self {
            institution: config.institution.parse().context("`institution` in role.json")?,
            permit_key: keys.signing_key("permit")?,
            request_key: keys.signing_key(REQUEST_KEY)?,
            client: config.common.client(),
            config,
        })
    }

    /// Whose it is.
    pub(super) const fn institution(&self) -> InstitutionName {
        self.institution
    }

    /// The key that signs for it.
    pub(super) const fn permit_key(&self) -> &SigningKey {
        &self.permit_key
    }

    /// The peer that keeps its book.
    pub(super) fn book(&self) -> &str {
        self.config.bank.as_ref().unwrap_or(&self.config.core)
    }

    pub(super) fn environment(&self) -> anyhow::Result<Environment> {
        self.config.common.environment.parse().context("`environment` in role.json")
    }

    pub(super) fn settlement_book(&self) -> anyhow::Result<BookName> {
        self.config.book.parse().context("`book` in role.json")
    }

    pub(super) async fn send(
        &self,
        to: &str,
        request: Outgoing<'_>,
    ) -> anyhow::Result<bytes::Bytes> {
        let peer = self.config.common.signing_peer(to)?;
        match self.client.send(&peer, request, &self.request_key).await {
            Outcome::Answer(answer) => Ok(answer.body),
            Outcome::Refused(problem) => {
                let detail = problem.detail.unwrap_or_default();
                bail!("`{to}` refuses: {} {detail}", problem.title)
            }
            Outcome::NotDone(reason) => bail!("surely not done: {reason}"),
            Outcome::Unknown(reason) => bail!("not known, send the same again: {reason}"),
        }
    }

    async fn post<Q: Encode<()>, A>(&self, to: &str, target: &str, body: &Q) -> anyhow::Result<A>
    where
        A: Encode<()> + for<'b> Decode<'b, ()>,
    {
        let request = Outgoing::post(target, api::wire::CBOR, to_canonical(body));
        Ok(from_canonical(&self.send(to, request).await?)?)
    }

    /// Posts a signed document whose answer is that it is done.
    async fn act<T: Document>(&self, target: &str, signed: &Signed<T>) -> anyhow::Result<()> {
        let request = Outgoing::post(target, api::wire::CBOR, signed.to_bytes());
        self.send(&self.config.core, request).await.map(|_| ())
    }

    /// The terms of a settled payment, from this institution's own receipt of it.
    async fn terms(&self, payment: PaymentId) -> anyhow::Result<PaymentTerms> {
        let target = format!("/v1/payments/{payment}/receipt");
        let bytes = self.send(&self.config.core, Outgoing::get(&target)).await?;
        let (_, read) = read_receipt(&bytes, None);
        let text: Option<String> = read.and_then(|read| read.value(TERMS_FIELD));
        let text = text.context("the receipt opens no terms: did the payment settle?")?;
        Ok(PaymentTerms::from_terms_string(&text)?)
    }

    async fn quote(
        &self,
        terms: &PaymentTerms,
        payment: PaymentId,
        credit: u128,
    ) -> anyhow::Result<Signed<Quote>> {
        let request = QuoteRequest {
            layout: 1,
            payment,
            corridor: terms.corridor,
            credit: Amount::new(Minor::new(credit), terms.debited.asset),
            debit_asset: terms.credited.asset,
            at_rate_of: None,
            good_for_seconds: 60,
        };
        self.post(self.provider()?, "/v1/quotes", &request).await
    }

    /// The rate that was asked for, with what leaves and what arrives at it.
    async fn rate(
        &self,
        terms: &PaymentTerms,
        payment: PaymentId,
        args: &ReturnArgs,
    ) -> anyhow::Result<Rate> {
        if !args.original_rate {
            let (signed, quote) = self.quote_up_to(terms, payment, args.amount).await?;
            let (amount, credited) = (quote.debit, quote.credit);
            return Ok(Rate { signed: ReturnRate::Quoted(signed), amount, credited });
        }
        let request = GuaranteeRequest { layout: 1, quote: terms.quote_hash };
        let provider = self.provider()?;
        let signed: Signed<RateGuarantee> = self.post(provider, "/v1/guarantees", &request).await?;
        let amount = Amount::new(Minor::new(args.amount), terms.credited.asset);
        let credited = signed.read_unverified()?.back_for(amount);
        let credited = credited.context("the amount overflows")?;
        Ok(Rate { signed: ReturnRate::Guaranteed(signed), amount, credited })
    }

    fn provider(&self) -> anyhow::Result<&str> {
        let provider = self.config.common.peers_of(Role::Provider).next();
        Ok(&provider.context("role.json names no provider")?.name)
    }

    /// The quote whose debit comes nearest to `amount` from below.
    async fn quote_up_to(
        &self,
        terms: &PaymentTerms,
        payment: PaymentId,
        amount: u128,
    ) -> anyhow::Result<(Signed<Quote>, Quote)> {
        let mut credit = amount.max(1);
        for _ in 0..QUOTES_MAX {
            let signed = self.quote(terms, payment, credit).await?;
            let quote = signed.read_unverified()?;
            let debit = quote.debit.minor.units();
            let scaled = credit.checked_mul(amount).and_then(|sum| sum.checked_div(debit));
            let next = scaled.context("the amount overflows")?;
            // Asked again for the same credit, the same comes back: it is as near as it gets.
            if debit <= amount && next <= credit {
                return Ok((signed, quote));
            }
            credit = if next == credit { credit.saturating_sub(1) } else { next };
            if credit == 0 {
                bail!("the amount is too small to be exchanged");
            }
        }
        bail!("the provider quoted nothing that fits {amount} minor units")
    }
}

/// At what rate a return is exchanged.
struct Rate {
    signed: ReturnRate,
    amount: Amount,
    credited: Amount,
}

/// The fees of the terms, as the quote states them.
fn fees_of(terms: &PaymentTerms) -> anyhow::Result<Vec<Fee>> {
    let takers = [FeeTaker::DebtorInstitution, FeeTaker::Operator];
    terms
        .fees
        .iter()
        .map(|fee| {
            let taker = takers.into_iter().find(|taker| taker.as_str() == fee.taker);
            let taker = taker.with_context(|| format!("a fee's taker `{}`", fee.taker))?;
            Ok(Fee { taker, amount: fee.amount, purpose: fee.kind.clone() })
        })
        .collect()
}

async fn give_back(args: &ReturnArgs) -> anyhow::Result<ExitCode> {
    let bank = Bank::open(&args.place)?;
    let terms = bank.terms(args.payment).await?;
    let consent = args.consent.as_deref().map(files::read).transpose()?;
    let consent = consent.map(|bytes| Signed::<ReturnConsent>::from_bytes(&bytes)).transpose()?;
    let payment = PaymentId::from_bytes(system::time_ordered_bytes().context("no randomness")?);
    tell("asking the provider for a rate …");
    let rate = bank.rate(&terms, payment, args).await?;
    let now = system::now();
    let order = ReturnOrder {
        layout: 1,
        environment: terms.environment,
        book: terms.book,
        payment,
        original: args.payment,
        institution: bank.institution,
        reason: args.reason.clone(),
        amount: rate.amount,
        credited: rate.credited,
        rate: rate.signed,
        fees_kept: fees_of(&terms)?,
        decided_at: now,
        valid_until: now.plus(ORDER_GOOD_FOR),
    };
    let ask = ReturnAsk { layout: 1, order: Signed::sign(&order, &bank.permit_key), consent };
    let answer: OrderAnswer = bank.post(&bank.config.core, "/v1/returns", &ask).await?;
    let log = bank.config.common.peer(&bank.config.core).and_then(|core| core.key("log"));
    let promise = answer.promise.verify(&log.context("the core's log key in role.json")?)?;
    if (promise.payment, promise.terms) != (payment, ask.order.digest()) {
        bail!("the core promised something else than this return");
    }
    Ok(show(&Returned { order, promise, words: answer.words }, args.place.json))
}

struct Returned {
    order: ReturnOrder,
    promise: Promise,
    words: String,
}

impl CommandResult for Returned {
    fn text(&self) -> String {
        let Self { order, promise, words } = self;
        let head = match &promise.outcome {
            Ending::Settled => "returned".to_owned(),
            refused @ Ending::Refused(_) => format!("{refused}   {words}"),
        };
        format!(
            "{head}   fact {}\nreturn    {}\nof        {}\nleaves    {}\narrives   {}\n\
             fees      {} of the payment stay with their takers",
            promise.position,
            order.payment,
            order.original,
            order.amount.for_people(),
            order.credited.for_people(),
            order.fees_kept.len()
        )
    }

    fn json(&self) -> Value {
        json!({
            "outcome": self.promise.outcome.to_string(),
            "return": self.order.payment.to_string(),
            "original": self.order.original.to_string(),
            "amount": self.order.amount.minor.units().to_string(),
            "credited": self.order.credited.minor.units().to_string(),
            "position": self.promise.position.number(),
        })
    }

    fn exit_code(&self) -> u8 {
        if self.promise.outcome == Ending::Settled { 0 } else { EXIT_REFUSED }
    }
}

async fn view(bank: &Bank, payment: PaymentId) -> anyhow::Result<AfterView> {
    let target = format!("/v1/payments/{payment}/after");
    Ok(from_canonical(&bank.send(&bank.config.core, Outgoing::get(&target)).await?)?)
}

async fn answer(args: &AnswerArgs) -> anyhow::Result<ExitCode> {
    let bank = Bank::open(&args.place)?;
    let asked = view(&bank, args.payment).await?.asked;
    let asked = asked.context("nobody asked for this payment back")?;
    let verdict = match &args.reject {
        Some(reason) => CancellationVerdict::Rejected(reason.clone()),
        None => CancellationVerdict::Accepted,
    };
    let answer = CancellationAnswer {
        layout: 1,
        environment: bank.config.common.environment.parse().context("`environment`")?,
        payment: args.payment,
        request: asked.request,
        institution: bank.institution,
        verdict,
        answered_at: system::now(),
    };
    let signed = Signed::sign(&answer, &bank.permit_key);
    let _: AskedBack = bank.post(&bank.config.core, "/v1/cancellation-answers", &signed).await?;
    Ok(show(&Seen(view(&bank, args.payment).await?), args.place.json))
}

/// An id that was given, or a new one.
fn id_or_new(given: Option<TransactionId>) -> anyhow::Result<TransactionId> {
    match given {
        Some(id) => Ok(id),
        None => {
            let bytes = system::time_ordered_bytes().context("no randomness")?;
            Ok(TransactionId::from_bytes(bytes))
        }
    }
}

async fn case(args: &CaseArgs) -> anyhow::Result<ExitCode> {
    let bank = Bank::open(&args.place)?;
    let case = id_or_new(args.case)?;
    let (change, word) = match args.change {
        CaseWord::Open => (CaseChange::Open, "case opened"),
        CaseWord::Post => (CaseChange::Post, "case closed, posted"),
        CaseWord::GiveBack => (CaseChange::GiveBack, "case closed, owed back"),
    };
    let notice = CaseNotice {
        layout: 1,
        environment: bank.config.common.environment.parse().context("`environment`")?,
        institution: bank.institution,
        case,
        account: args.account,
        change,
        decided_at: system::now(),
    };
    bank.act("/v1/cases", &Signed::sign(&notice, &bank.permit_key)).await?;
    Ok(show(&Acted { word, id: case }, args.place.json))
}

async fn block(args: &BlockArgs) -> anyhow::Result<ExitCode> {
    let bank = Bank::open(&args.place)?;
    let block = id_or_new(args.block)?;
    let extent = match args.amount {
        None => BlockExtent::AllAndComing,
        Some(minor) => {
            let target = format!("/v1/accounts/{}", args.account);
            let view = bank.send(&bank.config.core, Outgoing::get(&target)).await?;
            let view: AccountView = from_canonical(&view)?;
            BlockExtent::Part(Amount::new(Minor::new(minor), view.available.asset))
        }
    };
    let order = BlockOrder {
        layout: 1,
        environment: bank.config.common.environment.parse().context("`environment`")?,
        institution: bank.institution,
        block,
        account: args.account,
        owner: args.owner,
        extent,
        legal_basis: args.law.clone(),
        authority: args.authority.clone(),
        ordered_at: system::now(),
    };
    bank.act("/v1/blocks", &Signed::sign(&order, &bank.permit_key)).await?;
    Ok(show(&Acted { word: "blocked", id: block }, args.place.json))
}

/// How long a release that one person signed waits for the second.
const RELEASE_GOOD_FOR: Duration = Duration::from_secs(24 * 3_600);

async fn release(asked: &ReleaseCommand) -> anyhow::Result<ExitCode> {
    let args = match asked {
        ReleaseCommand::Sign(args) => args,
        ReleaseCommand::Send(args) => return release_send(args).await,
    };
    let bank = Bank::open(&args.place)?;
    let key = two_persons::approver(&args.approver.approver, &args.approver.who)?;
    let release = BlockRelease {
        layout: 1,
        environment: bank.config.common.environment.parse().context("`environment`")?,
        institution: bank.institution,
        block: args.block,
        to: args.to.map_or(ReleaseTo::Owner, ReleaseTo::Account),
        legal_basis: args.law.clone(),
        valid_until: system::now().plus(RELEASE_GOOD_FOR),
    };
    two_persons::write_first(&args.out, &Signed::sign(&release, &key))?;
    Ok(show(&Acted { word: "signed by one", id: release.block }, args.place.json))
}

async fn release_send(args: &SecondArgs) -> anyhow::Result<ExitCode> {
    let bank = Bank::open(&args.place)?;
    let key = two_persons::approver(&args.approver.approver, &args.approver.who)?;
    let (release, both) = two_persons::second::<BlockRelease>(&args.file, &key)?;
    let to = match release.to {
        ReleaseTo::Owner => "its owner's account".to_owned(),
        ReleaseTo::Account(account) => account.to_string(),
    };
    tell(&format!("releasing block {} to {to}, for: {}", release.block, release.legal_basis));
    let request = Outgoing::post("/v1/block-releases", api::wire::CBOR, seal::to_canonical(&both));
    bank.send(&bank.config.core, request).await?;
    Ok(show(&Acted { word: "released", id: release.block }, args.place.json))
}

/// Something that is done, with its id.
struct Acted {
    word: &'static str,
    id: TransactionId,
}

impl CommandResult for Acted {
    fn text(&self) -> String {
        format!("{}   {}", self.word, self.id)
    }

    fn json(&self) -> Value {
        json!({ "outcome": self.word, "id": self.id.to_string() })
    }
}

async fn after(args: &AfterArgs) -> anyhow::Result<ExitCode> {
    let bank = Bank::open(&args.place)?;
    Ok(show(&Seen(view(&bank, args.payment).await?), args.place.json))
}

struct Seen(AfterView);

impl Seen {
    fn asked(&self) -> String {
        match &self.0.asked {
            None => "no".to_owned(),
            Some(AskedBack { reason, verdict, answer_by, .. }) => match verdict {
                None => format!("{reason}, to be answered until {answer_by}"),
                Some(CancellationVerdict::Accepted) => format!("{reason}, accepted"),
                Some(CancellationVerdict::Rejected(why)) => format!("{reason}, rejected: {why}"),
            },
        }
    }
}

impl CommandResult for Seen {
    fn text(&self) -> String {
        let AfterView { payment, given_back, by, credit, .. } = &self.0;
        let by: Vec<String> = by.iter().map(ToString::to_string).collect();
        format!(
            "payment     {payment}\ncredit      {credit}\nasked back  {}\ngiven back  {} minor \
             units {}",
            self.asked(),
            given_back.units(),
            by.join(", ")
        )
    }

    fn json(&self) -> Value {
        let AfterView { payment, given_back, by, credit, .. } = &self.0;
        json!({
            "payment": payment.to_string(),
            "credit": credit,
            "asked_back": self.asked(),
            "given_back": given_back.units().to_string(),
            "by": by.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    }

    fn exit_code(&self) -> u8 {
        if self.0.credit.is_empty() { EXIT_UNKNOWN } else { 0 }
    }
}
