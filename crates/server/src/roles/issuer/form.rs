//! `application/x-www-form-urlencoded`, strictly: a parameter may stand once (RFC 6749, 3.2).

use std::collections::BTreeMap;

/// Reads a form; `None` for a broken escape, text that is no UTF-8 or a repeated parameter.
pub(super) fn read_form(body: &[u8]) -> Option<BTreeMap<String, String>> {
    let mut form = BTreeMap::new();
    for pair in body.split(|b| *b == b'&').filter(|pair| !pair.is_empty()) {
        let at = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
        let (name, value) = pair.split_at_checked(at)?;
        let value = value.strip_prefix(b"=").unwrap_or(value);
        if form.insert(unescape(name)?, unescape(value)?).is_some() {
            return None;
        }
    }
    Some(form)
}

fn unescape(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |b: &u8| char::from(*b).to_digit(16);
                let high = rest.next().and_then(digit)?;
                let low = rest.next().and_then(digit)?;
                u8::try_from(high.checked_mul(16)?.checked_add(low)?).ok()?
            }
            other => *other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let form = read_form(b"grant_type=urn%3Aa%2Db&code=x+y&empty=&flag").unwrap();
        assert_eq!(form["grant_type"], "urn:a-b");
        assert_eq!((form["code"].as_str(), form["empty"].as_str()), ("x y", ""));
        assert_eq!(form["flag"], "");
        for bad in [&b"a=1&a=2"[..], b"a=%", b"a=%4", b"a=%zz", b"a=%ff", b"a=1&%61=2"] {
            assert_eq!(read_form(bad), None, "{}", String::from_utf8_lossy(bad));
        }
    }
}
