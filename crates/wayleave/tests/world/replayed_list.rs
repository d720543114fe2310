//! An old status list, validly signed, served again after a revocation.

use std::collections::BTreeMap;

use client::{Client, Outcome, Outgoing, Peer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use wayleave::demo::onboard::{Calls, receive, revoke};
use wayleave::demo::subjects::FIRMS;

use super::stage::{World, play, until};

/// Status lists by their path.
type Lists = BTreeMap<String, Vec<u8>>;

/// Every status list that the payer's credentials name, as it is served now.
async fn served(world: &World) -> anyhow::Result<Lists> {
    let url = world.stage.url("issuers");
    let client: Client = world.stage.common("nobody").client();
    let peer = Peer::unverified(&url)?;
    let mut lists = Lists::new();
    let folders = [world.players.payer.folder(), world.players.payee.folder()];
    for held in folders.iter().map(|folder| folder.credentials()) {
        for held in held? {
            let Some(status) = held.open().status.clone() else { continue };
            let path = status.uri.strip_prefix(&url).expect("of these issuers").to_owned();
            match client.send_unsigned(&peer, Outgoing::get(&path)).await {
                Outcome::Answer(answer) => lists.insert(path, answer.body.to_vec()),
                other => anyhow::bail!("{path}: {other:?}"),
            };
        }
    }
    Ok(lists)
}

/// A server that serves these lists and nothing else.
async fn serve(port: u16, lists: Lists) -> anyhow::Result<JoinHandle<()>> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    Ok(tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            let mut byte = [0; 1];
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read(&mut byte).await {
                    Ok(1) => head.push(byte[0]),
                    _ => break,
                }
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default();
            let (status, body) = match lists.get(path) {
                Some(body) => ("200 OK", body.as_slice()),
                None => ("404 Not Found", &b""[..]),
            };
            let kind = "application/statuslist+jwt";
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\
                 connection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(body).await;
            let _ = stream.shutdown().await;
        }
    }))
}

#[test]
fn an_old_validly_signed_status_list_after_a_revocation_is_not_accepted() {
    play(async {
        let mut world = World::new("old-list").await?;
        let calls = Calls::new(&world.stage);
        let credential = receive(&world.stage, &calls, &FIRMS[0], "tax", "tax-nl").await?;
        world.settled("OL-1", 1_000).await?;
        let before = served(&world).await?;
        revoke(&calls, "tax-nl", credential).await?;
        until("the edge sees the revocation", || async {
            let refused = world.refused("OL-2", 1_000).await.ok();
            Ok(refused.filter(|refused| refused.code == "StatusRevoked").map(|_| ()))
        })
        .await?;
        let after = served(&world).await?;
        let changed: Vec<&String> =
            before.keys().filter(|path| before[*path] != after[*path]).collect();
        assert!(changed.iter().any(|path| path.contains("tax-nl")), "{changed:?}");

        // The issuers are gone. In their place: today's lists, but for the tax office's of before.
        world.process("issuers").kill()?;
        let mut lists = after;
        for (path, old) in before.iter().filter(|(path, _)| path.contains("tax-nl")) {
            lists.insert(path.clone(), old.clone());
        }
        let port = world.stage.memory.ports["issuers"];
        let serving = serve(port, lists).await?;
        let balance = world.balance("brightwater").await?;
        let still = world.refused("OL-3", 1_000).await?;
        assert_eq!(still.code, "StatusRevoked", "{}", still.words);
        // An edge that started anew has only the mark on its disk.
        world.process("bank-nl.1").kill()?;
        world.process("bank-nl.1").start_again()?;
        world.process("bank-nl.1").ready().await?;
        let anew = world.refused("OL-4", 1_000).await?;
        assert_eq!(anew.code, "StatusTooOld", "{}", anew.words);
        assert!(anew.words.contains("is older than the one of"), "{}", anew.words);
        assert_eq!(world.balance("brightwater").await?, balance);
        serving.abort();
        Ok(())
    });
}
