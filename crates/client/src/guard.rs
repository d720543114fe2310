//! Which addresses may be connected to.
//!
//! A URL can come from a credential or a stranger's metadata; without a guard it would let them
//! reach what only we can reach (server-side request forgery). The check is on the resolved
//! address that is then connected to, so a second resolution cannot swap it (rebinding).

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An authority that may not be reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{authority}` is at `{address}`, a {class} address: name it in the configuration to allow it"
)]
pub struct Forbidden {
    /// Whereto.
    pub authority: String,
    /// The resolved address.
    pub address: String,
    /// Which kind of address.
    pub class: &'static str,
}

/// The guard: public addresses, and the authorities that the configuration names.
#[derive(Clone, Debug, Default)]
pub struct AddressGuard {
    allowed: BTreeSet<String>,
}

impl AddressGuard {
    /// Public addresses only.
    #[must_use]
    pub const fn public_only() -> Self {
        Self { allowed: BTreeSet::new() }
    }

    /// Allows one `host:port` wherever it resolves to, because the operator named it.
    #[must_use]
    pub fn allow(mut self, authority: &str) -> Self {
        self.allowed.insert(authority.to_ascii_lowercase());
        self
    }

    /// Checks one resolved address of an authority.
    pub fn check(&self, authority: &str, address: IpAddr) -> Result<(), Forbidden> {
        if self.allowed.contains(authority) {
            return Ok(());
        }
        class_of(address).map_or(Ok(()), |class| {
            Err(Forbidden { authority: authority.to_owned(), address: address.to_string(), class })
        })
    }
}

/// The kind of address, unless it is a public one.
fn class_of(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => class_of_v4(v4),
        IpAddr::V6(v6) => class_of_v6(v6),
    }
}

fn class_of_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = address.octets();
    let class = match (a, b, c) {
        (127, ..) => "loopback",
        (169, 254, _) => "link-local",
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => "private",
        (100, 64..=127, _) => "shared",
        (0, ..) => "unspecified",
        (192, 0, 0) | (198, 18 | 19, _) => "reserved",
        (192, 0, 2) | (198, 51, 100) | (203, 0, 113) => "documentation",
        (224..=239, ..) => "multicast",
        (240..=255, ..) => "reserved",
        _ => return None,
    };
    Some(class)
}

fn class_of_v6(address: Ipv6Addr) -> Option<&'static str> {
    if address.is_loopback() {
        return Some("loopback");
    }
    let [a, b, c, d, e, f, high, low] = address.segments();
    let embedded = || {
        let ([p, q], [r, s]) = (high.to_be_bytes(), low.to_be_bytes());
        class_of_v4(Ipv4Addr::new(p, q, r, s))
    };
    match (a, b) {
        // Mapped, compatible and translated forms reach the IPv4 address inside.
        (0, 0) if (c, d, e) == (0, 0, 0) && (f == 0 || f == 0xffff) => {
            embedded().or(Some("mapped"))
        }
        (0x64, 0xff9b) => Some("translated"),
        (0x2001, 0x0db8) => Some("documentation"),
        (0x2001, 0) | (0x2002, _) => Some("tunnel"),
        (0x2000..=0x3fff, _) => None,
        (0xfe80..=0xfebf, _) => Some("link-local"),
        (0xfc00..=0xfdff, _) => Some("private"),
        (0xff00..=0xffff, _) => Some("multicast"),
        _ => Some("reserved"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_pass_unless_named() {
        let guard = AddressGuard::public_only().allow("127.0.0.1:9000");
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "fec0::1",
            "2001:db8::1",
            "fd00:ec2::254",
        ] {
            let got = guard.check("example.com:80", address.parse().unwrap());
            assert!(got.is_err(), "{address} passed");
        }
        for address in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111"] {
            assert_eq!(guard.check("example.com:80", address.parse().unwrap()), Ok(()));
        }
        assert_eq!(guard.check("127.0.0.1:9000", [127, 0, 0, 1].into()), Ok(()));
        assert!(guard.check("127.0.0.1:9001", [127, 0, 0, 1].into()).is_err());
    }
}
