use super::*;

const MANIFEST: &str = "\
[package]
name = \"x\"

[workspace.dependencies]
# Ours.
wayleave-terms = { path = \"crates/terms\" }
serde = { version = \"1\", features = [\"derive\"] }
thiserror = \"2\"

[profile.dev]
debug = 1
";

fn strings(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

fn table(rows: &[&str]) -> String {
    format!("# T\n\n| a | b | c | d |\n|---|---|---|---|\n{}\n", rows.join("\n"))
}

#[test]
fn each_library_needs_a_line_and_each_line_a_library() {
    let both = table(&["| `serde` | w | k | o |", "| `thiserror` | w | k | o |"]);
    assert!(check_dependencies(MANIFEST, &both).is_empty());
    let one = table(&["| `serde` | w | k | o |"]);
    assert_eq!(
        strings(&check_dependencies(MANIFEST, &one)),
        ["docs/dependencies.md: `thiserror` has no line: why, who keeps it, way out"]
    );
    let more = table(&[
        "| `serde` | w | k | o |",
        "| `thiserror` | w | k | o |",
        "| `left-pad` | w | k | o |",
    ]);
    assert_eq!(
        strings(&check_dependencies(MANIFEST, &more)),
        ["docs/dependencies.md:7: `left-pad` is not a dependency of the workspace"]
    );
}

#[test]
fn a_line_without_a_way_out_and_a_second_line_are_found() {
    let bad = table(&[
        "| `serde` | w | k |  |",
        "| `thiserror` | w | k | o |",
        "| `thiserror` | w | k | o |",
    ]);
    assert_eq!(check_dependencies(MANIFEST, &bad).len(), 2);
}

fn capability(test: &str, state: &str) -> String {
    format!(
        "| a | c | k | t | s |\n|---|---|---|---|---|\n| Pay | quotes | `q` | {test} | {state} |\n"
    )
}

fn known() -> BTreeSet<String> {
    ["hold_expires_once".to_owned(), "suite:interop-proof".to_owned()].into()
}

#[test]
fn works_must_name_a_test_that_exists() {
    let check = |test: &str, state: &str| check_capabilities(&capability(test, state), &known());
    assert!(check("`ledger::hold_expires_once`", "works").is_empty());
    assert!(check("`suite:interop-proof`", "**works**").is_empty());
    assert_eq!(check("", "works").len(), 1);
    assert_eq!(check("`hold_expires_twice`", "works").len(), 1);
    assert_eq!(check("`hold_expires_twice`", "partial").len(), 1);
    assert!(check("", "partial").is_empty());
    assert!(check("", "absent").is_empty());
    assert_eq!(check("", "soon").len(), 1);
}

#[test]
fn a_row_of_another_shape_is_found() {
    let document = "| a | c | k | t | s |\n|---|---|---|---|---|\n| Pay | quotes | works |\n";
    assert_eq!(check_capabilities(document, &known()).len(), 1);
}

#[test]
fn works_must_name_a_test_that_ran() {
    let document = capability("`hold_expires_once`", "works");
    let ran = |name: &str| [name.to_owned()].into();
    assert!(check_ran(&document, &ran("ledger::tests::hold_expires_once")).is_empty());
    assert!(check_ran(&document, &ran("hold_expires_once")).is_empty());
    assert_eq!(check_ran(&document, &ran("ledger::tests::no_hold_expires_once")).len(), 1);
    assert_eq!(check_ran(&document, &BTreeSet::new()).len(), 1);
    assert!(check_ran(&capability("`x`", "partial"), &BTreeSet::new()).is_empty());
}

#[test]
fn only_marked_functions_are_tests() {
    let source = "\
#[test]
#[should_panic]
fn first() {}
#[tokio::test(flavor = \"current_thread\")]
async fn second() {}
fn third() {}
";
    let suite = "#!/usr/bin/env bash\n# suite: interop-proof\n";
    let files = [
        SourceFile::planted("crates/a/src/a.rs", source),
        SourceFile::planted("interop/proof.sh", suite),
    ];
    let names: Vec<String> = tests_in_source(&files).into_iter().collect();
    assert_eq!(names, ["first", "second", "suite:interop-proof"]);
}

#[test]
fn a_link_must_lead_to_a_file_and_a_heading() {
    let target = SourceFile::planted("docs/B.md", "# Big words, small `code`\n");
    let check = |text: &str| {
        let from = SourceFile::planted("docs/adding/a.md", text);
        check_links(&[from, SourceFile::planted("docs/B.md", &target.text)])
    };
    assert!(check("[b](../B.md) [f](../adding) [w](https://example.org)").is_empty());
    assert!(check("[b](../B.md#big-words-small-code)").is_empty());
    assert!(check("```\n[b](C.md)\n```\n").is_empty());
    assert_eq!(
        strings(&check("x\n[b](B.md)")),
        ["docs/adding/a.md:2: the link `B.md` leads nowhere"]
    );
    assert_eq!(check("[b](../B.md#other)").len(), 1);
}

#[test]
fn a_missing_document_and_an_unknown_command_are_found() {
    let findings = strings(&check(&[SourceFile::planted("README.md", "run `cargo xtask tset`\n")]));
    assert!(findings.contains(&"LICENSE: is missing".to_owned()), "{findings:?}");
    let unknown = "README.md:1: `cargo xtask tset` does not exist".to_owned();
    assert!(findings.contains(&unknown), "{findings:?}");
    for command in crate::COMMANDS {
        let text = format!("`cargo xtask {command} x`\n");
        assert!(check_commands(&SourceFile::planted("README.md", &text)).is_empty());
    }
}
