//! Facts of money that comes in from outside, of breaks, and of the close of a business day.
//!
//! Each has one field of its own, the array that stands here; a posting lies in it as the ledger's
//! own canonical bytes. No name of a party and no remittance text is kept: the settlement book
//! holds pseudonymous ids, amounts and references only.

use core::fmt;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use seal::{Digest, to_canonical};
use terms::{
    AccountId, Amount, AssetCode, BusinessDate, Instant, InstitutionName, Minor, Position,
    TransactionId,
};

use crate::fact::{FactKind, HEADING_FIELDS};
use crate::settlement::{BodyError, FactBody, Fields};

/// Where an asset's money lies outside, and who is credited by which reference. Settlement book.
pub const OUTSIDE_ACCOUNT_NAMED: FactKind = FactKind { number: 14, version: 1 };
/// A file of statements or notifications was taken. Settlement book.
pub const STATEMENT_FILE_TAKEN: FactKind = FactKind { number: 15, version: 1 };
/// A booked line of an outside account counted, once for ever. Settlement book.
pub const OUTSIDE_LINE_BOOKED: FactKind = FactKind { number: 16, version: 1 };
/// A person's word on a line that was in suspense or broke. Settlement book.
pub const OUTSIDE_LINE_RESOLVED: FactKind = FactKind { number: 17, version: 1 };
/// Breaks opened and closed. Settlement book.
pub const BREAKS_CHANGED: FactKind = FactKind { number: 18, version: 1 };
/// A business day ended. Settlement book.
pub const BUSINESS_DAY_CLOSED: FactKind = FactKind { number: 19, version: 1 };
/// A customer was credited for a line of an outside account. Customers' books.
pub const CUSTOMER_FUNDED: FactKind = FactKind { number: 40, version: 1 };

/// A line of an outside account, the same in every file that tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct LineId(#[n(0)] pub Digest);

impl fmt::Display for LineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A break, the same at each reconciliation that finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct BreakId(#[n(0)] pub Digest);

/// Which way a line moves the outside account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum LineSide {
    /// Money came in.
    #[n(0)]
    Credit,
    /// Money went out.
    #[n(1)]
    Debit,
}

impl LineSide {
    /// The word for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Credit => "credit",
            Self::Debit => "debit",
        }
    }
}

/// Whether a line takes an earlier one back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum LineNature {
    /// Money moved.
    #[n(0)]
    Movement,
    /// An earlier movement is taken back (`RvslInd`).
    #[n(1)]
    Reversal,
}

/// The outside account of an asset.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct OutsideAccount {
    /// Whose money it mirrors.
    #[n(0)]
    pub asset: AssetCode,
    /// IBAN, or the servicer's other number.
    #[n(1)]
    pub number: String,
    /// BIC of the bank that keeps it.
    #[n(2)]
    pub servicer: String,
    /// Its mirror in the settlement book.
    #[n(3)]
    pub control: AccountId,
    /// Where money waits whose destination is not known.
    #[n(4)]
    pub suspense: AccountId,
    /// Who answers for what is open: the operator.
    #[n(5)]
    pub owner: InstitutionName,
    /// What a line says to credit a participant.
    #[n(6)]
    pub references: Vec<FundingReference>,
}

/// A participant's word in a remittance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct FundingReference {
    /// The word, compared without case.
    #[n(0)]
    pub reference: String,
    /// Who is meant.
    #[n(1)]
    pub participant: InstitutionName,
}

/// Which message a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum FileKind {
    /// camt.054.
    #[n(0)]
    Notification,
    /// camt.053.
    #[n(1)]
    Statement,
}

/// A file that was taken. The bytes are kept beside the book, under their digest.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct StatementFile {
    /// SHA-256 of the bytes.
    #[n(0)]
    pub digest: Digest,
    /// Its message id.
    #[n(1)]
    pub message_id: String,
    /// BIC of the bank that sent it.
    #[n(2)]
    pub servicer: String,
    /// Which message.
    #[n(3)]
    pub kind: FileKind,
    /// The day on which the bank made it.
    #[n(4)]
    pub created_on: BusinessDate,
    /// Its booked lines, each once.
    #[n(5)]
    pub lines: Vec<LineId>,
}

/// A booked line of an outside account.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct OutsideLine {
    /// Its identity.
    #[n(0)]
    pub line: LineId,
    /// How much.
    #[n(1)]
    pub amount: Amount,
    /// Which way.
    #[n(2)]
    pub side: LineSide,
    /// Movement or reversal.
    #[n(3)]
    pub nature: LineNature,
    /// The servicer's name for it.
    #[n(4)]
    pub reference: String,
    /// The day on which the servicer booked it.
    #[n(5)]
    pub booked_on: BusinessDate,
    /// Which name that is.
    #[n(6)]
    pub named_by: NamedBy,
}

/// By which of its names a line is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum NamedBy {
    /// `AcctSvcrRef`: the bank's own, the same in every message.
    #[n(0)]
    Servicer,
    /// `NtryRef`: unique within its statement only.
    #[n(1)]
    Entry,
}

/// Why money waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum SuspenseReason {
    /// No reference names a participant.
    #[n(0)]
    NoParticipant,
    /// References name several.
    #[n(1)]
    SeveralParticipants,
    /// The participant has no account of this asset, or the account takes no credit.
    #[n(2)]
    NotCreditable,
    /// One line sums several transactions up.
    #[n(3)]
    Batch,
    /// A debit that came before is taken back.
    #[n(4)]
    Reversal,
}

impl SuspenseReason {
    /// Words for people.
    #[must_use]
    pub const fn for_people(self) -> &'static str {
        match self {
            Self::NoParticipant => "no reference names a participant",
            Self::SeveralParticipants => "references name several participants",
            Self::NotCreditable => "the participant's account takes no credit",
            Self::Batch => "one line sums several transactions up",
            Self::Reversal => "an earlier debit is taken back",
        }
    }
}

/// What a line led to.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum LineOutcome {
    /// A participant's settlement account was credited.
    #[n(0)]
    Credited {
        /// Who.
        #[n(0)]
        participant: InstitutionName,
        /// Its settlement account.
        #[n(1)]
        account: AccountId,
        /// The customer's account that the line names in the participant's own book.
        #[n(2)]
        customer: Option<AccountId>,
    },
    /// The money waits in the suspense account.
    #[n(1)]
    Suspense(#[n(0)] SuspenseReason),
    /// It is what a return out of suspense, or a defunding, waited for.
    #[n(2)]
    Confirmed {
        /// What it confirms, by name.
        #[n(0)]
        of: String,
    },
    /// Money went out that nobody here sent: a break, nothing posted.
    #[n(3)]
    Unmatched,
}

/// A line that counted.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct LineBooked {
    /// The line.
    #[n(0)]
    pub line: OutsideLine,
    /// The file in which it came first.
    #[n(1)]
    pub file: Digest,
    /// What it led to.
    #[n(2)]
    pub outcome: LineOutcome,
    /// The ledger's change; empty when nothing was posted.
    #[n(3)]
    pub change: ByteVec,
    /// The item in suspense whose return it confirms.
    #[n(4)]
    pub returns: Option<LineId>,
}

/// What a person did about a line.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Resolution {
    /// Money in suspense went to a participant.
    #[n(0)]
    Released {
        /// To whom.
        #[n(0)]
        participant: InstitutionName,
        /// Its settlement account.
        #[n(1)]
        account: AccountId,
    },
    /// Money in suspense is to go back; it stays there until a debit line confirms it.
    #[n(1)]
    ReturnOrdered {
        /// The word that the debit line will say.
        #[n(0)]
        reference: String,
    },
    /// A debit that nobody sent is borne by this account, such as a bank's charge.
    #[n(2)]
    Charged {
        /// Whose.
        #[n(0)]
        bearer: InstitutionName,
        /// Its account.
        #[n(1)]
        account: AccountId,
    },
}

/// A line that a person dealt with.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct LineResolved {
    /// Which line.
    #[n(0)]
    pub line: LineId,
    /// What was done.
    #[n(1)]
    pub resolution: Resolution,
    /// Who said so.
    #[n(2)]
    pub by: String,
    /// Why.
    #[n(3)]
    pub reason: String,
    /// The ledger's change; empty when nothing was posted.
    #[n(4)]
    pub change: ByteVec,
}

/// What does not agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum BreakKind {
    /// The statement has a line that the book lacks.
    #[n(0)]
    MissingInBook,
    /// The book has a line that the statement lacks.
    #[n(1)]
    MissingInStatement,
    /// Both have it, with another amount.
    #[n(2)]
    AmountDiffers,
    /// The statement has it twice.
    #[n(3)]
    Duplicated,
    /// The statement begins with another balance than the book had.
    #[n(4)]
    OpeningBalance,
    /// The statement ends with another balance than its own lines lead to.
    #[n(5)]
    ClosingBalance,
    /// Money went out that nobody here sent.
    #[n(6)]
    DebitUnmatched,
    /// An earlier credit was taken back.
    #[n(7)]
    CreditReversed,
    /// The book owes another sum than confirmed lines account for.
    #[n(8)]
    Unconfirmed,
}

impl BreakKind {
    /// Words for people.
    #[must_use]
    pub const fn for_people(self) -> &'static str {
        match self {
            Self::MissingInBook => "missing in the book",
            Self::MissingInStatement => "missing in the statement",
            Self::AmountDiffers => "differing amount",
            Self::Duplicated => "twice in the statement",
            Self::OpeningBalance => "opening balance differs from the book's",
            Self::ClosingBalance => "closing balance differs from the statement's own lines",
            Self::DebitUnmatched => "a debit that nobody here sent",
            Self::CreditReversed => "an earlier credit taken back",
            Self::Unconfirmed => "owed by the book and confirmed by no line",
        }
    }
}

/// Something that does not agree, until it does.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Break {
    /// Its identity.
    #[n(0)]
    pub id: BreakId,
    /// What does not agree.
    #[n(1)]
    pub kind: BreakKind,
    /// By how much.
    #[n(2)]
    pub amount: Amount,
    /// Which way the outside account would have to move for both to agree, or did.
    #[n(3)]
    pub side: LineSide,
    /// The servicer's name of the line; empty for a balance.
    #[n(4)]
    pub reference: String,
    /// The day that it belongs to.
    #[n(5)]
    pub on: BusinessDate,
    /// Who answers for it.
    #[n(6)]
    pub owner: InstitutionName,
    /// When it was found first.
    #[n(7)]
    pub opened_at: Instant,
    /// The line, where it is about one.
    #[n(8)]
    pub line: Option<LineId>,
}

/// Breaks that opened and closed at once.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct BreaksChanged {
    /// New ones.
    #[n(0)]
    pub opened: Vec<Break>,
    /// Those that agree now.
    #[n(1)]
    pub closed: Vec<BreakId>,
    /// The statement or file that showed it.
    #[n(2)]
    pub file: Digest,
}

/// An account over one business day, in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct DayAccount {
    /// Which.
    #[n(0)]
    pub account: AccountId,
    /// Of what.
    #[n(1)]
    pub asset: AssetCode,
    /// Whose.
    #[n(2)]
    pub owner: InstitutionName,
    /// What it is for, in a word: `settlement`, `control`, `fee`, `suspense` ….
    #[n(3)]
    pub purpose: String,
    /// All debits before the day.
    #[n(4)]
    pub debits_before: Minor,
    /// All credits before the day.
    #[n(5)]
    pub credits_before: Minor,
    /// Debits of the day.
    #[n(6)]
    pub debits: Minor,
    /// Credits of the day.
    #[n(7)]
    pub credits: Minor,
    /// The lowest balance of the day on its own side, the first one included.
    #[n(8)]
    pub low_water: Minor,
}

/// An asset at the end of a business day.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct DayAsset {
    /// Which.
    #[n(0)]
    pub asset: AssetCode,
    /// Debits of the day, over all accounts.
    #[n(1)]
    pub debits: Minor,
    /// Credits of the day: the same, or the book is broken.
    #[n(2)]
    pub credits: Minor,
    /// What the book owes at the end.
    #[n(3)]
    pub liabilities: Minor,
    /// What came into the outside account by confirmed lines, ever.
    #[n(4)]
    pub confirmed_in: Minor,
    /// What left it by confirmed lines, ever.
    #[n(5)]
    pub confirmed_out: Minor,
}

/// Money that is named and not yet where it belongs.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct TransitItem {
    /// The line that it came by.
    #[n(0)]
    pub line: LineId,
    /// How much.
    #[n(1)]
    pub amount: Amount,
    /// What it waits for.
    #[n(2)]
    pub what: String,
    /// Since when.
    #[n(3)]
    pub since: Instant,
}

/// A business day that ended. What comes after this fact carries a later date.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct BusinessDayClosed {
    /// The day.
    #[n(0)]
    pub date: BusinessDate,
    /// The day that was closed before it.
    #[n(1)]
    pub previous: Option<BusinessDate>,
    /// The last position that posted something on this day or an earlier one.
    #[n(2)]
    pub last: Option<Position>,
    /// The writer's stamp.
    #[n(3)]
    pub closed_at: Instant,
    /// Totals by asset.
    #[n(4)]
    pub assets: Vec<DayAsset>,
    /// Every account that ever moved: its position.
    #[n(5)]
    pub accounts: Vec<DayAccount>,
    /// Money in suspense and on its way.
    #[n(6)]
    pub in_transit: Vec<TransitItem>,
    /// Breaks that are open.
    #[n(7)]
    pub breaks: Vec<Break>,
}

/// A customer's credit for a line of an outside account.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct CustomerFunded {
    /// The line.
    #[n(0)]
    pub line: LineId,
    /// Where the settlement book credited the institution.
    #[n(1)]
    pub settled: Position,
    /// The account that was credited: the named one, or the institution's suspense account. What
    /// the law blocks for the named one lies in the institution's blocked funds: see the change.
    #[n(2)]
    pub account: AccountId,
    /// The ledger's change.
    #[n(3)]
    pub change: ByteVec,
    /// The transaction of the ledger.
    #[n(4)]
    pub transaction: TransactionId,
}

macro_rules! one_field {
    ($($body:ident = $kind:ident),* $(,)?) => {
        $(impl FactBody for $body {
            const KIND: FactKind = $kind;

            fn fields(&self) -> Vec<Vec<u8>> {
                vec![to_canonical(self)]
            }

            fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
                fields.value(HEADING_FIELDS)
            }
        })*
    };
}

one_field! {
    OutsideAccount = OUTSIDE_ACCOUNT_NAMED,
    StatementFile = STATEMENT_FILE_TAKEN,
    LineBooked = OUTSIDE_LINE_BOOKED,
    LineResolved = OUTSIDE_LINE_RESOLVED,
    BreaksChanged = BREAKS_CHANGED,
    BusinessDayClosed = BUSINESS_DAY_CLOSED,
    CustomerFunded = CUSTOMER_FUNDED,
}
