//! Codes of ISO 20022 as enums, each with its text.
//!
//! *External* code sets grow without a new message version, so each of ours has an `Other` for a
//! code that it does not name: reading never fails on a new code, and writing gives it back.

use core::fmt;
use core::str::FromStr;

use crate::error::Rule;
use crate::node::{Fault, Node, Part, leaf};
use crate::out::Writer;
use crate::text::{Text, TextError};
use crate::time::choice;

/// A code of an external code set that the set's enum does not name: made by reading only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OtherCode(Text<4>);

impl OtherCode {
    /// The code, 1 to 4 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

macro_rules! closed {
    ($(#[$doc:meta])* $name:ident, $expected:literal
        { $($(#[$each:meta])* $variant:ident = $code:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$each])* $variant),* }

        impl $name {
            /// Every code of the set.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The code's text.
            #[must_use]
            pub const fn code(&self) -> &'static str {
                match self { $(Self::$variant => $code),* }
            }
        }

        impl FromStr for $name {
            type Err = TextError;

            fn from_str(text: &str) -> Result<Self, TextError> {
                match text {
                    $($code => Ok(Self::$variant),)*
                    _ => Err(TextError::new($expected, text)),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.code())
            }
        }

        leaf!($name, Rule::Value);
    };
}

macro_rules! open {
    ($(#[$doc:meta])* $name:ident
        { $($(#[$each:meta])* $variant:ident = $code:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$each])* $variant,)*
            /// A code of the set that has no name here.
            Other(OtherCode),
        }

        impl $name {
            /// Every code that has a name here.
            pub const NAMED: &'static [Self] = &[$(Self::$variant),*];

            /// The code's text.
            #[must_use]
            pub fn code(&self) -> &str {
                match self {
                    $(Self::$variant => $code,)*
                    Self::Other(other) => other.as_str(),
                }
            }
        }

        impl FromStr for $name {
            type Err = TextError;

            fn from_str(text: &str) -> Result<Self, TextError> {
                match text {
                    $($code => Ok(Self::$variant),)*
                    other => Ok(Self::Other(OtherCode(other.parse()?))),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.code())
            }
        }
    };
}

closed! {
    /// `CreditDebitCode`: which way an amount goes, seen from the account's owner.
    Side, "`CRDT` or `DBIT`" {
        /// More for the account's owner.
        Credit = "CRDT",
        /// Less for the account's owner.
        Debit = "DBIT",
    }
}
closed! {
    /// `ChargeBearerType1Code`: who pays the charges.
    ChargeBearer, "`DEBT`, `CRED`, `SHAR` or `SLEV`" {
        /// The debtor pays all.
        Debtor = "DEBT",
        /// The creditor pays all.
        Creditor = "CRED",
        /// Each pays its own side.
        Shared = "SHAR",
        /// As the service level says.
        ServiceLevel = "SLEV",
    }
}
closed! {
    /// `SettlementMethod1Code`: how the interbank amount settles.
    SettlementMethod, "`INDA`, `INGA`, `COVE` or `CLRG`" {
        /// On an account at the instructed agent.
        InstructedAgent = "INDA",
        /// On an account at the instructing agent.
        InstructingAgent = "INGA",
        /// By a cover payment.
        Cover = "COVE",
        /// Through a clearing system.
        Clearing = "CLRG",
    }
}
closed! {
    /// `CopyDuplicate1Code`: the message is not the first of its kind.
    CopyDuplicate, "`CODU`, `COPY` or `DUPL`" {
        /// A copy of a duplicate.
        CopyOfDuplicate = "CODU",
        /// A copy for somebody else.
        Copy = "COPY",
        /// The same message again.
        Duplicate = "DUPL",
    }
}
closed! {
    /// `CancellationIndividualStatus1Code` of camt.029: what became of a cancellation request.
    CancellationStatus, "`ACCR`, `RJCR` or `PDCR`" {
        /// Accepted.
        Accepted = "ACCR",
        /// Rejected.
        Rejected = "RJCR",
        /// Not decided yet.
        Pending = "PDCR",
    }
}

open! {
    /// `ExternalEntryStatus1Code`, in camt.053.001.02 `EntryStatus2Code`: what an entry is.
    EntryStatus {
        /// Booked: the only one that money may follow.
        Booked = "BOOK",
        /// Expected: it may still change or not happen.
        Pending = "PDNG",
        /// Of no effect on the balance.
        Information = "INFO",
        /// In the future.
        Future = "FUTR",
    }
}
open! {
    /// `ExternalBalanceType1Code`: which balance.
    BalanceType {
        /// Opening, booked.
        OpeningBooked = "OPBD",
        /// Closing, booked.
        ClosingBooked = "CLBD",
        /// Closing of the statement before.
        PreviouslyClosed = "PRCD",
        /// Within the day, booked.
        InterimBooked = "ITBD",
        /// Opening, available.
        OpeningAvailable = "OPAV",
        /// Closing, available.
        ClosingAvailable = "CLAV",
        /// Within the day, available.
        InterimAvailable = "ITAV",
        /// Available on a day to come.
        ForwardAvailable = "FWAV",
        /// Expected.
        Expected = "XPCD",
        /// For information.
        Information = "INFO",
    }
}
open! {
    /// `ExternalPaymentTransactionStatus1Code` and `ExternalPaymentGroupStatus1Code` of pacs.002.
    TransactionStatus {
        /// Received, nothing checked yet.
        Received = "RCVD",
        /// Authenticated and well-formed.
        AcceptedTechnically = "ACTC",
        /// The customer's profile was checked too.
        AcceptedCustomerProfile = "ACCP",
        /// Funds were checked too.
        AcceptedFundsChecked = "ACFC",
        /// On its way to settlement.
        AcceptedSettlementInProcess = "ACSP",
        /// Settled on the debtor's account.
        AcceptedSettlementCompleted = "ACSC",
        /// Settled on the creditor's account.
        AcceptedCreditSettlementCompleted = "ACCC",
        /// Accepted and settled, not yet credited to the customer.
        AcceptedWithoutPosting = "ACWP",
        /// Accepted with a change.
        AcceptedWithChange = "ACWC",
        /// Some of the group.
        PartiallyAccepted = "PART",
        /// Not decided yet.
        Pending = "PDNG",
        /// Blocked: the law holds it.
        Blocked = "BLCK",
        /// Rejected.
        Rejected = "RJCT",
        /// Cancelled before settlement.
        Cancelled = "CANC",
    }
}
open! {
    /// `ExternalStatusReason1Code` of pacs.002: why a status was given.
    StatusReason {
        /// Account number incorrect.
        IncorrectAccountNumber = "AC01",
        /// Debtor's account number invalid.
        InvalidDebtorAccountNumber = "AC02",
        /// Creditor's account number invalid.
        InvalidCreditorAccountNumber = "AC03",
        /// Account closed.
        ClosedAccount = "AC04",
        /// Account blocked.
        BlockedAccount = "AC06",
        /// Transaction forbidden on this account.
        TransactionForbidden = "AG01",
        /// This kind of transaction is not served.
        TransactionNotSupported = "AG03",
        /// Agent suspended.
        AgentSuspended = "AG10",
        /// Amount zero.
        ZeroAmount = "AM01",
        /// Amount above what is allowed.
        NotAllowedAmount = "AM02",
        /// Currency not allowed.
        NotAllowedCurrency = "AM03",
        /// Funds insufficient.
        InsufficientFunds = "AM04",
        /// The same again.
        Duplication = "AM05",
        /// Amount below what is allowed.
        TooLowAmount = "AM06",
        /// Amount blocked.
        BlockedAmount = "AM07",
        /// Amount not as agreed.
        WrongAmount = "AM09",
        /// The currency is not served, or missing.
        InvalidTransactionCurrency = "AM11",
        /// Amount above the clearing system's limit.
        AmountExceedsClearingLimit = "AM13",
        /// Amount above the agreed limit.
        AmountExceedsAgreedLimit = "AM14",
        /// Name and account do not belong together.
        InconsistentWithEndCustomer = "BE01",
        /// End customer unknown at the agent.
        UnknownEndCustomer = "BE06",
        /// Signer may not sign for this account.
        NotAllowedAccount = "DS0H",
        /// Order and signatures do not belong together.
        SignaturesDoNotMatch = "DS17",
        /// One signer signed twice.
        UserSignedMultipleTimes = "DS26",
        /// The payment is there already.
        DuplicatePayment = "DUPL",
        /// Date not valid.
        InvalidDate = "DT01",
        /// Settlement failed.
        SettlementFailed = "ED05",
        /// Settlement system not available.
        SettlementSystemNotAvailable = "ED06",
        /// Format of the file.
        InvalidFileFormat = "FF01",
        /// The bank's systems could not process it.
        BankSystemProcessingError = "FF10",
        /// Mandate missing.
        NoMandate = "MD01",
        /// Reason not given by the customer.
        NotSpecifiedByCustomer = "MS02",
        /// Reason not given by the agent.
        NotSpecifiedByAgent = "MS03",
        /// Reference already used.
        NotUniqueTransactionReference = "RF01",
        /// Debtor's account or identification missing.
        MissingDebtorAccount = "RR01",
        /// Debtor's name or address missing.
        MissingDebtorName = "RR02",
        /// Creditor's name or address missing.
        MissingCreditorName = "RR03",
        /// Regulation.
        Regulatory = "RR04",
        /// Agent's identification not valid.
        BankIdentifierIncorrect = "RC01",
        /// After the cut-off.
        CutOffTime = "TM01",
        /// Aborted because it took too long.
        TimeOut = "AB03",
        /// Told in words.
        Narrative = "NARR",
    }
}
open! {
    /// `ExternalReturnReason1Code` of pacs.004 and of returns in statements.
    ReturnReason {
        /// Account number incorrect.
        IncorrectAccountNumber = "AC01",
        /// Creditor's account number invalid.
        InvalidCreditorAccountNumber = "AC03",
        /// Account closed.
        ClosedAccount = "AC04",
        /// Creditor's account closed.
        ClosedCreditorAccount = "AC07",
        /// Account blocked.
        BlockedAccount = "AC06",
        /// Transaction forbidden on this account.
        TransactionForbidden = "AG01",
        /// Currency not allowed.
        NotAllowedCurrency = "AM03",
        /// The same again.
        Duplication = "AM05",
        /// Amount not as agreed.
        WrongAmount = "AM09",
        /// Name and account do not belong together.
        InconsistentWithEndCustomer = "BE01",
        /// End customer unknown at the agent.
        UnknownEndCustomer = "BE06",
        /// The customer asked for its cancellation.
        RequestedByCustomer = "CUST",
        /// After a request for cancellation.
        FollowingCancellationRequest = "FOCR",
        /// Fraud.
        Fraud = "FR01",
        /// Reason not given by the customer.
        NotSpecifiedByCustomer = "MS02",
        /// Reason not given by the agent.
        NotSpecifiedByAgent = "MS03",
        /// The customer does not answer.
        NoAnswerFromCustomer = "NOAS",
        /// Debtor's account or identification missing.
        MissingDebtorAccount = "RR01",
        /// Debtor's name or address missing.
        MissingDebtorName = "RR02",
        /// Creditor's name or address missing.
        MissingCreditorName = "RR03",
        /// Regulation.
        Regulatory = "RR04",
        /// Agent's identification not valid.
        BankIdentifierIncorrect = "RC01",
        /// Sent by a technical error.
        TechnicalProblem = "DS28",
        /// Told in words.
        Narrative = "NARR",
    }
}
open! {
    /// `ExternalCancellationReason1Code` of camt.056: why somebody asks for a cancellation.
    CancellationReason {
        /// Sent twice.
        Duplicate = "DUPL",
        /// Agent wrong.
        IncorrectAgent = "AGNT",
        /// Currency wrong.
        IncorrectCurrency = "CURR",
        /// The customer asks.
        RequestedByCustomer = "CUST",
        /// Cover payment cancelled or returned.
        CoverCancelled = "COVR",
        /// Suspicion of fraud.
        FraudulentOrigin = "FRAD",
        /// Amount wrong.
        IncorrectAmount = "AM09",
        /// Account number wrong.
        IncorrectAccountNumber = "AC03",
        /// Sent by a technical error.
        TechnicalProblem = "TECH",
        /// Not owed.
        UnduePayment = "UPAY",
        /// Told in words.
        Narrative = "NARR",
    }
}
open! {
    /// `ExternalPaymentCancellationRejection1Code` of camt.029: why a request was rejected.
    CancellationRejection {
        /// The agent decided so.
        AgentDecision = "AGNT",
        /// The customer decided so.
        CustomerDecision = "CUST",
        /// No such transaction was received.
        NoOriginalTransaction = "NOOR",
        /// Already returned.
        AlreadyReturned = "ARDT",
        /// The customer does not answer.
        NoAnswerFromCustomer = "NOAS",
        /// Account closed.
        ClosedAccount = "AC04",
        /// Funds insufficient.
        InsufficientFunds = "AM04",
        /// Law or court.
        LegalDecision = "LEGL",
        /// Told in words.
        Narrative = "NARR",
        /// The request was passed on to the next agent.
        PassedToNextAgent = "PTNA",
        /// The agent asks its customer.
        RequestedDebitAuthority = "RQDA",
    }
}
open! {
    /// `ExternalInvestigationExecutionConfirmation1Code` of camt.029: how the case ended.
    InvestigationConfirmation {
        /// Cancelled as asked.
        Cancelled = "CNCL",
        /// The cancellation is rejected.
        CancellationRejected = "RJCR",
        /// Not decided yet.
        CancellationPending = "PDCR",
        /// Payment started.
        PaymentInitiated = "IPAY",
        /// Modified as asked.
        Modified = "MODI",
        /// Some of it cancelled.
        PartiallyCancelled = "PECR",
    }
}

leaf!(BalanceType, Rule::Value);
leaf!(TransactionStatus, Rule::Value);
leaf!(StatusReason, Rule::Value);
leaf!(ReturnReason, Rule::Value);
leaf!(CancellationReason, Rule::Value);
leaf!(CancellationRejection, Rule::Value);
leaf!(InvestigationConfirmation, Rule::Value);
leaf!(EntryStatus, Rule::Value);

/// A code of a set, or the sender's own word: `Cd` or `Prtry`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Choice<C> {
    /// `Cd`.
    Code(C),
    /// `Prtry`.
    Proprietary(Text<35>),
}

impl<C> Choice<C> {
    /// The code, when it is one.
    #[must_use]
    pub const fn code(&self) -> Option<&C> {
        match self {
            Self::Code(code) => Some(code),
            Self::Proprietary(_) => None,
        }
    }
}

impl<C: Part> Part for Choice<C> {
    fn read(node: Node<'_>) -> Result<Self, Fault> {
        // The status of an entry was a plain code in camt.053.001.02.
        if node.scope.old && node.element.children.is_empty() {
            return C::read(node).map(Self::Code);
        }
        node.complex()?;
        match (node.one("Cd")?, node.one("Prtry")?) {
            (Some(code), None) => C::read(code).map(Self::Code),
            (None, Some(own)) => Text::read(own).map(Self::Proprietary),
            (Some(_), Some(_)) => Err(choice(node, "one of `Cd` and `Prtry`", "both")),
            (None, None) => Err(choice(node, "one of `Cd` and `Prtry`", "neither")),
        }
    }

    fn write(&self, out: &mut Writer, name: &str) {
        out.open(name);
        match self {
            Self::Code(code) => code.write(out, "Cd"),
            Self::Proprietary(own) => own.write(out, "Prtry"),
        }
        out.close(name);
    }
}

impl Part for bool {
    fn read(node: Node<'_>) -> Result<Self, Fault> {
        match node.collapsed()? {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            other => Err(node.wrong("`true` or `false`", other)),
        }
    }

    fn write(&self, out: &mut Writer, name: &str) {
        out.value(name, if *self { "true" } else { "false" });
    }
}

impl Part for u64 {
    /// `Max15NumericText` or `Number` without sign: at most 18 digits. The latter is a decimal
    /// without fraction, so that `7.00` is a way to write 7.
    fn read(node: Node<'_>) -> Result<Self, Fault> {
        let text = node.collapsed()?;
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = (1..=18).contains(&whole.len())
            && whole.bytes().all(|b| b.is_ascii_digit())
            && fraction.len() <= 17
            && fraction.bytes().all(|b| b == b'0');
        let number = digits.then(|| whole.parse().ok()).flatten();
        number.ok_or_else(|| node.wrong("a count of at most 18 digits", text))
    }

    fn write(&self, out: &mut Writer, name: &str) {
        out.value(name, &self.to_string());
    }
}

impl Part for terms::Uetr {
    fn read(node: Node<'_>) -> Result<Self, Fault> {
        let text = node.value()?;
        text.parse().map_err(|_| node.wrong("a UETR: a lower-case UUID of version 4", text))
    }

    fn write(&self, out: &mut Writer, name: &str) {
        out.value(name, &self.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_text_that_reads_back() {
        fn all<C: FromStr + PartialEq + fmt::Debug>(codes: &[C], text: impl Fn(&C) -> String)
        where
            C::Err: fmt::Debug,
        {
            let mut seen = Vec::new();
            for code in codes {
                assert_eq!(&text(code).parse::<C>().unwrap(), code);
                assert!(!seen.contains(&text(code)), "{code:?}");
                seen.push(text(code));
            }
        }
        all(Side::ALL, ToString::to_string);
        all(ChargeBearer::ALL, ToString::to_string);
        all(SettlementMethod::ALL, ToString::to_string);
        all(CopyDuplicate::ALL, ToString::to_string);
        all(CancellationStatus::ALL, ToString::to_string);
        all(EntryStatus::NAMED, ToString::to_string);
        all(BalanceType::NAMED, ToString::to_string);
        all(TransactionStatus::NAMED, ToString::to_string);
        all(StatusReason::NAMED, ToString::to_string);
        all(ReturnReason::NAMED, ToString::to_string);
        all(CancellationReason::NAMED, ToString::to_string);
        all(CancellationRejection::NAMED, ToString::to_string);
        all(InvestigationConfirmation::NAMED, ToString::to_string);
    }

    #[test]
    fn a_code_without_a_name_is_kept_and_a_long_one_refused() {
        let other: StatusReason = "ZZ99".parse().unwrap();
        assert!(matches!(other, StatusReason::Other(_)));
        assert_eq!(other.to_string(), "ZZ99");
        assert!("ZZ999".parse::<StatusReason>().is_err());
        assert!("".parse::<StatusReason>().is_err());
        assert!("crdt".parse::<Side>().is_err());
    }
}
