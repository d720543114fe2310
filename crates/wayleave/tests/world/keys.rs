//! Whose keys a folder holds, and whose a process can reach.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use wayleave::demo::setup::{CAST, Stage};

use super::stage::{BINARY, Folder, World, play, written};

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

fn seeds(folder: &Path) -> Vec<PathBuf> {
    let keys = files(&folder.join("keys"));
    keys.into_iter().filter(|path| path.extension().is_some_and(|end| end == "seed")).collect()
}

/// Runs a role until it ends by itself, or serves for a while: how it ended, and its last words.
fn run(process: &str, folder: &Path) -> (Option<i32>, String) {
    let log = folder.join("probe.txt");
    let mut child = Command::new(BINARY)
        .args(["run", process, "--dir"])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let ended = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status.code();
        }
        if begun.elapsed() > Duration::from_secs(2) {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    (ended, std::fs::read_to_string(log).unwrap())
}

/// Secrets, raw and in hex, with the file that may hold each.
struct Secrets {
    all: Vec<(PathBuf, Vec<u8>)>,
    begins: Vec<bool>,
}

impl Secrets {
    fn new(all: Vec<(PathBuf, Vec<u8>)>) -> Self {
        let mut begins = vec![false; 1 << 16];
        for (_, secret) in &all {
            begins[usize::from(secret[0]) << 8 | usize::from(secret[1])] = true;
        }
        Self { all, begins }
    }

    /// The file of a secret that stands in these bytes of another file.
    fn found_in(&self, content: &[u8], file: &Path) -> Option<&Path> {
        // Books are allocated ahead: blocks of zeros are passed over.
        let starts = (0..content.len()).step_by(BLOCK);
        let full =
            starts.filter(|at| !ZEROS.starts_with(&content[*at..content.len().min(at + BLOCK)]));
        full.flat_map(|at| at..(at + BLOCK).min(content.len() - 1))
            .filter(|at| self.begins[usize::from(content[*at]) << 8 | usize::from(content[at + 1])])
            .find_map(|at| {
                let stands = |(path, secret): &&(PathBuf, Vec<u8>)| {
                    path != file && content[at..].starts_with(secret)
                };
                self.all.iter().find(stands).map(|(path, _)| path.as_path())
            })
    }
}

const BLOCK: usize = 4_096;
const ZEROS: [u8; BLOCK] = [0; BLOCK];

/// The key that each role reads when it starts, besides `request` if it has another.
fn own_key(process: &str) -> &'static str {
    match process {
        "core" => "log",
        "edge" => "permit",
        "issuer" => "tax-nl",
        "supervisor" => "cosign",
        "provider" => "quote",
        "bank" => "request",
        other => panic!("{other}"),
    }
}

/// Replaces a seed by a link to `target`, runs the role, and puts the seed back.
fn run_with_link(stage: &Stage, name: &str, process: &str, target: &Path) -> (Option<i32>, String) {
    let folder = stage.folder(name);
    let seed = folder.join("keys").join(format!("{}.seed", own_key(process)));
    let aside = seed.with_extension("aside");
    std::fs::rename(&seed, &aside).unwrap();
    symlink(target, &seed).unwrap();
    let ended = run(process, &folder);
    std::fs::remove_file(&seed).unwrap();
    std::fs::rename(&aside, &seed).unwrap();
    ended
}

#[test]
fn no_roles_process_can_read_a_key_of_another_although_the_files_belong_to_one_user() {
    let folder = Folder::new("landlock");
    let stage = written(&folder).unwrap();
    let members: Vec<_> = CAST.iter().filter(|one| !one.process.is_empty()).collect();
    for (index, one) in members.iter().enumerate() {
        let other = members[(index + 1) % members.len()];
        let theirs = stage.folder(other.name).join("keys").join("request.seed");
        assert!(std::fs::read(&theirs).is_ok(), "this very user may read the file");
        let (ended, words) = run_with_link(&stage, one.name, one.process, &theirs);
        assert!(ended.is_some_and(|code| code != 0), "{}: {ended:?} {words}", one.name);
        assert!(words.contains("Permission denied"), "{}: {words}", one.name);
        assert!(words.contains("request.seed") || words.contains(own_key(one.process)), "{words}");
    }
    // It is not the link that is refused: one that stays within the folder is read.
    let own = stage.folder("supervisor-nl").join("own.seed");
    std::fs::copy(stage.folder("supervisor-nl").join("keys").join("cosign.seed"), &own).unwrap();
    let (ended, words) = run_with_link(&stage, "supervisor-nl", "supervisor", &own);
    assert_eq!(ended, None, "it serves: {words}");
}

#[test]
fn keys_are_for_their_owner_only_and_no_folder_holds_anothers() {
    play(async {
        let mut world = World::new("key-files").await?;
        world.settled("KF-1", 10_000).await?;
        let folders: Vec<(&str, PathBuf)> =
            CAST.iter().map(|one| (one.name, world.stage.folder(one.name))).collect();
        let mut secrets = Vec::new();
        for (name, folder) in &folders {
            let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode(&folder.join("keys")), 0o700, "{name}");
            let seeds = seeds(folder);
            assert!(!seeds.is_empty(), "{name} has keys");
            for seed in seeds {
                assert_eq!(mode(&seed), 0o600, "{}", seed.display());
                let hex = std::fs::read_to_string(&seed)?.trim().to_owned();
                secrets.push((seed.clone(), seal::text::from_hex(&hex).unwrap()));
                secrets.push((seed, hex.into_bytes()));
            }
        }
        let secrets = Secrets::new(secrets);
        for (name, folder) in &folders {
            for file in files(folder) {
                let found = secrets.found_in(&std::fs::read(&file)?, &file);
                assert_eq!(found, None, "{name}: {}", file.display());
            }
        }
        let key = secrets.all[0].1.clone();
        let planted = [b"before ".as_slice(), &key, b" after"].concat();
        assert!(secrets.found_in(&planted, Path::new("planted")).is_some(), "the search sees");
        // What the running processes hold open lies in their own folders.
        for process in &world.processes {
            for entry in std::fs::read_dir(format!("/proc/{}/fd", process.id()))? {
                let Ok(target) = std::fs::read_link(entry?.path()) else { continue };
                let elsewhere =
                    target.starts_with(world.folder.path()) && !target.starts_with(process.dir());
                assert!(!elsewhere, "{}: {}", process.dir().display(), target.display());
            }
        }
        world.processes.clear();
        Ok(())
    });
}
