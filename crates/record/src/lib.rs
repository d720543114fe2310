//! Every document and fact as data: layout, version, digest, commitments, openings. No rules.
//!
//! Start at [`fact`] for what a journal stores and how a log leaf commits to it, and at
//! [`document`] for what parties sign.

pub mod acts;
pub mod after;
pub mod bank;
mod bank_return;
pub mod decision;
pub mod document;
pub mod drill;
pub mod duty;
pub mod edges;
pub mod fact;
pub mod funding;
pub mod lease;
pub mod outgoing;
pub mod outgoing_terms;
pub mod pack_certificate;
pub mod permit;
pub mod promise;
pub mod quote;
pub mod rails;
pub mod recovery_file;
pub mod referral;
pub mod settled;
pub mod settlement;
pub mod stages;
pub mod statement;
pub mod terms_string;
pub mod travel;
pub mod trust;

pub use acts::{
    AccountLimits, AccountRestricted, Act, ActAccount, ActDecided, ActDecision, ActFellThrough,
    ActKind, ActProposed, ActTookEffect, ActVerdict, Stop, Subject,
};
pub use after::{
    AskedBack, BlockExtent, BlockOrder, BlockRelease, BookCorrected, CancellationAnswer,
    CancellationAnswered, CancellationRequest, CancellationRequested, CancellationVerdict,
    Cancelled, CaseChange, CaseChanged, CaseNotice, Correction, CorrectionMove, CreditDiverted,
    Diverted, FundsBlocked, GivenBack, GuaranteeRequest, NamelessRequest, PaymentCancelled,
    PaymentRefunded, PaymentReturned, RateGuarantee, ReleaseTo, ReturnAsk, ReturnConsent,
    ReturnOrder, ReturnParties, ReturnRate, ReturnStep, TwoPersons,
};
pub use bank::{COMPLETED_MAX, PaymentsCompleted, ProvenStep, ReturnDutyClosed};
pub use bank_return::{PROVEN_RETURN_STEP, ProvenReturnStep};
pub use decision::{
    DECISION_DOMAIN, DECISION_VERSION, DecisionOutcome, DecisionRecord, Duty, Finding,
    FindingValue, ListVersion, OpenOutcome, OpenPart, Reason, ReasonEffect, Visibility,
};
pub use document::{Document, DocumentError, Signed};
pub use drill::{
    DrillCounts, DrillReport, DrillTimes, DrillVerdict, IN_DOUBT_MAX, InDoubt, InDoubtEnd,
};
pub use duty::{DutyClosed, DutyClosing, DutyNotice, DutyOpened, EVIDENCE_ESCROW, REPORT};
pub use edges::{EdgeAccount, EdgeClosing, SpentNumber, SpentOn, StatusMark};
pub use fact::{
    Blinding, Commitment, EdgeMark, Fact, FactKind, Heading, LEAF_BYTES, OpenedFact,
    OpenedFactError, OpenedField, SaltSlot, WHOLE_KINDS_FROM, commitment_of, field_commitment,
    leaf_bytes, leaf_hash, whole_commitment,
};
pub use funding::{
    Break, BreakId, BreakKind, BreaksChanged, BusinessDayClosed, CustomerFunded, DayAccount,
    DayAsset, FileKind, FundingReference, LineBooked, LineId, LineNature, LineOutcome,
    LineResolved, LineSide, NamedBy, OutsideAccount, OutsideLine, Resolution, StatementFile,
    SuspenseReason, TransitItem,
};
pub use lease::{
    LEASE_WORDS_MAX, LeaseAcceptance, LeaseConsent, LeaseDrawn, LeaseEnd, LeaseEnded, LeaseEndedBy,
    LeaseFinal, LeaseGrant, LeaseGranted, LeaseLine, LeasePack, LeaseSnapshot, LeaseSpent,
    LeaseStep,
};
pub use outgoing::{
    OutgoingEnded, OutgoingParties, OutgoingPayment, OutgoingStep, OutgoingTaken, OutsideAddress,
};
pub use outgoing_terms::{AnyTerms, OUTGOING_TERMS_TYPE, OutgoingTerms};
pub use pack_certificate::{PackCertificate, PackCheck, PackCountersignature};
pub use permit::{
    Action, Basis, DutyClaim, EdgeNotice, LimitClaim, LimitPeriod, ListedVersion, NEUTRAL_CODE,
    PERMIT_SECONDS_MAX, PackNotice, PackStanding, Permit, Refusal, ReliedOn, Snapshot,
};
pub use promise::{
    Durability, Ending, INTEGRATE_WITHIN_SECONDS, Promise, RecoveryCertificate, Resolved,
    ResolvedEnd,
};
pub use quote::{
    Acceptance, Fee, FeeTaker, Invoice, Quote, Rate, RequestToPay, SandboxLine, SandboxStatement,
};
pub use rails::{
    OutsideEvidence, OutsideHeard, OutsideHeld, OutsideNote, OutsideParty, OutsidePosted,
    OutsideReleased, SendIntended, StuckAct, StuckDecision, StuckResolved, Withdrawal,
};
pub use recovery_file::RecoveryFile;
pub use referral::{
    AlignedWords, HitEvidence, PARTY_DOMAIN, ReferralAct, ReferralCase, ReferralEntry,
    ReferralEvent, ReferralEvidence, ReferralHit, ReferralParty, ReferralUse, ReferralVerdict,
    SEALED_EVIDENCE, party_digest, signed_digest,
};
pub use settled::{
    Blind, Documents, KeptDocuments, NotTheDocument, Settled, SettledAccounts, Withheld,
};
pub use settlement::{
    AccountProfile, BodyError, CustomerStep, FactBody, Identifiers, LedgerChanged, NOT_PROVIDED,
    Parcel, PaymentEnded, PaymentRefused, PaymentSettled, RefusedBy, ReleaseReason, SettleOrder,
};
pub use stages::{Canary, First, PackStep, Stage};
pub use statement::{PartyStatement, PostalAddress, SEALED_STATEMENT, StatedParty};
pub use terms_string::{
    ChargeBearer, MANDATE_QUERY_ID, PaymentTerms, TERMS_TYPE, TermsDiffer, TermsFee,
    TermsStringError,
};
pub use travel::{SEALED_TRAVEL, TRAVEL_RULE, TravelMark, TravelMessage, TravelReceipt};
pub use trust::{
    CorridorSide, IssuerKey, Recognised, Recognition, RegisteredClaims, RegisteredVerifier, Side,
    TrustList, TrustedInstitution, TrustedIssuer, TrustedProvider,
};
