//! Who may see which field of a payment's fact: one leaf, several openings.

use record::after::{
    CANCELLED_BY_FIELD, GIVEN_BACK_FIELD, ORIGINAL_FIELD, PAYMENT_RETURNED, RETURN_ORDER_FIELD,
    RETURN_POSTINGS_FIELD,
};
use record::outgoing::{OUTGOING_ENDED, OUTGOING_EVIDENCE_FIELD, OUTGOING_ORDER_FIELD};
use record::settled::ACCOUNTS_FIELD;
use record::settlement::{
    ACCEPTANCE_FIELD, CREDITOR_PERMIT_FIELD, DEBTOR_PERMIT_FIELD, ENDING_FIELD, ENVIRONMENT_FIELD,
    IDENTIFIERS_FIELD, INVOICE_FIELD, PAYMENT_FIELD, POSTINGS_FIELD, QUOTE_FIELD,
    RECORDED_AT_FIELD, REFUSED_BY_FIELD, TERMS_DIGEST_FIELD, TERMS_FIELD,
};
use record::{Cancelled, Fact, RefusedBy, Settled, Side};

/// Someone who gets a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// The payer or the payee.
    Party(Side),
    /// The institution of one side.
    Institution(Side),
    /// A supervisor, within what a window grants.
    Supervisor,
}

/// Kind and corridor: which table the rest is read by.
const HEADING: [u16; 2] = [0, 1];
/// What both ending kinds begin with.
const ENDED: [u16; 5] =
    [PAYMENT_FIELD, ENVIRONMENT_FIELD, TERMS_DIGEST_FIELD, ENDING_FIELD, RECORDED_AT_FIELD];

/// The fields of `fact` that `reader` gets, in ascending order.
///
/// Payer and payee get the terms and their own side's permit; the payer the quote, the payee the
/// acceptance; neither gets the postings, which name other people's accounts. Who refused is
/// shown to the side it concerns: the signed refusal holds the open or the neutral code only.
#[must_use]
pub fn fields_for(reader: Reader, fact: &Fact) -> Vec<u16> {
    let mut fields: Vec<u16> = HEADING.into_iter().chain(ENDED).collect();
    if Settled::is_kind(fact.kind) {
        fields.extend(settled(reader, fact));
        // What a refund gives back is in its terms, too, which both sides read.
        fields.extend(Settled::is_refund(fact.kind).then_some(GIVEN_BACK_FIELD));
    } else if fact.kind == PAYMENT_RETURNED {
        fields.extend(returned(reader));
    } else if fact.kind == OUTGOING_ENDED {
        fields.extend(outgoing(reader));
    } else if Cancelled::is_kind(fact.kind) {
        fields.extend(cancelled(reader));
    } else {
        fields.extend(refused(reader, fact));
    }
    if let Reader::Institution(side) = reader {
        fields.extend(match side {
            Side::Debtor => [2, 3],
            Side::Creditor => [4, 5],
        });
    }
    if reader == Reader::Supervisor {
        fields.extend([2, 3, 4, 5]);
    }
    fields.sort_unstable();
    fields.dedup();
    fields
}

/// What the payer's book keeps is opened like the rest. The accounts stand in the terms, too: the
/// supervisor sees them where these cannot be had.
fn settled(reader: Reader, fact: &Fact) -> Vec<u16> {
    match reader {
        Reader::Party(Side::Debtor) => {
            vec![TERMS_FIELD, IDENTIFIERS_FIELD, QUOTE_FIELD, INVOICE_FIELD, DEBTOR_PERMIT_FIELD]
        }
        Reader::Party(Side::Creditor) => vec![
            TERMS_FIELD,
            IDENTIFIERS_FIELD,
            INVOICE_FIELD,
            ACCEPTANCE_FIELD,
            CREDITOR_PERMIT_FIELD,
        ],
        Reader::Institution(Side::Debtor) => {
            vec![TERMS_FIELD, IDENTIFIERS_FIELD, QUOTE_FIELD, DEBTOR_PERMIT_FIELD]
        }
        Reader::Institution(Side::Creditor) => {
            vec![TERMS_FIELD, IDENTIFIERS_FIELD, ACCEPTANCE_FIELD, CREDITOR_PERMIT_FIELD]
        }
        Reader::Supervisor => {
            let accounts = (!fact.kind.withheld().is_empty()).then_some(ACCOUNTS_FIELD);
            (TERMS_FIELD..=POSTINGS_FIELD).chain(accounts).collect()
        }
    }
}

/// The order of a return names no account, so both sides read it; accounts and postings are the
/// supervisor's.
fn returned(reader: Reader) -> Vec<u16> {
    match reader {
        Reader::Party(_) | Reader::Institution(_) => vec![ORIGINAL_FIELD, RETURN_ORDER_FIELD],
        Reader::Supervisor => (ORIGINAL_FIELD..=RETURN_POSTINGS_FIELD).collect(),
    }
}

/// Only the payer's side is here: it and the supervisor read the order and the rail's evidence.
fn outgoing(reader: Reader) -> Vec<u16> {
    match reader {
        Reader::Party(Side::Debtor) | Reader::Institution(Side::Debtor) | Reader::Supervisor => {
            vec![OUTGOING_ORDER_FIELD, OUTGOING_EVIDENCE_FIELD]
        }
        Reader::Party(Side::Creditor) | Reader::Institution(Side::Creditor) => vec![],
    }
}

/// A payment that was cancelled in time is the payer's alone: the payee's side has only its id.
fn cancelled(reader: Reader) -> Vec<u16> {
    match reader {
        Reader::Party(Side::Debtor) | Reader::Institution(Side::Debtor) | Reader::Supervisor => {
            vec![CANCELLED_BY_FIELD]
        }
        Reader::Party(Side::Creditor) | Reader::Institution(Side::Creditor) => vec![],
    }
}

/// The core's own refusals are open to both sides; an edge's to its side and to the payer, who
/// asked: it holds the neutral code where the reason is restricted.
fn refused(reader: Reader, fact: &Fact) -> Vec<u16> {
    use record::FactBody;
    let by = record::PaymentRefused::from_fact(fact).map(|refused| refused.by);
    let shown = match (reader, by) {
        (Reader::Supervisor | Reader::Party(Side::Debtor), _) | (_, Ok(RefusedBy::Core(..))) => {
            true
        }
        (Reader::Institution(side) | Reader::Party(side), Ok(RefusedBy::Edge(refusal))) => {
            refusal.read_unverified().is_ok_and(|r| r.side == side)
        }
        (_, Err(_)) => false,
    };
    if shown { vec![REFUSED_BY_FIELD] } else { vec![] }
}
