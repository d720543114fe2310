//! Statements of customers' accounts, over the real processes: every line once, the last balance
//! is the account's, and they are there again after a kill and after their file was damaged.

use api::statement::{StatementPage, Way};
use client::{Outcome, Outgoing};
use terms::Minor;

use super::after::ask;
use super::stage::{World, play};

const PAID: u128 = 1_000;

async fn page(world: &World, firm: &str, question: &str) -> Result<StatementPage, String> {
    let account = world.stage.account(firm).unwrap();
    let at = if firm == "lim" { "bank-b" } else { "core" };
    let target = format!("/v1/accounts/{account}/statement{question}");
    match world.send(firm, at, Outgoing::get(&target)).await {
        Outcome::Answer(answer) => Ok(seal::from_canonical(&answer.body).unwrap()),
        Outcome::Refused(problem) => Err(problem.code),
        Outcome::NotDone(client::NotDone::NotBegun { problem, .. }) => Err(problem.code),
        other => panic!("{target}: {other:?}"),
    }
}

/// Everything on an account, page by page; each line goes on where the one before it ended.
async fn whole(world: &World, firm: &str) -> StatementPage {
    let mut all = page(world, firm, "?limit=2&order=oldest").await.unwrap();
    while let Some(cursor) = all.next.take() {
        let more = page(world, firm, &format!("?limit=2&order=oldest&cursor={cursor}")).await;
        let more = more.unwrap();
        assert!(more.lines.len() <= 2);
        all.lines.extend(more.lines);
        all.next = more.next;
    }
    let (mut debits, mut credits) = (Minor::ZERO, Minor::ZERO);
    for line in &all.lines {
        match line.way {
            Way::Out => debits = debits.plus(line.amount).unwrap(),
            Way::In => credits = credits.plus(line.amount).unwrap(),
        }
        assert_eq!((line.debits, line.credits), (debits, credits));
    }
    all
}

fn balance(page: &StatementPage) -> Minor {
    let last = page.lines.last().expect("a line");
    last.credits.minus(last.debits).unwrap()
}

#[test]
fn a_statement_says_every_line_once_and_is_there_again_after_a_kill_and_a_damaged_file() {
    play(async {
        let mut world = World::new("statements").await?;
        let empty = whole(&world, "brightwater").await.lines.len();
        for number in 0..3 {
            world.settled(&format!("ST-{number}"), PAID).await?;
        }
        let before = whole(&world, "brightwater").await;
        assert_eq!(before.lines.len(), empty + 3, "one line a payment");
        assert_eq!(balance(&before), world.balance("brightwater").await?);
        let got = whole(&world, "lim").await;
        assert_eq!(got.lines.iter().filter(|line| line.reason == "payment").count(), 3);
        assert_eq!(balance(&got), world.balance("lim").await?);
        the_command_shows_it(&world, &before)?;
        what_is_asked_wrong_is_refused(&world).await?;

        world.process("core").kill()?;
        world.process("core").start_again()?;
        world.process("core").ready().await?;
        assert_eq!(whole(&world, "brightwater").await.lines, before.lines);

        world.process("core").kill()?;
        let books = world.stage.folder("core").join("books");
        let file = books.join("bank-nl.customers").join("statements").join("statements.redb");
        let mut bytes = std::fs::read(&file)?;
        bytes.iter_mut().skip(64).step_by(97).for_each(|byte| *byte ^= 0x5a);
        std::fs::write(&file, bytes)?;
        world.process("core").start_again()?;
        world.process("core").ready().await?;
        assert_eq!(whole(&world, "brightwater").await.lines, before.lines, "built again");

        // What cannot be opened keeps no payment waiting.
        world.process("core").kill()?;
        let folder = file.parent().expect("a folder");
        std::fs::remove_dir_all(folder)?;
        std::fs::write(folder, b"not a folder")?;
        world.process("core").start_again()?;
        world.process("core").ready().await?;
        world.settled("ST-3", PAID).await?;
        assert_eq!(page(&world, "brightwater", "").await.unwrap_err(), "not-ready");
        Ok(())
    });
}

fn the_command_shows_it(world: &World, whole: &StatementPage) -> anyhow::Result<()> {
    let folder = world.stage.folder("brightwater");
    let folder = folder.to_str().unwrap();
    let (good, said) = ask(&["wallet", "statement", "--wallet", folder, "--limit", "1"]);
    assert!(good, "{said}");
    let last = whole.lines.last().unwrap();
    assert_eq!(said["lines"][0]["transaction"], last.transaction.to_string());
    assert_eq!(said["lines"][0]["reason"], "payment");
    let cursor = said["next"].as_str().expect("more lines");
    let next = ["wallet", "statement", "--wallet", folder, "--limit", "1", "--cursor", cursor];
    let (_, said) = ask(&next);
    let before = whole.lines.iter().rev().nth(1).unwrap();
    assert_eq!(said["lines"][0]["transaction"], before.transaction.to_string());
    Ok(())
}

async fn what_is_asked_wrong_is_refused(world: &World) -> anyhow::Result<()> {
    for wrong in ["?limit=0", "?limit=201", "?cursor=00", "?order=sideways", "?since=1"] {
        let code = page(world, "brightwater", wrong).await.unwrap_err();
        assert!(code.contains("bad") || code.contains("malformed"), "{wrong}: {code}");
    }
    // Another's account is not there, for either.
    let account = world.stage.account("brightwater")?;
    let target = format!("/v1/accounts/{account}/statement");
    for stranger in ["lim", "bank-sg.1"] {
        let answer = world.send(stranger, "core", Outgoing::get(&target)).await;
        assert!(matches!(answer, Outcome::Refused(_)), "{stranger}: {answer:?}");
    }
    Ok(())
}
