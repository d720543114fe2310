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

impl From<SideArg> for Side {
    fn from(word: SideArg) -> Self {
        match word {
            SideArg::Debit => Self::Debit,
            SideArg::Credit => Self::Credit,
        }
    }
}

impl From<ReasonArg> for Reason {
    fn from(word: ReasonArg) -> Self {
        match word {
            ReasonArg::Payment => Self::Payment,
            ReasonArg::Fee => Self::Fee,
            ReasonArg::Funding => Self::Funding,
            ReasonArg::Defunding => Self::Defunding,
            ReasonArg::Return => Self::Return,
            ReasonArg::Refund => Self::Refund,
            ReasonArg::Correction => Self::Correction,
            ReasonArg::Blocking => Self::Blocking,
        }
    }
}

words! {
    FreezeArg, Freeze, freeze {
        Nothing = "nothing",
        Debits = "debits",
        Credits = "credits",
        Both = "both",
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
    fn reasons_are_typed_as_they_are_shown_and_have_the_protocols_numbers() {
        let typed = <ReasonArg as clap::ValueEnum>::value_variants();
        assert_eq!(typed.len(), Reason::ALL.len());
        for (arg, reason) in typed.iter().zip(Reason::ALL) {
            assert_eq!(Reason::from(*arg), reason);
            let name = clap::ValueEnum::to_possible_value(arg).unwrap();
            assert_eq!(name.get_name(), reason.name());
            assert_eq!(seal::to_canonical(&reason), minicbor::to_vec(reason.number()).unwrap());
        }
    }

    #[test]
    fn a_table_is_as_wide_as_its_widest_cells() {
        let rows = [vec!["a".into(), "1.00".into()], vec!["longer".into(), "100.00".into()]];
        assert_eq!(table(&rows, &[1]), "a         1.00\nlonger  100.00");
    }
}
