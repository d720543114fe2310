//! Every rule by which the core refuses a payment, in its order of precedence.

use core::fmt;

use record::Side;

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident => $iso:literal, $words:literal;)*) => {
        /// A rule that said no. Ordered by precedence: the first that fails is the answer.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum RuleName {
            $($(#[$doc])* $name,)*
        }

        impl RuleName {
            /// All rules, in precedence.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name in records, receipts and messages.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The ISO 20022 external status reason code.
            #[must_use]
            pub const fn iso_20022(self) -> &'static str {
                match self { $(Self::$name => $iso,)* }
            }

            /// What happened and how to mend it, in words for people.
            #[must_use]
            pub const fn for_people(self) -> &'static str {
                match self { $(Self::$name => $words,)* }
            }
        }
    };
}

rules! {
    /// The terms belong to another environment.
    EnvironmentsDiffer => "AG03", "the order was made for another environment; make it here";
    /// The terms name another settlement book.
    BooksDiffer => "AG03", "the order names another settlement book; send it there";
    /// What is asked for is not built for this action.
    ActionNotServed => "AG03", "this book does not serve this action";
    /// A reference of the payment is none of ISO 20022's.
    ReferencesMalformed => "FF01", "a reference of the payment is not 1 to 35 of the characters that every bank carries; order again with another";
    /// The payment id was used with other terms.
    PaymentIdUsed => "DUPL", "the payment id was used with other terms; order under a new id";
    /// The payer cancelled the payment before it settled.
    PaymentCancelled => "DS02", "the payer cancelled the payment before it settled, and nothing moved";
    /// The order was under way when the core stopped, and had not settled.
    OrderInterrupted => "TM01", "the core stopped before the payment settled, and nothing moved; order again under a new id";
    /// The id of an outside transfer was used with another order.
    OutsideIdUsed => "DUPL", "the id was used with another order; withdraw under a new id";
    /// A transfer has ended, or is at a step that this does not fit.
    OutsideStepDiffers => "AG03", "the transfer does not stand where this could be done; look at its status";
    /// A signature over a document does not fit, or its signer is not on the trust list for it.
    SignerNotTrusted => "DS0H", "a document was not signed by a key that the trust list names for it";
    /// One key signed for both sides.
    OneKeyForBothSides => "DS26", "both permits were signed by one key; each side must decide itself";
    /// The permit was given for something else; the detail says which field.
    PermitDiffers => "DS17", "a permit was given for another payment than this one; ask for new permits";
    /// The quote was made for something else; the detail says which field.
    QuoteDiffers => "AM09", "the quote does not fit the terms; ask for a new quote";
    /// The invoice says something else; the detail says which field.
    InvoiceDiffers => "AM09", "the invoice does not fit the terms; ask the payee for its invoice";
    /// The acceptance was given for something else; the detail says which field.
    AcceptanceDiffers => "AC04", "the payee's institution accepted something else; ask it again";
    /// The payment to be given back, cancelled or corrected did not settle here.
    OriginalUnknown => "NOOR", "the payment to be given back did not settle here; name the right one";
    /// A return or refund is final as any payment: it has no return or refund.
    RefundOfRefund => "AG03", "what was given back is final; pay again with a new payment";
    /// What is given back does not fit its original; the detail says which field.
    LinkDiffers => "AM09", "the return, refund, answer or correction does not fit what it is about";
    /// The provider's guarantee is for another rate; the detail says which field.
    GuaranteeDiffers => "AM09", "the provider did not guarantee this rate; ask it for a quote";
    /// The payee did not agree that its account is debited.
    ConsentMissing => "MD01", "the payee has not agreed to give this back from its account; ask it";
    /// Two different persons out of those who may must sign.
    ApprovalsMissing => "DS0H", "two different persons who may approve must sign the same document";
    /// What one side sent is not what the other side received.
    StatementsDiffer => "RR04", "the two institutions did not see the same party statements";
    /// What travelled by the travel rule is not the same on both sides, or a permit that owes it
    /// names nothing.
    TravelRuleDiffers => "RR04", "the two institutions do not name the same travel-rule message and receipt; ask for new permits";
    /// A duty, or the word that it is done, is of another place, payment or owner.
    DutyDiffers => "RR04", "the duty is not one that is open here, or the word that it is done is not its owner's; list the open ones";
    /// The edge instance that numbered a permit has not joined, or its count was closed before.
    EdgeNotInService => "RR04", "a permit was numbered by an edge that is not in service; ask for a new permit";
    /// A permit rests on a pack that is not in force here.
    PackNotInForce => "RR04", "a permit rests on rules that are not in force; ask for a new permit";
    /// A permit rests on a superseded or stale snapshot of lists.
    SnapshotTooOld => "RR04", "a permit rests on lists that were superseded; ask for a new permit";
    /// What the settlement book signed does not prove the step that is asked for.
    EndingNotProven => "DS0H", "the settlement book's signed word does not prove this step; ask the operator for the promise";
    /// Money of an asset does not leave while its outside account does not agree with the book.
    DefundingStopped => "AM07", "an outside account does not agree with the book; try again when the operator has settled the break";
    /// The operator suspended a participant.
    ParticipantSuspended => "AG01", "a participant of this payment is suspended by the operator; nothing moved, try again when it is resumed";
    /// The operator suspended the corridor.
    CorridorSuspended => "AG01", "the corridor is suspended by the operator; nothing moved, try again when it is resumed";
    /// The operator suspended an asset.
    AssetSuspended => "AG01", "an asset of this payment is suspended by the operator; nothing moved, try again when it is resumed";
    /// The rail surely did not carry the payment.
    RailRefused => "AC04", "the payment could not be paid out over the rail; check the payee's account and bank";
    /// A party is suspended.
    PartySuspended => "AG01", "a party of this payment is suspended; ask its institution";
    /// The account to debit is not the one its institution may debit for this owner.
    OwnersDiffer => "AC01", "the account does not belong to the company that the permit names";
    /// No such account in this book.
    AccountUnknown => "AC01", "the account does not exist in this book";
    /// The quote's time is over.
    QuoteExpired => "TM01", "the quote has expired; ask for a new one";
    /// The provider's guarantee of the old rate is over.
    GuaranteeExpired => "TM01", "the provider no longer guarantees the old rate; ask it for a new quote";
    /// The time of an instruction, an answer or a consent is over.
    InstructionExpired => "TM01", "the time of the document is over; sign a new one";
    /// A permit's time is over.
    PermitExpired => "TM01", "a permit has expired; ask for a new one and settle at once";
    /// A permit claims to be decided later than now.
    PermitFromTheFuture => "DT01", "a permit is dated later than the core's clock; check the edge's clock";
    /// The acceptance's time is over.
    AcceptanceExpired => "TM01", "the acceptance has expired; ask for a new one";
    /// The invoice's time is over.
    InvoiceExpired => "TM01", "the invoice has expired; ask the payee for a new one";
    /// The time of a participant's order is over.
    WithdrawalExpired => "TM01", "the order to withdraw has expired; sign a new one";
    /// The quote was used by another payment.
    QuoteUsed => "DUPL", "the quote was used already; ask for a new one";
    /// More would be given back than the payment credited.
    ReturnExceedsOriginal => "AM02", "more would be given back than is left of the payment; give back less";
    /// The provider lacks the currency to be delivered.
    ProviderLiquidityInsufficient => "AM04", "the FX provider lacks the currency; try again later or ask another provider";
    /// The debtor's institution lacks prefunded money.
    ParticipantLiquidityInsufficient => "AM04", "the payer's institution lacks prefunded money; try again later";
    /// The debtor lacks money.
    InsufficientFunds => "AM04", "the account to debit lacks money; fund it and order again";
    /// A limit on a total would be passed.
    LimitExceeded => "AM02", "a limit on the total of a period would be passed; try less or later";
    /// An account is frozen on the side that this would touch.
    AccountFrozen => "AC06", "an account is frozen for this; ask the institution that holds it";
    /// The ledger refuses for another reason, which the detail names.
    LedgerRefuses => "AC04", "an account does not take this entry; ask the institution that holds it";
    /// No lease is in force under which this could be accepted or settled.
    LeaseNotInForce => "TM01", "the bank has no authority left to accept payments by itself; order again when the core can be reached";
    /// Less is left of the lease.
    LeaseExceeded => "AM02", "more than what is left of the bank's lease; pay less, or order again when the core can be reached";
    /// The core can be reached: a bank accepts by itself only while it is cut off.
    CoreReachable => "AG03", "the core can be reached; order there";
    /// The payment is under way at the core: a bank does not accept it by itself beside.
    UnderWayAtCore => "DUPL", "the payment is under way at the core; ask there how it ended";
    /// The payment was accepted under a lease: it settles out of that when the bank reports it.
    AcceptedUnderLease => "DUPL", "the payer's bank accepted this payment while it was cut off; it settles when the bank has reported it";
    /// A file of statements does not read.
    StatementUnreadable => "FF01", "the file is no statement or notification that is taken; ask the bank for one";
    /// A statement speaks of an account, or comes from a bank, that no asset has.
    StatementAccountUnknown => "AC01", "the statement is of no outside account of this book; send it where it belongs";
    /// A statement or line is in another currency than the account's asset.
    StatementCurrencyDiffers => "AM11", "the statement is in another currency than the asset; the bank must correct it";
    /// The message id came before with other content.
    StatementMessageIdUsed => "DUPL", "the bank used this message id for another file; ask it which one holds";
    /// A statement is dated in the future, or a booked line has no day.
    StatementDateWrong => "DT01", "a date of the statement cannot be; the bank must correct it";
    /// A booked line has no name of the bank's.
    StatementLineUnnamed => "FF10", "a booked line has no reference of the bank's, so it cannot be booked once; ask the bank for one";
    /// The bank's name of a line is that of a line with another amount.
    StatementLineDiffers => "AM09", "the bank gave one line two amounts; ask it which one holds";
    /// A page of a statement cannot be reconciled alone.
    StatementPaged => "FF10", "the statement is one page of several; ask the bank for it whole";
    /// No such line is open.
    StatementLineNotOpen => "NARR", "there is no such line in suspense or without match; look at the open ones again";
    /// Money of this asset may not leave while a break is open.
    BreakOpen => "AG01", "the book and the outside account disagree; resolve the break first";
    /// The business day has not begun.
    BusinessDayNotBegun => "DT01", "that business day has not begun; close the one that runs";
    /// The business day was closed.
    BusinessDayOver => "DT01", "that business day is closed; post on the one that runs";
    /// An act says too little, too much, or what its kind does not take.
    ActMalformed => "FF01", "the act is not complete; the detail says what is missing";
    /// The key may not do this.
    ActSignerMayNot => "DS0H", "the key is not of a person who may do this; look at `operators` of the core";
    /// The id of an act was used with another act.
    ActIdUsed => "DUPL", "the id was used with another act; propose under a new id";
    /// An act about somebody or something that this book does not know.
    ActSubjectUnknown => "AC01", "this book knows no such participant, corridor, asset or account; look at its name again";
    /// The dates of an act cannot be.
    ActDatesWrong => "DT01", "the act begins or ends when it cannot; give it other dates";
    /// There is nothing to lift.
    ActNothingToLift => "NARR", "nothing of the kind is in force or to come, so there is nothing to lift";
    /// Too many acts are open, or too much is stopped.
    ActsTooMany => "AG03", "too many acts are open; decide or withdraw some first";
    /// The act was decided before.
    ActNotOpen => "AG03", "the act is not open any more, or never was; look at it with `operator act show`";
    /// The decision is about another wording of the act.
    ActDiffers => "DS17", "the act is not the one that was read; read it again and decide anew";
    /// One person would be both.
    ActSamePerson => "DS26", "who proposed an act may not decide it; another person must, with another key";
    /// The time to decide is over.
    ActLapsed => "TM01", "the time to decide the act is over; propose it anew";
    /// With one key an act may only make a limit tighter.
    ActLoosens => "DS0H", "by now the act would loosen what stands, which two persons must sign; propose it anew";
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refusal: the rule, and what was expected and got. The detail never holds personal data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {detail}")]
pub struct Rule {
    /// Which rule.
    pub name: RuleName,
    /// What was expected and what came.
    pub detail: String,
}

impl Rule {
    /// A refusal by `name`.
    #[must_use]
    pub fn new(name: RuleName, detail: impl Into<String>) -> Self {
        Self { name, detail: detail.into() }
    }

    /// A refusal because a field differs.
    #[must_use]
    pub fn differs(
        name: RuleName,
        field: &str,
        expected: impl fmt::Display,
        got: impl fmt::Display,
    ) -> Self {
        Self::new(name, format!("`{field}`: expected `{expected}`, got `{got}`"))
    }

    /// A refusal because a permit's field differs.
    #[must_use]
    pub fn permit(
        side: Side,
        field: &str,
        expected: impl fmt::Display,
        got: impl fmt::Display,
    ) -> Self {
        let detail = format!("{side} permit, `{field}`: expected `{expected}`, got `{got}`");
        Self::new(RuleName::PermitDiffers, detail)
    }
}

/// Refuses unless both are equal.
pub(crate) fn same<T: PartialEq + fmt::Display>(
    name: RuleName,
    field: &str,
    expected: T,
    got: T,
) -> Result<(), Rule> {
    if expected == got { Ok(()) } else { Err(Rule::differs(name, field, expected, got)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_has_a_name_an_iso_code_and_words_of_its_own() {
        let names: std::collections::BTreeSet<_> =
            RuleName::ALL.iter().map(|rule| rule.as_str()).collect();
        assert_eq!(names.len(), RuleName::ALL.len());
        assert!(RuleName::ALL.is_sorted(), "the list is the precedence");
        for rule in RuleName::ALL {
            assert_eq!(rule.iso_20022().len(), 4, "{rule}");
            let words = rule.for_people();
            assert!(words.len() > 20 && !words.ends_with('.'), "{rule}: {words}");
        }
    }
}
