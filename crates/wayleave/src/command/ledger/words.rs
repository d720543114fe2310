//! The ledger's words as people and programs read them, in one place.

use ledger::{Freeze, NotDoneSource, Owner, Purpose, Reason, Side};

use crate::cli::ledger::{FreezeArg, MayArg, NotDoneArg, PurposeArg, ReasonArg, SideArg};

/// Declares both ways between a word of the command line and one of the ledger.
macro_rules! words {
    ($($from:ident, $to:ident, $word:ident { $($variant:ident = $text:literal,)* })*) => { $(
        impl From<$from> for $to {
            fn from(word: $from) -> Self {
                match word { $($from::$variant => Self::$variant,)* }
            }
        }

        /// The word that programs read.
        pub(super) const fn $word(of: $to) -> &'static str {
            match of { $($to::$variant => $text,)* }
        }
    )* };
}

words! {
    SideArg, Side, side {
        Debit = "debit",
        Credit = "credit",
    }
    FreezeArg, Freeze, freeze {
        Nothing = "nothing",
        Debits = "debits",
        Credits = "credits",
        Both = "both",
    }
    ReasonArg, Reason, reason {
        Payment = "payment",
        Fee = "fee",
        Funding = "funding",
        Defunding = "defunding",
        Return = "return",
        Refund = "refund",
        Correction = "correction",
        Blocking = "blocking",
    }
    PurposeArg, Purpose, purpose {
        Customer = "customer",
        Settlement = "settlement",
        Control = "control",
        Fee = "fee",
        Suspense = "suspense",
        BlockedFunds = "blocked-funds",
        DueTo = "due-to",
        DueFrom = "due-from",
        Transit = "transit",
    }
    NotDoneArg, NotDoneSource, not_done_source {
        RailRefused = "rail-refused",
        NeverSent = "never-sent",
        TwoPersons = "two-persons",
        OnePerson = "one-person",
    }
}

const REASONS: [Reason; 8] = [
    Reason::Payment,
    Reason::Fee,
    Reason::Funding,
    Reason::Defunding,
    Reason::Return,
    Reason::Refund,
    Reason::Correction,
    Reason::Blocking,
];

/// A reason's number in the protocol: its place.
pub(super) fn reason_number(of: Reason) -> u16 {
    (0..).zip(REASONS).find_map(|(number, one)| (one == of).then_some(number)).unwrap_or(0)
}

/// The reason of that word.
pub(super) fn reason_named(word: &str) -> Option<Reason> {
    REASONS.into_iter().find(|one| reason(*one) == word)
}

/// Whose an account is.
pub(super) fn owner(of: &Owner) -> String {
    match of {
        Owner::Company(company) => company.to_string(),
        Owner::Institution(institution) => institution.to_string(),
    }
}

impl From<MayArg> for ledger_server::May {
    fn from(word: MayArg) -> Self {
        match word {
            MayArg::Read => Self::Read,
            MayArg::Post => Self::Post,
            MayArg::Manage => Self::Manage,
        }
    }
}

/// What a client may, as it is typed.
pub(super) const fn may(of: ledger_server::May) -> &'static str {
    match of {
        ledger_server::May::Read => "read",
        ledger_server::May::Post => "post",
        ledger_server::May::Manage => "manage",
    }
}

/// Rows under one another, columns as wide as their widest; those in `right` end together.
pub(super) fn table(rows: &[Vec<String>], right: &[usize]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if right.contains(&column) {
                format!("{cell:>width$}")
            } else {
                format!("{cell:<width$}")
            }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_lead_back_and_have_the_protocols_numbers() {
        for (number, reason) in (0..).zip(REASONS) {
            assert_eq!(reason_named(super::reason(reason)), Some(reason));
            assert_eq!(reason_number(reason), number);
            assert_eq!(seal::to_canonical(&reason), minicbor::to_vec(number).unwrap());
        }
        assert_eq!(reason_named("gift"), None);
    }

    #[test]
    fn a_table_is_as_wide_as_its_widest_cells() {
        let rows = [vec!["a".into(), "1.00".into()], vec!["longer".into(), "100.00".into()]];
        assert_eq!(table(&rows, &[1]), "a         1.00\nlonger  100.00");
    }
}
