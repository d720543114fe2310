//! Rules on the text of files: lengths, words that must not stay, module documentation.

use crate::finding::Finding;
use crate::source::{LITERAL, code_only, functions};
use crate::workspace::SourceFile;

/// Most lines of code in one function: what fits on one screen and in one head.
const FUNCTION_LINES_MAX: usize = 70;
/// Most lines in one file without a reason.
const FILE_LINES_MAX: usize = 800;
/// Most columns in one line of Rust.
const COLUMNS_MAX: usize = 100;
/// How a file states why it is long, within its first lines.
const LONG_FILE: &str = "// long file: ";
/// Where that line is looked for.
const LONG_FILE_WITHIN: usize = 30;

/// Words that must not stay in Rust code, and why. Written in pieces: this file is checked too.
const BANNED_CODE: [(&str, &str); 4] = [
    (concat!("to", "do!"), "unfinished code"),
    (concat!("unimple", "mented!"), "unfinished code"),
    (concat!("db", "g!"), "a debugging aid"),
    (concat!("#[ig", "nore]"), "a test left out without a reason"),
];

/// Folders of one machine; a path counts where no name stands before it.
const MACHINE_FOLDERS: [&str; 3] =
    [concat!("/wo", "rk/"), concat!("/fa", "rm/"), concat!("/ro", "ot/")];

/// Hosts of package registries: packages are named, their hosts are the machine's business.
const REGISTRY_HOSTS: [&str; 7] = [
    concat!("index.crates", ".io"),
    concat!("static.crates", ".io"),
    concat!("pypi", ".org"),
    concat!("python", "hosted.org"),
    concat!("registry.np", "mjs.org"),
    concat!("deb.deb", "ian.org"),
    concat!("proxy.gol", "ang.org"),
];

/// Files that a tool writes, hosts included.
const WRITTEN_BY_TOOLS: [&str; 2] = ["Cargo.lock", "package-lock.json"];

/// Everything wrong with the text of one file.
pub(crate) fn check(file: &SourceFile) -> Vec<Finding> {
    let mut findings = places_and_hosts(file);
    if file.is_rust() {
        let code = code_only(&file.text);
        findings.extend(long_functions(file, &code));
        findings.extend(long_lines(file, &code));
        findings.extend(banned_code(file, &code));
        findings.extend(long_file(file));
        findings.extend(module_docs(file));
    }
    findings
}

fn long_functions(file: &SourceFile, code: &str) -> Vec<Finding> {
    functions(code)
        .into_iter()
        .filter(|function| function.lines > FUNCTION_LINES_MAX)
        .map(|function| {
            let message = format!(
                "function `{}` has {} lines of code, at most {FUNCTION_LINES_MAX}",
                function.name, function.lines
            );
            Finding::at(&file.path, function.line, message)
        })
        .collect()
}

fn long_lines(file: &SourceFile, code: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, (line, code)) in (1..).zip(file.text.lines().zip(code.lines())) {
        let columns = line.chars().count();
        // A row of a table in documentation cannot be broken.
        let row = line.trim_start().trim_start_matches(['/', '!']).trim_start().starts_with('|');
        let excepted = code.contains(LITERAL) || line.contains("://") || row;
        if columns > COLUMNS_MAX && !excepted {
            let message = format!("{columns} columns, at most {COLUMNS_MAX}");
            findings.push(Finding::at(&file.path, number, message));
        }
    }
    findings
}

fn long_file(file: &SourceFile) -> Option<Finding> {
    let lines = file.text.lines().count();
    let reason = file.text.lines().take(LONG_FILE_WITHIN).any(|line| {
        line.strip_prefix(LONG_FILE).is_some_and(|reason| reason.split_whitespace().count() >= 3)
    });
    (lines > FILE_LINES_MAX && !reason).then(|| {
        let message = format!(
            "{lines} lines, at most {FILE_LINES_MAX}: split it by job, or say why with `{LONG_FILE}…`"
        );
        Finding::of(&file.path, message)
    })
}

fn banned_code(file: &SourceFile, code: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(code.lines()) {
        for (word, why) in BANNED_CODE {
            if stands_alone(line, word) {
                let message = format!("`{word}` is {why}");
                findings.push(Finding::at(&file.path, number, message));
            }
        }
    }
    findings
}

fn places_and_hosts(file: &SourceFile) -> Vec<Finding> {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    if WRITTEN_BY_TOOLS.contains(&name) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        for folder in MACHINE_FOLDERS.iter().filter(|folder| stands_alone(line, folder)) {
            let message = format!("`{folder}` is a folder of one machine");
            findings.push(Finding::at(&file.path, number, message));
        }
        for host in REGISTRY_HOSTS.iter().filter(|host| line.contains(**host)) {
            let message = format!("`{host}` is a registry's host: name the package instead");
            findings.push(Finding::at(&file.path, number, message));
        }
    }
    findings
}

/// Whether the word stands in the line with no part of another word before it.
fn stands_alone(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|head| head.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '}' | '-'))
    })
}

/// Every module of a crate of ours says first what it is for.
fn module_docs(file: &SourceFile) -> Option<Finding> {
    let in_a_crate = file.path.starts_with("crates/") && file.path.contains("/src/");
    let of_tests = file.path.ends_with("/tests.rs") || file.path.contains("/tests/");
    let first = file.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let missing = in_a_crate && !of_tests && !first.starts_with("//!");
    missing.then(|| Finding::at(&file.path, 1, "the module does not say in `//!` what it is for"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        check(&SourceFile::planted(path, text)).iter().map(ToString::to_string).collect()
    }

    fn function_of(lines: usize) -> String {
        format!("fn f() {{\n{}}}\n", "    a();\n".repeat(lines - 2))
    }

    #[test]
    fn a_function_of_71_lines_is_found_and_one_of_70_is_not() {
        assert!(findings("x.rs", &function_of(70)).is_empty());
        assert_eq!(
            findings("x.rs", &function_of(71)),
            ["x.rs:1: function `f` has 71 lines of code, at most 70"]
        );
    }

    #[test]
    fn comments_do_not_lengthen_a_function() {
        let body = "    // why\n\n".repeat(80);
        assert!(findings("x.rs", &format!("fn f() {{\n{body}}}\n")).is_empty());
    }

    #[test]
    fn a_file_of_801_lines_needs_a_reason() {
        let long = "a\n".repeat(801);
        assert_eq!(findings("x.rs", &long).len(), 1);
        assert!(findings("x.rs", &"a\n".repeat(800)).is_empty());
        let with_reason = format!("// long file: one table, read as one\n{long}");
        assert!(findings("x.rs", &with_reason).is_empty());
        let empty_reason = format!("// long file: because\n{long}");
        assert_eq!(findings("x.rs", &empty_reason).len(), 1);
    }

    #[test]
    fn a_line_of_101_columns_is_found_unless_it_cannot_be_broken() {
        assert_eq!(findings("x.rs", &"a".repeat(101)), ["x.rs:1: 101 columns, at most 100"]);
        assert!(findings("x.rs", &"a".repeat(100)).is_empty());
        assert!(findings("x.rs", &format!("f(\"{}\")", "a".repeat(100))).is_empty());
        assert!(findings("x.rs", &format!("// see https://{}", "a".repeat(100))).is_empty());
        assert!(findings("x.rs", &format!("//! | {} |", "a ".repeat(60))).is_empty());
        assert_eq!(findings("x.rs", &format!("// {}", "a ".repeat(60))).len(), 1);
    }

    #[test]
    fn each_banned_word_is_found_in_code_and_not_in_text_or_longer_words() {
        for (word, why) in BANNED_CODE {
            let found = findings("x.rs", &format!("fn f() {{ {word}() }}"));
            assert_eq!(found, [format!("x.rs:1: `{word}` is {why}")]);
            assert!(findings("x.rs", &format!("// {word}")).is_empty());
            assert!(findings("x.rs", &format!("f(\"{word}\")")).is_empty());
        }
        assert!(findings("x.rs", concat!("not_to", "do!()")).is_empty());
        assert!(findings("x.rs", "#[ignore = \"child of another test\"]").is_empty());
    }

    #[test]
    fn machine_folders_are_found_in_any_text_file() {
        for folder in MACHINE_FOLDERS {
            assert_eq!(findings("a.md", &format!("see `{folder}x`")).len(), 1, "{folder}");
            assert_eq!(findings("a.sh", &format!("cd {folder}")).len(), 1, "{folder}");
            assert!(findings("a.md", &format!("crates{folder}x")).is_empty(), "{folder}");
        }
    }

    #[test]
    fn registry_hosts_are_found_except_where_a_tool_wrote_them() {
        for host in REGISTRY_HOSTS {
            assert_eq!(findings("a.toml", &format!("x = \"https://{host}/\"")).len(), 1);
            assert!(findings("Cargo.lock", host).is_empty());
        }
    }

    #[test]
    fn a_module_without_documentation_is_found_in_crates_only() {
        assert_eq!(findings("crates/terms/src/a.rs", "fn f() {}\n").len(), 1);
        assert!(findings("crates/terms/src/a.rs", "//! What.\nfn f() {}\n").is_empty());
        assert!(findings("crates/terms/src/a/tests.rs", "fn f() {}\n").is_empty());
        assert!(findings("xtask/src/a.rs", "fn f() {}\n").is_empty());
    }
}
