//! Numbers of the wire with their names: faults, outcomes, rules, fields. Never reused.

/// Declares an enum whose variants have a number on the wire, a name for programs and a sentence
/// for people. One list, so that the three cannot disagree.
macro_rules! codes {
    ($(#[$doc:meta])* $enum:ident, $int:ty {
        $($variant:ident = $number:literal, $name:literal, $says:literal;)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $enum {
            $(#[doc = concat!("`", $name, "`: ", $says, ".")] $variant,)*
        }

        impl $enum {
            /// All of them, by number.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The number on the wire.
            #[must_use]
            pub const fn code(self) -> $int {
                match self { $(Self::$variant => $number,)* }
            }

            /// What has this number; `None` when it was added after this build.
            #[must_use]
            pub const fn from_code(code: $int) -> Option<Self> {
                match code { $($number => Some(Self::$variant),)* _ => None }
            }

            /// The name, for programs.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What has this name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }

            /// What it means, for people.
            #[must_use]
            pub const fn says(self) -> &'static str {
                match self { $(Self::$variant => $says,)* }
            }
        }

        impl core::fmt::Display for $enum {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.says())
            }
        }
    };
}
pub(crate) use codes;

codes! {
    /// Why a connection ends. After the fault the server closes.
    FaultCode, u16 {
        ProtocolVersion = 1, "protocol_version", "the server speaks another protocol version";
        WrongBook = 2, "wrong_book", "the server keeps another book";
        UnknownKey = 3, "unknown_key", "no client of this book is registered with this key";
        BadProof = 4, "bad_proof", "the signature is not that of the registered key over this handshake";
        TlsRequired = 5, "tls_required", "this server takes plain TCP from no such address: use TLS";
        TlsUnavailable = 6, "tls_unavailable", "this server has no certificate: use plain TCP on loopback";
        Malformed = 7, "malformed", "the frame is not what its kind says";
        Damaged = 8, "damaged", "the check of the frame does not fit its bytes";
        TooLarge = 9, "too_large", "the frame is larger than the limits of the welcome";
        Unexpected = 10, "unexpected", "a frame of this kind may not stand here";
        RequestIdNotRising = 11, "request_id_not_rising", "request ids must rise on a connection";
        HandshakeTimeout = 12, "handshake_timeout", "the handshake took too long";
        FrameTimeout = 13, "frame_timeout", "a frame was begun and not finished in time";
        Idle = 14, "idle", "nothing came for too long";
        TooManyConnections = 15, "too_many_connections", "the server has as many connections as it may";
        Stopping = 16, "stopping", "the server stops";
        TooManyOfClient = 17, "too_many_of_client", "this client has as many connections as it may";
        BookUnavailable = 18, "book_unavailable", "the server keeps this book and cannot serve it now";
    }
}

codes! {
    /// Why a request as a whole was refused: the same bytes will be refused again.
    RefusedCode, u16 {
        Malformed = 1, "malformed", "the request is not what its kind says";
        Undecodable = 2, "undecodable", "a command or query is not in its canonical encoding";
        NotPermitted = 3, "not_permitted", "this client may not do this";
        Unsupported = 4, "unsupported", "this server does not do this";
        TooLarge = 5, "too_large", "more is asked for together than one batch takes";
    }
}

codes! {
    /// Why a request was surely not done: the same bytes may be sent again later.
    NotDoneCode, u16 {
        Busy = 1, "busy", "the queue is full";
        TooLarge = 2, "too_large", "the request is larger than the server takes now";
        Fenced = 3, "fenced", "another writer has taken over the book";
        Stopped = 4, "stopped", "the book is stopped";
        Late = 5, "late", "the deadline had passed before it was begun";
        NotReady = 6, "not_ready", "what was asked for has not been reached yet";
    }
}

codes! {
    /// Why nobody can say whether a request was done: ask by id.
    UnknownCode, u16 {
        Unanswered = 1, "unanswered", "the request was taken and dropped without an answer";
        Fenced = 2, "fenced", "another writer took over while it was being recorded";
        Storage = 3, "storage", "the disk failed while it was being recorded";
    }
}

codes! {
    /// The rule that refused an item. A rule's number is not its precedence.
    Rule, u16 {
        IdUsedWithOtherContent = 1, "id_used_with_other_content", "the id was used before with other content";
        EntriesOutOfRange = 2, "entries_out_of_range", "too few or too many entries";
        LimitsOutOfRange = 3, "limits_out_of_range", "too many limits";
        LinksOutOfRange = 4, "links_out_of_range", "too many links";
        AmountMustBePositive = 5, "amount_must_be_positive", "the amount is nothing";
        HoldsMustDiffer = 6, "holds_must_differ", "one hold stands in two entries";
        LimitsMustDiffer = 7, "limits_must_differ", "two limits bound one total";
        UnknownAccount = 8, "unknown_account", "there is no such account";
        UnknownHold = 9, "unknown_hold", "there is no such hold";
        HoldAlreadyPosted = 10, "hold_already_posted", "the hold was posted";
        HoldAlreadyVoided = 11, "hold_already_voided", "the hold was voided";
        HoldAlreadyExpired = 12, "hold_already_expired", "the hold has expired";
        HoldAlreadyPinned = 13, "hold_already_pinned", "the hold is pinned already";
        EvidenceRequired = 14, "evidence_required", "the hold is pinned: evidence that nothing was done is required";
        HoldAccountDiffers = 15, "hold_account_differs", "the entry's account is not the hold's";
        HoldSideDiffers = 16, "hold_side_differs", "the entry's side is not the hold's";
        AmountExceedsHold = 17, "amount_exceeds_hold", "more would be posted than is held";
        LimitAssetDiffers = 18, "limit_asset_differs", "a limit bounds another asset than the one that moves";
        DebitsMustEqualCredits = 19, "debits_must_equal_credits", "an asset does not balance";
        ExpiryMustBeLater = 20, "expiry_must_be_later", "the hold would never be open";
        AccountClosed = 21, "account_closed", "the account is closed";
        AccountFrozen = 22, "account_frozen", "the account is frozen on that side";
        AmountTooLarge = 23, "amount_too_large", "a sum would not fit in 128 bits";
        InsufficientFunds = 24, "insufficient_funds", "less is available than would leave";
        CeilingExceeded = 25, "ceiling_exceeded", "the balance would rise above the ceiling";
        VelocityAmountExceeded = 26, "velocity_amount_exceeded", "the period's total would pass its limit";
        VelocityCountExceeded = 27, "velocity_count_exceeded", "the period's count would pass its limit";
        BalanceOutsideLimits = 28, "balance_outside_limits", "the balance already lies outside the new limits";
        AccountNotEmpty = 29, "account_not_empty", "the account has a balance or a hold";
        MetadataOutOfRange = 30, "metadata_out_of_range", "too many metadata entries";
        MetadataTooLarge = 31, "metadata_too_large", "the metadata has too many bytes";
        MetadataKeysMustDiffer = 32, "metadata_keys_must_differ", "a metadata key stands twice";
        WeightMustBePositive = 33, "weight_must_be_positive", "a share has no weight";
        RemaindersMustDiffer = 34, "remainders_must_differ", "two lines take the remainder of one asset";
        SharesMustFaceOneWay = 35, "shares_must_face_one_way", "the shares of one asset stand on both sides";
        EverythingMustBeBounded = 36, "everything_must_be_bounded", "all that is available has no bound on an account without a floor";
        NothingToMove = 37, "nothing_to_move", "there is nothing to move";
        LimitPeriodOver = 38, "limit_period_over", "the limit's period is over for too long";
        HoldPartsOutOfRange = 39, "hold_parts_out_of_range", "the hold was posted in too many parts";
        LimitPeriodTooFar = 40, "limit_period_too_far", "the limit's period lies too far ahead";
    }
}

impl Rule {
    /// Whether the same command, under a new id, may succeed later without being changed. The
    /// ledger says it of its refusals, and both say the same of each rule.
    #[must_use]
    pub const fn may_retry_help(self) -> bool {
        match self {
            Self::NothingToMove
            | Self::LimitPeriodTooFar
            | Self::AccountFrozen
            | Self::InsufficientFunds
            | Self::CeilingExceeded
            | Self::VelocityAmountExceeded
            | Self::VelocityCountExceeded
            | Self::BalanceOutsideLimits
            | Self::AccountNotEmpty => true,
            Self::IdUsedWithOtherContent
            | Self::EntriesOutOfRange
            | Self::LimitsOutOfRange
            | Self::LinksOutOfRange
            | Self::AmountMustBePositive
            | Self::HoldsMustDiffer
            | Self::LimitsMustDiffer
            | Self::UnknownAccount
            | Self::UnknownHold
            | Self::HoldAlreadyPosted
            | Self::HoldAlreadyVoided
            | Self::HoldAlreadyExpired
            | Self::HoldAlreadyPinned
            | Self::EvidenceRequired
            | Self::HoldAccountDiffers
            | Self::HoldSideDiffers
            | Self::AmountExceedsHold
            | Self::LimitAssetDiffers
            | Self::DebitsMustEqualCredits
            | Self::ExpiryMustBeLater
            | Self::AccountClosed
            | Self::AmountTooLarge
            | Self::MetadataOutOfRange
            | Self::MetadataTooLarge
            | Self::MetadataKeysMustDiffer
            | Self::WeightMustBePositive
            | Self::RemaindersMustDiffer
            | Self::SharesMustFaceOneWay
            | Self::EverythingMustBeBounded
            | Self::LimitPeriodOver
            | Self::HoldPartsOutOfRange => false,
        }
    }
}

codes! {
    /// The field that differs or that a rule speaks of.
    Field, u8 {
        BusinessDate = 1, "business_date", "the business date";
        Reason = 2, "reason", "the reason";
        Entries = 3, "entries", "the entries";
        Claims = 4, "claims", "the claims";
        Links = 5, "links", "the links";
        Account = 6, "account", "the account";
        Side = 7, "side", "the side";
        Amount = 8, "amount", "the amount";
        Term = 9, "term", "the term";
        Limits = 10, "limits", "the limits";
        Effective = 11, "effective", "the effective instant";
        Code = 12, "code", "the code";
        Asset = 13, "asset", "the asset";
        Normal = 14, "normal", "the normal side";
        Owner = 15, "owner", "the owner";
        Purpose = 16, "purpose", "the purpose";
        Floor = 17, "floor", "the floor";
        Ceiling = 18, "ceiling", "the ceiling";
        Hold = 19, "hold", "the hold";
        Marks = 20, "marks", "the code and tags";
        Metadata = 21, "metadata", "the metadata";
        Lines = 22, "lines", "the lines";
        Detail = 23, "detail", "what it says beside its entries";
        Command = 24, "command", "the command";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! leads_back {
        ($test:ident, $enum:ident) => {
            #[test]
            fn $test() {
                for (number, one) in (1..).zip($enum::ALL) {
                    assert_eq!(one.code(), number);
                    assert_eq!($enum::from_code(one.code()), Some(*one));
                    assert_eq!($enum::named(one.name()), Some(*one));
                }
                assert_eq!($enum::from_code(0), None);
                assert_eq!($enum::named("nothing"), None);
            }
        };
    }

    leads_back!(faults_lead_back, FaultCode);
    leads_back!(refusals_of_requests_lead_back, RefusedCode);
    leads_back!(reasons_not_to_have_done_lead_back, NotDoneCode);
    leads_back!(reasons_not_to_know_lead_back, UnknownCode);
    leads_back!(rules_lead_back, Rule);
    leads_back!(fields_lead_back, Field);
}
