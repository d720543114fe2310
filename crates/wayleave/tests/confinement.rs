//! No role's process can read another's private key, and each starts as it is confined.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a helper of tests may stop the test, and says what it left out"
)]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use api::Role;
use evidence::VerifierKey;
use seal::{PublicKey, SigningKey};
use server::keys::{Descriptor, KeyStore};
use server::roles::issuer::Subjects;
use server::roles::supervisor::{Example, WitnessedLog};
use server::roles::{Common, bank, issuer, provider, supervisor};
use support::{Folder, command};

const ORIGIN: &str = "wayleave.example/sandbox/settlement";

/// Every word of `wayleave run`, read off its own help: a role added later is tested too.
fn roles() -> Vec<String> {
    let help = support::run(&["run", "--help"]).out;
    let from = help.split("Possible values:").nth(1).unwrap();
    let words = from.lines().filter_map(|line| line.trim().strip_prefix("- "));
    let names: Vec<String> =
        words.filter_map(|line| Some(line.split_once(':')?.0.to_owned())).collect();
    assert!(names.len() >= 4, "{help}");
    names
}

fn may_read(role: &str, dir: &Path, path: &Path) -> (Option<i32>, String) {
    let output = command()
        .args(["run", role, "--dir"])
        .arg(dir)
        .arg("--may-read")
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), text + &String::from_utf8_lossy(&output.stderr))
}

fn landlock_absent(text: &str) -> bool {
    if !text.contains("nothing is enforced") {
        return false;
    }
    assert!(std::env::var_os("CI").is_none(), "the kernel has no Landlock");
    println!("left out: the kernel has no Landlock");
    true
}

#[test]
fn no_role_process_reads_another_roles_private_key() {
    let root = Folder::new("keys");
    let roles = roles();
    let folder = |role: &str| root.path().join(role);
    let key = |role: &str| folder(role).join("keys/request.seed");
    for role in &roles {
        std::fs::create_dir(folder(role)).unwrap();
        KeyStore::open(&folder(role)).unwrap().signing_key("request").unwrap();
    }
    let mut denied = 0;
    for role in &roles {
        let (code, text) = may_read(role, &folder(role), &key(role));
        if landlock_absent(&text) {
            return;
        }
        assert_eq!(code, Some(0), "{role} reads its own key: {text}");
        for other in roles.iter().filter(|other| *other != role) {
            // Straight, around by its own folder, and through a link in its own folder.
            let link = folder(role).join(format!("link-to-{other}"));
            symlink(key(other), &link).unwrap();
            let around = folder(role).join("..").join(other).join("keys/request.seed");
            for path in [key(other), around, link] {
                let (code, text) = may_read(role, &folder(role), &path);
                assert_eq!(code, Some(1), "{role} reads {}: {text}", path.display());
                assert!(text.starts_with("denied"), "{text}");
                denied += 1;
            }
        }
        let (code, _) = may_read(role, &folder(role), Path::new("/etc/passwd"));
        assert_eq!(code, Some(1), "{role} reads outside of any role's folder");
    }
    assert_eq!(denied, roles.len() * (roles.len() - 1) * 3);
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn public_key(seed: u8) -> PublicKey {
    SigningKey::from_seed(&[seed; 32]).public_key()
}

fn common(name: &str, port: u16) -> Common {
    let key = |seed: u8| SigningKey::from_seed(&[seed; 32]);
    let operator = Descriptor::new(Role::Operator, "operator", "http://localhost:1")
        .with_key("request", &key(1));
    let core = Descriptor::new(Role::Core, "core", "http://localhost:1")
        .with_key("request", &key(2))
        .with_key("log", &key(3));
    Common {
        environment: "sandbox".to_owned(),
        name: name.to_owned(),
        url: format!("http://localhost:{port}"),
        port,
        peers: vec![operator, core],
    }
}

/// Writes an example configuration of a role; `None` for those that have none.
fn write_example(role: &str, dir: &Path, port: u16) -> Option<()> {
    match role {
        "provider" => provider::write_example(dir, common("fx-dealer", port), &["nl-sg"]).unwrap(),
        "issuer" => {
            let config = issuer::example_config(common("issuers", port), "operator");
            issuer::write_example(dir, &config, &Subjects { subjects: vec![] }).unwrap();
        }
        "supervisor" => {
            let example = Example {
                jurisdiction: "NL".to_owned(),
                operator: "operator".to_owned(),
                witness_name: "supervisor-nl.example/w".to_owned(),
                log: WitnessedLog { origin: ORIGIN.to_owned(), peer: "core".to_owned() },
                list_lifetime_seconds: 600,
            };
            let config = supervisor::example_config(common("supervisor-nl", port), example);
            let entry = serde_json::json!({
                "edit": "put-entry", "entry": {
                    "id": "x-1", "name": "Nobody Example", "aliases": [], "dates": [],
                    "countries": ["SG"], "program": "sandbox",
                }
            });
            let sanctions = vec![serde_json::from_value(entry).unwrap()];
            supervisor::write_example(dir, &config, vec![], sanctions).unwrap();
        }
        "bank" => {
            let log = VerifierKey::of_log(ORIGIN.parse().unwrap(), public_key(3));
            let config = bank::Config {
                common: common("bank-b", port),
                institution: "bank-sg".parse().unwrap(),
                book: "bank-sg.customers".parse().unwrap(),
                assets: vec!["SGD.2@mas-sandbox".to_owned()],
                settlement: "settlement".parse().unwrap(),
                core: "core".to_owned(),
                log_key: log.to_string(),
                permit_keys: vec![public_key(4).to_string()],
                operator: "operator".to_owned(),
                statement_key: public_key(5).to_string(),
                link_patience_ms: 5_000,
            };
            std::fs::write(dir.join("role.json"), serde_json::to_vec(&config).unwrap()).unwrap();
        }
        _ => return None,
    }
    Some(())
}

/// A role's process, ended with its owner.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _waited = self.0.wait();
    }
}

fn ready(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let head =
        format!("GET /ready HTTP/1.1\r\nhost: localhost:{port}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer.lines().next()?.to_owned())
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a deadline for a real process")]
fn each_small_role_serves_from_within_its_confinement() {
    for role in ["provider", "issuer", "supervisor", "bank"] {
        let (dir, port) = (Folder::new(role), free_port());
        write_example(role, dir.path(), port).unwrap();
        let log: PathBuf = dir.path().join("log.txt");
        let child = command()
            .args(["run", role, "--dir"])
            .arg(dir.path())
            .arg("--log")
            .arg(&log)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut process = Process(child);
        let deadline = Instant::now() + Duration::from_secs(30);
        let answer = loop {
            if let Some(answer) = ready(port) {
                break answer;
            }
            if let Some(ended) = process.0.try_wait().unwrap() {
                let mut text = String::new();
                process.0.stderr.take().unwrap().read_to_string(&mut text).unwrap();
                assert!(ended.success() && text.is_empty(), "{role} stopped: {ended} {text}");
            }
            assert!(Instant::now() < deadline, "{role} does not answer");
            std::thread::yield_now();
        };
        assert!(answer.contains(" 200 "), "{role}: {answer}");
        assert!(dir.path().join("keys/request.seed").is_file(), "{role} made its own key");
    }
}

#[test]
fn a_role_without_its_configuration_says_which_file_it_wants() {
    for role in roles() {
        let dir = Folder::new("empty");
        let output = command().args(["run", &role, "--dir"]).arg(dir.path()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("role.json") && !text.contains("panicked"), "{role}: {text}");
    }
}
