//! Receipts: one leaf, opened differently for each reader, under a cosigned checkpoint.

use std::sync::Arc;
use std::time::Duration;

use api::{Caller, Role};
use clearing::settlement::PaymentEntry;
use clearing::{Reader, fields_for};
use evidence::Receipt;
use record::outgoing::OUTGOING_ENDED;
use record::{Cancelled, Ending, Fact, OpenedField, Side};
use seal::PublicKey;
use terms::{InstitutionName, PaymentId, Position};

use super::books::Failed;
use super::documents::NoDocuments;
use super::orders::{Clearing, Parties};
use super::projection::Published;

/// How long a request for a receipt waits for the checkpoint before it is told to come again.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why there is no receipt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoReceipt {
    /// The payment has not ended here.
    #[error("payment `{0}` has no ending in this book")]
    NotEnded(PaymentId),
    /// The caller is no party of the payment.
    #[error("`{0}` is no party of this payment")]
    NotAParty(String),
    /// The checkpoint is not cosigned yet: come again.
    #[error("position {0} is not under a cosigned checkpoint yet")]
    NotYet(Position),
    /// The salts of this fact were erased.
    #[error("the salts of position {0} were erased: its leaf stays, its content is mute")]
    Erased(Position),
    /// What the fact commits to cannot be had from the payer's bank.
    #[error(transparent)]
    NoDocuments(NoDocuments),
    /// The world failed.
    #[error(transparent)]
    Failed(#[from] Failed),
}

/// Makes the caller's receipt of a payment.
pub async fn of_payment(
    clearing: &Clearing,
    published: &Arc<Published>,
    payment: PaymentId,
    caller: &Caller,
) -> Result<Vec<u8>, NoReceipt> {
    let entry = clearing.books.settlement.look(move |s| s.payment(payment).cloned()).await?;
    let entry = entry.outcome.ok_or(NoReceipt::NotEnded(payment))?;
    let fact = clearing.facts.fact(entry.position).await?;
    let reader = reader(clearing, caller, &entry, &fact).await?;
    let fields = fields_for(reader, &fact);
    let made = make(clearing, published, entry.position, &fact, &fields).await;
    // No bank hides a payment from a supervisor by keeping its documents to itself: what the fact
    // holds is opened without them, and the accounts with it.
    match made {
        Err(NoReceipt::NoDocuments(_)) if reader == Reader::Supervisor => {
            let held: Vec<u16> =
                fields.into_iter().filter(|f| !fact.kind.withheld().contains(f)).collect();
            make(clearing, published, entry.position, &fact, &held).await
        }
        made => made,
    }
}

/// Makes a receipt of any fact with these fields opened.
pub async fn make(
    clearing: &Clearing,
    published: &Arc<Published>,
    position: Position,
    fact: &Fact,
    fields: &[u16],
) -> Result<Vec<u8>, NoReceipt> {
    let book = &clearing.books.settlement;
    let root = book.root(position, fact.salt_slot).ok_or(NoReceipt::Erased(position))?;
    let mut opened: Vec<OpenedField> =
        fields.iter().filter_map(|index| fact.open(&root, *index)).collect();
    let withheld = clearing.withheld_of(fact, fields).await;
    opened.extend(withheld.map_err(NoReceipt::NoDocuments)?);
    opened.sort_by_key(|field| field.index);
    let commitments = fact.field_commitments(&root);
    let checkpoint =
        published.covers(position.number(), PATIENCE).await.ok_or(NoReceipt::NotYet(position))?;
    let prove = Arc::clone(published);
    let proving =
        tokio::task::spawn_blocking(move || prove.proof(position.number(), &checkpoint)).await;
    let proof = match proving {
        Ok(Ok(proof)) => proof,
        Ok(Err(reason)) => return Err(Failed::NotDone(reason).into()),
        Err(error) => return Err(Failed::NotDone(error.to_string()).into()),
    };
    let receipt = Receipt::new(commitments, opened, &proof)
        .map_err(|refused| Failed::NotDone(refused.to_string()))?;
    Ok(receipt.to_bytes())
}

/// Which reader a caller is. A refused payment names no account, so that a wallet that knows its
/// id (128 bits, 74 of them random, chosen by the payer's wallet) is the payer's.
async fn reader(
    clearing: &Clearing,
    caller: &Caller,
    entry: &PaymentEntry,
    fact: &Fact,
) -> Result<Reader, NoReceipt> {
    let stranger = || NoReceipt::NotAParty(caller.name().to_owned());
    match caller.role() {
        Role::Supervisor | Role::Witness => Ok(Reader::Supervisor),
        Role::Edge => institution_side(caller, fact).map(Reader::Institution).ok_or_else(stranger),
        // An outgoing payment's fact names its payee, however it ended.
        Role::Wallet if entry.ending == Ending::Settled || fact.kind == OUTGOING_ENDED => {
            party_side(clearing, caller.key(), fact).await?.map(Reader::Party).ok_or_else(stranger)
        }
        // A cancelled payment is its payer's alone: only who signed the cancellation reads it.
        Role::Wallet => match Cancelled::of_fact(fact) {
            Ok(cancelled) if cancelled.request.key != caller.key().key_id() => Err(stranger()),
            Ok(_) | Err(_) => Ok(Reader::Party(Side::Debtor)),
        },
        Role::Core | Role::Provider | Role::Issuer | Role::Operator | Role::Bank | Role::Rail => {
            Err(stranger())
        }
    }
}

/// An edge instance `bank-nl.1` speaks for the institution `bank-nl`.
#[must_use]
pub fn institution_of(caller: &Caller) -> Option<InstitutionName> {
    institution_of_edge(caller.name())
}

fn institution_of_edge(name: &str) -> Option<InstitutionName> {
    name.rsplit_once('.').map_or(name, |(institution, _)| institution).parse().ok()
}

fn institution_side(caller: &Caller, fact: &Fact) -> Option<Side> {
    let institution = institution_of(caller)?;
    if let Some(parties) = Parties::of_settled(fact) {
        return match institution {
            name if name == parties.debtor => Some(Side::Debtor),
            name if name == parties.creditor => Some(Side::Creditor),
            _ => None,
        };
    }
    let heading = &fact.heading;
    // Not by the beginning of its name: `bank-nl` is not `bank-nl2`.
    let own = |edge: &str| institution_of_edge(edge) == Some(institution);
    if heading.debtor_edge.is_some_and(|mark| own(mark.edge.as_str())) {
        Some(Side::Debtor)
    } else if heading.creditor_edge.is_some_and(|mark| own(mark.edge.as_str())) {
        Some(Side::Creditor)
    } else {
        None
    }
}

async fn party_side(
    clearing: &Clearing,
    key: PublicKey,
    fact: &Fact,
) -> Result<Option<Side>, Failed> {
    let Some(parties) = Parties::of_settled(fact) else { return Ok(None) };
    let ends = [
        (Side::Debtor, parties.debtor, parties.debited),
        (Side::Creditor, parties.creditor, parties.credited),
    ];
    let mut unasked = None;
    for (side, institution, account) in ends {
        let Some(book) = clearing.books.customers.get(&institution) else { continue };
        match book.is_owner(account, key).await {
            Ok(true) => return Ok(Some(side)),
            Ok(false) => {}
            Err(error) => unasked = Some(error),
        }
    }
    // Whoever is no party of the books that answered may be one of the book that did not.
    unasked.map_or(Ok(None), Err)
}
