//! The same under TLS 1.3.

use std::time::Duration;

use seal::SigningKey;
use wire::client::{Broken, ConnectError};
use wire::tls::{ClientTls, ServerTls};
use wire::{
    CallOptions, Client, Completion, FaultCode, PlainPolicy, Security, Server, ServerConfig, Target,
};

use crate::stage::{Raw, config, done_items, key, start_doing, target, transfer};

struct Certified {
    tls: ServerTls,
    root: String,
}

fn certified() -> Certified {
    let made = rcgen::generate_simple_self_signed(vec!["ledger.test".to_owned()]).unwrap();
    let root = made.cert.pem();
    let tls = ServerTls::from_pem(root.as_bytes(), made.signing_key.serialize_pem().as_bytes());
    Certified { tls: tls.unwrap(), root }
}

fn under_tls(plain: PlainPolicy) -> (Server, Target, Target) {
    let Certified { tls, root } = certified();
    let server = start_doing(ServerConfig { plain, tls: Some(tls), ..config() });
    let trusting = ClientTls::trusting_pem(root.as_bytes(), "ledger.test").unwrap();
    let secure = Target { security: Security::Tls(trusting), ..target(&server) };
    let plain = target(&server);
    (server, secure, plain)
}

#[test]
fn requests_and_bulks_go_through_tls_and_the_proof_is_bound_to_it() {
    let (_server, secure, _) = under_tls(PlainPolicy::Never);
    let mut client = Client::connect(&secure, &key()).unwrap();
    let tickets: Vec<_> = (0..3)
        .map(|_| client.transfers((0..8_190).map(transfer), CallOptions::STANDARD).unwrap())
        .collect();
    for ticket in tickets {
        assert_eq!(done_items(&client.wait(ticket)), 8_190);
    }
    let ticket = client.ping(Duration::from_secs(20)).unwrap();
    assert_eq!(client.wait(ticket), Completion::Pong);
}

#[test]
fn wrong_keys_are_refused_under_tls_too() {
    let (_server, secure, _) = under_tls(PlainPolicy::Never);
    let error = Client::connect(&secure, &SigningKey::from_seed(&[2; 32])).err().unwrap();
    let ConnectError::Refused { fault } = error else { panic!("expected a fault, got {error}") };
    assert_eq!(fault.said().code, FaultCode::UnknownKey.code());
}

#[test]
fn plain_tcp_is_told_to_use_tls_unless_it_is_taken_as_well() {
    let (server, _, plain) = under_tls(PlainPolicy::Never);
    let error = Client::connect(&plain, &key()).err().unwrap();
    let text = error.to_string();
    let ConnectError::Refused { fault } = error else { panic!("expected a fault, got {text}") };
    assert_eq!(fault.said().code, FaultCode::TlsRequired.code());
    assert!(text.ends_with("connect with TLS, or from the server's own machine"), "{text}");
    let mut raw = Raw::to(server.address());
    let said = raw.shake(&key()).unwrap_err();
    assert_eq!(said.code, FaultCode::TlsRequired.code());
    assert!(raw.is_closed());

    let (_server, secure, plain) = under_tls(PlainPolicy::Loopback);
    for target in [secure, plain] {
        let mut client = Client::connect(&target, &key()).unwrap();
        let done = client.post([transfer(1)], CallOptions::STANDARD).unwrap();
        assert_eq!(done_items(&done), 1);
    }
}

#[test]
fn a_server_without_certificate_and_one_with_another_are_not_believed() {
    let plain = start_doing(config());
    let other = certified();
    let trusting = ClientTls::trusting_pem(other.root.as_bytes(), "ledger.test").unwrap();
    let target = Target { security: Security::Tls(trusting.clone()), ..target(&plain) };
    let error = Client::connect(&target, &key()).err().unwrap();
    assert!(matches!(error, ConnectError::Broken { broken: Broken::Io(_), .. }), "{error}");

    let (_server, secure, _) = under_tls(PlainPolicy::Never);
    let target = Target { security: Security::Tls(trusting), ..secure };
    let error = Client::connect(&target, &key()).err().unwrap();
    let ConnectError::Broken { broken: Broken::Io(reason), .. } = error else {
        panic!("expected a failure of TLS, got {error}")
    };
    assert!(reason.contains("certificate"), "{reason}");
}

#[test]
fn a_name_that_the_certificate_does_not_have_is_not_believed() {
    let Certified { tls, root } = certified();
    let server = start_doing(ServerConfig { tls: Some(tls), ..config() });
    let other = ClientTls::trusting_pem(root.as_bytes(), "other.test").unwrap();
    let target = Target { security: Security::Tls(other), ..target(&server) };
    assert!(Client::connect(&target, &key()).is_err());
    assert!(ClientTls::trusting_pem(b"", "ledger.test").is_err());
    assert!(ClientTls::trusting_pem(root.as_bytes(), "not a name").is_err());
    assert!(ServerTls::from_pem(root.as_bytes(), b"").is_err());
}
