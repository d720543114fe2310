//! `application/x-www-form-urlencoded`, as OpenID4VP's `direct_post` sends it. Strict: each field
//! once, no others.

use api::{Problem, problem};

use crate::web::Refuse;

/// Reads the wanted fields; one that is absent is `None`.
pub(super) fn read_form<const N: usize>(
    body: &[u8],
    wanted: [&str; N],
) -> Result<[Option<String>; N], Refuse> {
    let refused = |reason: String| -> Refuse {
        Problem::of(&problem::BAD_REQUEST)
            .detail(reason)
            .expected(format!("a form with {}", wanted.join(" and ")))
            .mend("post `application/x-www-form-urlencoded` as OpenID4VP section 8.2 says")
            .into()
    };
    let text = core::str::from_utf8(body).map_err(|_| refused("the form is not UTF-8".into()))?;
    let mut found = [const { None }; N];
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = decode(name)
            .zip(decode(value))
            .ok_or_else(|| refused("a field is not percent-encoded".to_owned()))?;
        let place = wanted.iter().position(|one| *one == name);
        let slot = place.and_then(|place| found.get_mut(place));
        match slot {
            Some(slot) if slot.is_none() => *slot = Some(value),
            Some(_) => return Err(refused(format!("field `{name}` came twice"))),
            None => {
                let name: String = name.chars().take(64).collect();
                return Err(refused(format!("field `{name}` is unknown")));
            }
        }
    }
    Ok(found)
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let digits = core::str::from_utf8(&digits).ok()?;
                if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                    return None;
                }
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_strictly() {
        let wanted = ["vp_token", "state"];
        let read = read_form(b"vp_token=%7B%22a%22%3A1%7D&state=x+y", wanted).unwrap();
        assert_eq!(read, [Some("{\"a\":1}".to_owned()), Some("x y".to_owned())]);
        assert_eq!(read_form(b"state=1", wanted).unwrap(), [None, Some("1".to_owned())]);
        for bad in [&b"state=1&state=2"[..], b"other=1", b"state=%4", b"state=%+1", b"state=%ff"] {
            assert!(read_form(bad, wanted).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
