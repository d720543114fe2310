//! Returns, refunds and cancellations of the fixture's payments.

use super::*;
use crate::after::{
    CheckedCancellation, CheckedReturn, Original, check_cancellation, check_return,
};
use record::{
    CancellationRequest, RateGuarantee, ReturnAsk, ReturnConsent, ReturnOrder, ReturnRate,
};

/// The role of the blocked-funds account in a customers' book.
pub const BLOCKED_ROLE: u8 = 4;
/// What the payee's institution takes for a refund, in cents.
pub const REFUND_FEE: u128 = 90;

/// The corridor of refunds: the other way round.
#[must_use]
pub fn way_back() -> CorridorName {
    name("sg-nl")
}

/// The pack of an institution on the way back, by edition.
#[must_use]
pub fn refund_pack(side: Side, edition: u8) -> Digest {
    sha256(&[side.as_str().as_bytes(), &[edition]].concat())
}

/// A trust list that lets each institution act on the way back, too.
#[must_use]
pub fn both_ways(of: Side) -> TrustList {
    let mut list = trust_list(of, 2, signer(of));
    for entry in &mut list.institutions {
        entry.sides.push(CorridorSide { corridor: way_back(), side: of.other() });
    }
    list
}

/// [`both_ways`] of both, as a view.
#[must_use]
pub fn trust_both_ways() -> TrustView {
    let mut view = TrustView::default();
    view.adopt(both_ways(Side::Debtor));
    view.adopt(both_ways(Side::Creditor));
    view
}

/// A notice about a pack of the institution that is on `side` of the way back.
#[must_use]
pub fn refund_notice(side: Side, edition: u8, standing: PackStanding) -> SettlementWork {
    let notice = PackNotice {
        layout: 1,
        environment: environment(),
        institution: institution(side.other()),
        corridor: way_back(),
        side,
        pack: refund_pack(side, edition),
        schema: schema(),
        standing,
    };
    SettlementWork::NoticePack(Box::new(Signed::sign(&notice, &signer(side.other()).key())))
}

/// [`Books::ready`], with the way back open and an account for blocked funds in both books.
#[must_use]
pub fn books() -> Books {
    let mut books = Books::ready();
    for side in [Side::Debtor, Side::Creditor] {
        let root = if side == Side::Debtor { Who::RootNl } else { Who::RootSg };
        let list = Box::new(Signed::sign(&both_ways(side), &root.key()));
        let _ = books.settle(start(), SettlementWork::AdoptTrustList(list));
        let _ = books.settle(start(), refund_notice(side, 1, PackStanding::InForce));
        let own = Owner::Institution(institution(side));
        let account = opening(own_account(BLOCKED_ROLE), asset(side), own, Purpose::BlockedFunds);
        let _ = books.tell(start(), side, CustomerWork::OpenAccount(account));
    }
    books
}

/// Settles the payment `number` of `credit` cents and reads it from its fact.
#[must_use]
pub fn pay(books: &mut Books, number: u64, credit: u128) -> Original {
    let parts = OrderParts::of(Deal { credit, ..Deal::number(number) });
    let order = parts.checked_against(&trust_both_ways()).expect("valid");
    let _ = books.drive(now(), Route::of_client(order));
    original(books, parts.terms.payment).expect("a settled payment")
}

/// A settled payment or refund, read from its fact.
#[must_use]
pub fn original(books: &Books, payment: PaymentId) -> Option<Original> {
    let position = books.settlement.state.payment(payment)?.position;
    let index = usize::try_from(position.number()).ok()?;
    Original::of_fact(position, &books.settlement.facts.get(index)?.1)
}

/// The client key of company `n`, on either side.
#[must_use]
pub fn client_key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[0x40 + n; 32])
}

/// A cancellation of an order's payment, signed by the payer.
#[must_use]
pub fn cancellation(parts: &OrderParts) -> CheckedCancellation {
    let request = CancellationRequest {
        layout: 1,
        environment: environment(),
        terms: parts.terms.to_terms_string(),
        reason: "CUST".to_owned(),
        asked_at: now(),
    };
    let key = client_key(0);
    let signed = Signed::sign(&request, &key);
    let quote = parts.order().quote;
    let (here, trust) = ((environment(), settlement_name()), trust_both_ways());
    check_cancellation(&signed, Some(key.public_key()), here, Some((&quote, &trust)))
        .expect("valid")
}

/// The provider's guarantee of a payment's rate.
#[must_use]
pub fn guarantee(original: &Original, valid_until: Instant) -> RateGuarantee {
    RateGuarantee {
        layout: 1,
        environment: environment(),
        provider: original.quote.provider,
        quote: original.quote_digest,
        principal: original.quote.principal,
        credit: original.quote.credit,
        issued_at: now(),
        valid_until,
    }
}

/// Every document of a return before it is signed.
#[derive(Clone, Debug)]
pub struct ReturnParts {
    /// The order.
    pub order: ReturnOrder,
    /// Who signs it.
    pub signer: Who,
    /// The payee's consent, and the company whose key signs it.
    pub consent: Option<(ReturnConsent, u8)>,
}

impl ReturnParts {
    /// A return of `amount` cents at a new quote, with the payee's consent. `number` makes its id.
    #[must_use]
    pub fn quoted(original: &Original, number: u64, amount: u128) -> Self {
        let payment = Deal::number(number).payment();
        let quote = back_quote(original, payment, number, amount, vec![]);
        let credited = quote.credit;
        let rate = ReturnRate::Quoted(Signed::sign(&quote, &Who::Dealer.key()));
        Self::of(original, payment, amount, credited, rate)
    }

    /// A return of `amount` cents at the original rate, guaranteed until then.
    #[must_use]
    pub fn guaranteed(original: &Original, number: u64, amount: u128, until: Instant) -> Self {
        let guarantee = guarantee(original, until);
        let credited = guarantee.back_for(Amount::new(Minor::new(amount), sgd())).expect("small");
        let signed = Signed::sign(&guarantee, &Who::Dealer.key());
        let payment = Deal::number(number).payment();
        Self::of(original, payment, amount, credited, ReturnRate::Guaranteed(signed))
    }

    fn of(
        original: &Original,
        payment: PaymentId,
        amount: u128,
        credited: Amount,
        rate: ReturnRate,
    ) -> Self {
        let amount = Amount::new(Minor::new(amount), sgd());
        let valid_until = now().plus(Duration::from_secs(60));
        let consent = ReturnConsent {
            layout: 1,
            environment: environment(),
            original: original.payment(),
            account: original.terms.credited_account,
            amount,
            valid_until,
        };
        let order = ReturnOrder {
            layout: 1,
            environment: environment(),
            book: settlement_name(),
            payment,
            original: original.payment(),
            institution: institution(Side::Creditor),
            reason: "FOCR".to_owned(),
            amount,
            credited,
            rate,
            fees_kept: original.quote.fees.clone(),
            decided_at: now(),
            valid_until,
        };
        Self { order, signer: Who::BankSg, consent: Some((consent, 0)) }
    }

    /// As an institution sends it.
    #[must_use]
    pub fn ask(&self) -> ReturnAsk {
        let consent =
            self.consent.as_ref().map(|(consent, n)| Signed::sign(consent, &client_key(*n)));
        ReturnAsk { layout: 1, order: Signed::sign(&self.order, &self.signer.key()), consent }
    }

    /// Checked against the original.
    ///
    /// # Errors
    /// The rule that refuses.
    pub fn checked(&self, original: &Original) -> Result<CheckedReturn, Rule> {
        let (environment, book) = (environment(), settlement_name());
        check_return(self.ask(), original.clone(), environment, book, &trust_both_ways())
    }
}

/// A quote back: `amount` SGD cents leave, without `fees` as much euro as they are worth arrives.
#[must_use]
pub fn back_quote(
    original: &Original,
    payment: PaymentId,
    number: u64,
    amount: u128,
    fees: Vec<Fee>,
) -> Quote {
    let dollars = |units| Amount::new(Minor::new(units), sgd());
    let credit = amount * 684 / 1000;
    let principal = (credit * 1000).div_ceil(684);
    let own: u128 = fees.iter().map(|fee| fee.amount.minor.units()).sum();
    let corridor = if fees.is_empty() { original.corridor() } else { way_back() };
    Quote {
        layout: 1,
        environment: environment(),
        quote: QuoteId::from_bytes(Deal::number(number).id(2)),
        payment,
        provider: name::<ProviderName>("fx-dealer"),
        corridor,
        debit: dollars(amount + own),
        credit: Amount::new(Minor::new(credit), eur()),
        mid: Rate {
            debit_units: Minor::new(1000),
            credit_units: Minor::new(684),
            source: "sandbox table".to_owned(),
        },
        principal: dollars(principal),
        margin: dollars(amount - principal),
        fees,
        issued_at: now(),
        expires_at: now().plus(Duration::from_secs(120)),
        at_rate_of: None,
    }
}

/// A refund that counts `amount` cents: every document of it, the other way round.
#[must_use]
pub fn refund(original: &Original, number: u64, amount: u128) -> OrderParts {
    let deal = Deal::number(number);
    let fee = Fee {
        taker: FeeTaker::DebtorInstitution,
        amount: Amount::new(Minor::new(REFUND_FEE), sgd()),
        purpose: "refund".to_owned(),
    };
    let quote = back_quote(original, deal.payment(), number, amount, vec![fee]);
    let was = original.terms();
    let invoice = Invoice {
        creditor: company(Side::Debtor, 0),
        institution: institution(Side::Debtor),
        account: was.debited_account,
        amount: quote.credit,
        number: "CN-014".to_owned(),
        ..invoice_of(deal)
    };
    let acceptance = Acceptance {
        institution: institution(Side::Debtor),
        amount: quote.credit,
        ..acceptance_of(deal, &invoice)
    };
    let permit = |side: Side| {
        let mine = side.other();
        let like = permit_of(deal, mine);
        let mut permit = record::Permit { side, corridor: way_back(), ..like };
        permit.action = PaymentAction::Refund;
        permit.basis.pack = refund_pack(side, 1);
        permit
    };
    let mut parts = OrderParts {
        terms: linked_terms(&quote, &invoice, was.credited_account),
        quote,
        quote_signer: Who::Dealer,
        invoice,
        acceptance,
        acceptance_signer: Who::BankNl,
        debtor: permit(Side::Debtor),
        debtor_signer: Who::BankSg,
        creditor: permit(Side::Creditor),
        creditor_signer: Who::BankNl,
    };
    parts.terms.action = PaymentAction::Refund;
    parts.terms.linked_payment = Some(original.payment());
    parts.acceptance.invoice = parts.invoice.digest();
    parts.relink_permits();
    parts
}

/// A refund, checked against its original.
///
/// # Errors
/// The rule that refuses.
pub fn checked_refund(parts: &OrderParts, original: &Original) -> Result<CheckedOrder, Rule> {
    parts.checked_against(&trust_both_ways())?.refunding(original.clone())
}
