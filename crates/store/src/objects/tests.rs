use super::*;

/// A folder below the system's temporary one, gone with the value.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("wayleave-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn memory_keeps_the_contract_of_objects() {
    contract(&RemoteObjects::in_memory().unwrap());
}

#[test]
fn a_folder_keeps_the_contract_of_objects() {
    let folder = Temporary::new("objects");
    contract(&FolderObjects::new(folder.0.clone()));
    let target = Target::parse(&format!("file:{}", folder.0.display())).open().unwrap();
    assert_eq!(target.list("a/b"), Ok(vec!["a/b/2".to_owned()]));
    assert!(target.create("../out", b"x").is_err());
}

#[test]
fn plain_http_is_for_this_machine_only() {
    for (url, here) in [
        ("http://127.0.0.1:5000", true),
        ("http://localhost:5000", true),
        ("http://[::1]:9", true),
        ("http://127.0.0.1.example.org", false),
        ("http://10.0.0.1", false),
        ("http://example.org", false),
    ] {
        assert_eq!(dial::is_loopback(url), here, "{url}");
    }
}

#[test]
fn an_address_that_is_none_is_refused() {
    for address in ["", "file:", "s3://", "s3:///x", "https://bucket", "/tmp/x"] {
        let refused = Target::parse(address).open().err();
        assert!(matches!(refused, Some(TargetError::Address(_))), "{address}: {refused:?}");
    }
}
