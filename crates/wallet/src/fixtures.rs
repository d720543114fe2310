//! A small world for tests: a folder, a directory, a consent view.

use std::path::{Path, PathBuf};

use credential::{ConsentCredential, ConsentView};
use seal::SigningKey;
use terms::{AccountId, Instant};

use crate::config::{EdgeEntry, PeerEntry, ProviderEntry, WalletConfig};

pub(crate) const NOW: Instant = Instant::from_seconds(1_795_380_000);

/// A folder that is removed when it goes out of scope.
pub(crate) struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn temporary_folder(name: &str) -> TemporaryFolder {
    let unique = seal::text::to_hex(&crate::system::random::<8>().unwrap());
    let path = std::env::temp_dir().join(format!("wayleave-wallet-{name}-{unique}"));
    std::fs::create_dir_all(&path).unwrap();
    TemporaryFolder(path)
}

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

pub(crate) fn peer(name: &str, port: u16, seed: u8) -> PeerEntry {
    PeerEntry {
        name: name.to_owned(),
        url: format!("http://localhost:{port}"),
        key: key(seed).public_key(),
    }
}

pub(crate) fn config() -> WalletConfig {
    let edge = |name: &str, port, seed: u8| EdgeEntry {
        institution: name.parse().unwrap(),
        peer: peer(&format!("{name}.1"), port, seed),
        permit_key: key(seed + 1).public_key(),
    };
    WalletConfig {
        environment: "sandbox".parse().unwrap(),
        company: "nl-kvk:68750110".parse().unwrap(),
        legal_name: "Brightwater Tools B.V.".to_owned(),
        account: AccountId::from_bytes([2; 16]),
        asset: "EUR.2@tcb-sandbox".parse().unwrap(),
        institution: "bank-nl".parse().unwrap(),
        corridor: "nl-sg".parse().unwrap(),
        paid_along: None,
        book: "settlement".parse().unwrap(),
        core: peer("core", 7000, 10),
        bank: None,
        provider: ProviderEntry {
            provider: "fx-dealer".parse().unwrap(),
            peer: peer("fx-dealer", 7006, 20),
            quote_key: key(21).public_key(),
        },
        edges: vec![edge("bank-nl", 7001, 30), edge("bank-sg", 7002, 40)],
        issuers: vec!["http://localhost:7003".to_owned()],
        trust_lists: Vec::new(),
        trust: "trust.policy".to_owned(),
    }
}

pub(crate) fn view() -> ConsentView {
    ConsentView {
        verifier: "redirect_uri:http://localhost:7001/v1/decisions".to_owned(),
        response_uri: "http://localhost:7001/v1/decisions".to_owned(),
        registered_purpose: Some("decide a payment".to_owned()),
        credentials: vec![ConsentCredential {
            query_id: "registration".to_owned(),
            held_index: 0,
            credential_type: "urn:company".to_owned(),
            issuer: "http://localhost:7003/register-nl".to_owned(),
            disclosed: vec![("legal_name".to_owned(), "Tulip Machines B.V.".into())],
            held_count: 16,
        }],
        disclosed_count: 1,
        held_count: 31,
        unregistered: Vec::new(),
        terms: None,
        outgoing: None,
    }
}
