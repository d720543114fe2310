//! ISO 3166-1 alpha-2, the officially assigned codes.

/// The codes, in order, two letters each. A code that is assigned later is added here.
const CODES: &str = "ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZ\
CACCCDCFCGCHCICKCLCMCNCOCRCUCVCWCXCYCZDEDJDKDMDODZECEEEGEHERESETFIFJFKFMFOFRGAGBGDGEGFGGGHGIGLGM\
GNGPGQGRGSGTGUGWGYHKHMHNHRHTHUIDIEILIMINIOIQIRISITJEJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLT\
LULVLYMAMCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNGNINLNONPNRNUNZOMPAPEPFPGPHPKPLPMPN\
PRPSPTPWPYQARERORSRURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZTCTDTFTGTHTJTKTLTMTNTOTRTTTVTWTZ\
UAUGUMUSUYUZVAVCVEVGVIVNVUWFWSYEYTZAZMZW";

/// What the standard takes for an unknown state, an organisation of states, or a stateless person.
const UNKNOWN: &str = "XX";

/// Whether the standard takes this as a country (C3): an ISO 3166-1 alpha-2 code, or `XX`.
#[must_use]
pub fn is_country(code: &str) -> bool {
    let known = || CODES.as_bytes().chunks_exact(2).any(|known| known == code.as_bytes());
    code == UNKNOWN || known()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_assigned_codes_stand_once_and_in_order() {
        let codes: Vec<&[u8]> = CODES.as_bytes().chunks(2).collect();
        assert_eq!(codes.len(), 249);
        assert!(codes.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn near_misses_are_no_countries() {
        for known in ["NL", "SG", "CH", "IN", "XX", "GB"] {
            assert!(is_country(known), "{known}");
        }
        for unknown in ["", "N", "nl", "UK", "EU", "XK", "NLD", "ZZ", "LS ", "DA"] {
            assert!(!is_country(unknown), "{unknown}");
        }
    }
}
