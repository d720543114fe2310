//! Payloads filled at random from a seed: each optional part there or not.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "sample values of a test")]

use travel_rule::*;

/// A small generator (SplitMix64); its stream is the seed's.
pub(crate) struct Maker(pub(crate) u64);

impl Maker {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(2) == 0).then(|| make(self))
    }

    fn some<T>(&mut self, least: usize, most: usize, make: impl Fn(&mut Self) -> T) -> Vec<T> {
        let count = least + self.below(most - least + 1);
        (0..count).map(|_| make(self)).collect()
    }

    fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.below(among.len())]
    }

    fn text<const MAX: usize>(&mut self) -> Text<MAX> {
        let alphabet: Vec<char> = "abcXYZ 019.,-&<>\"'/\\ü你é".chars().collect();
        let length = 1 + self.below(MAX);
        let text: String = (0..length).map(|_| self.pick(&alphabet)).collect();
        text.parse().unwrap_or_else(|_| "x".parse().unwrap())
    }

    fn local(&mut self) -> LocalNameId {
        LocalNameId {
            primary: self.text(),
            secondary: self.maybe(Self::text),
            kind: self.pick(NaturalNameType::ALL),
        }
    }

    fn legal_name(&mut self) -> LegalNameId {
        LegalNameId { name: self.text(), kind: self.pick(LegalNameType::ALL) }
    }

    fn address(&mut self) -> Address {
        Address {
            kind: self.pick(AddressType::ALL),
            department: self.maybe(Self::text),
            sub_department: self.maybe(Self::text),
            street: self.maybe(Self::text),
            building_number: self.maybe(Self::text),
            building_name: self.maybe(Self::text),
            floor: self.maybe(Self::text),
            post_box: self.maybe(Self::text),
            room: self.maybe(Self::text),
            post_code: self.maybe(Self::text),
            town: self.maybe(Self::text),
            town_location: self.maybe(Self::text),
            district: self.maybe(Self::text),
            country_sub_division: self.maybe(Self::text),
            lines: self.some(0, 7, Self::text),
            country: self.text(),
        }
    }

    fn identification(&mut self) -> NationalIdentification {
        NationalIdentification {
            identifier: self.text(),
            kind: self.pick(NationalIdentifierType::ALL),
            country_of_issue: self.maybe(Self::text),
            registration_authority: self.maybe(Self::text),
        }
    }

    fn natural(&mut self) -> NaturalPerson {
        NaturalPerson {
            name: NaturalPersonName {
                identifiers: self.some(1, 3, |m| NaturalNameId {
                    primary: m.text(),
                    secondary: m.maybe(Self::text),
                    kind: m.pick(NaturalNameType::ALL),
                }),
                local: self.some(0, 2, Self::local),
                phonetic: self.some(0, 2, Self::local),
            },
            addresses: self.some(0, 2, Self::address),
            national_identification: self.maybe(Self::identification),
            customer_identification: self.maybe(Self::text),
            birth: self.maybe(|m| DateAndPlaceOfBirth {
                date: m.pick(&["1992-10-04", "2000-02-29", "1899-12-31"]).parse().unwrap(),
                place: m.text(),
            }),
            country_of_residence: self.maybe(Self::text),
        }
    }

    fn legal(&mut self) -> LegalPerson {
        LegalPerson {
            name: LegalPersonName {
                identifiers: self.some(1, 3, Self::legal_name),
                local: self.some(0, 2, Self::legal_name),
                phonetic: self.some(0, 2, Self::legal_name),
            },
            addresses: self.some(0, 2, Self::address),
            customer_identification: self.maybe(Self::text),
            national_identification: self.maybe(Self::identification),
            country_of_registration: self.maybe(Self::text),
        }
    }

    fn person(&mut self) -> Person {
        if self.below(2) == 0 {
            Person::Natural(Box::new(self.natural()))
        } else {
            Person::Legal(Box::new(self.legal()))
        }
    }

    fn holder(&mut self, version: Version) -> AccountPerson {
        let most = if version == Version::V2023 { 2 } else { 0 };
        AccountPerson { person: self.person(), accounts: self.some(0, most, Self::text) }
    }

    pub(crate) fn payload(&mut self) -> IdentityPayload {
        let version = self.pick(&[Version::V2020, Version::V2023]);
        let beside = if version == Version::V2020 { 2 } else { 0 };
        let least = usize::from(version == Version::V2020);
        let metadata = |m: &mut Self| Metadata {
            transliterations: m.some(least, 3, |m| m.pick(Transliteration::ALL)),
        };
        IdentityPayload {
            version,
            originator: Originator {
                persons: self.some(1, 2, |m| m.holder(version)),
                accounts: self.some(0, beside, Self::text),
            },
            beneficiary: Beneficiary {
                persons: self.some(1, 2, |m| m.holder(version)),
                accounts: self.some(0, beside, Self::text),
            },
            originating: self.maybe(Self::person),
            beneficiary_institution: self.maybe(Self::person),
            path: self.maybe(|m| TransferPath {
                intermediaries: m
                    .some(1, 2, |m| Intermediary { institution: m.person(), sequence: m.next() }),
            }),
            metadata: match version {
                Version::V2020 => self.maybe(metadata),
                Version::V2023 => Some(metadata(self)),
            },
        }
    }
}
