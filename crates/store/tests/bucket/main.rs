//! Objects and journals in an S3 bucket, over a real server.
//!
//! `cargo xtask test bucket` installs and starts one (PyPI `moto`) and names it in `WAYLEAVE_S3`.
//! Without that variable every test says that it was left out; under `CI` it fails.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says when it was left out"
)]

mod on_bucket {
    use std::sync::Arc;

    use journal::testkit;
    use store::objects::{ObjectJournal, Objects, Target, contract};

    /// A place of its own in the suite's bucket.
    fn place(name: &str) -> Option<Arc<dyn Objects>> {
        let Some(endpoint) = std::env::var("WAYLEAVE_S3").ok() else {
            assert!(std::env::var_os("CI").is_none(), "`WAYLEAVE_S3` names no server");
            println!("left out: `WAYLEAVE_S3` names no server");
            return None;
        };
        let address = format!("s3://wayleave/{name}-{}", std::process::id());
        Some(Target::parse(&address).at_endpoint(Some(endpoint)).open().unwrap())
    }

    #[test]
    fn a_bucket_keeps_the_contract_of_objects_and_no_race_has_two_winners() {
        let Some(objects) = place("objects") else { return };
        contract(objects.as_ref());
    }

    #[test]
    fn a_bucket_keeps_the_contract_of_a_journal() {
        let Some(objects) = place("journal") else { return };
        let open = || ObjectJournal::open(Arc::clone(&objects), testkit::book_name()).unwrap();
        testkit::contract(|_| open());
    }

    #[test]
    fn a_bucket_that_is_not_there_is_an_error_and_no_empty_place() {
        let Some(endpoint) = std::env::var("WAYLEAVE_S3").ok() else { return };
        let target = Target::parse("s3://no-such-bucket/x").at_endpoint(Some(endpoint));
        let objects = target.open().unwrap();
        let created = objects.create("a", b"x");
        assert!(created.is_err(), "{created:?}");
    }
}
