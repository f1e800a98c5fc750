//! The second round: what each node is and says of itself.

use futures_util::future::join_all;

use super::ask::{Asker, Credential, Question};
use super::judge::clock::{Reading, http_date};
use super::reach::Node;
use super::release::Release;
use super::told::Told;

/// Asks every node for what it tells everybody, and, with a credential, what it tells its users.
pub(super) async fn greet(nodes: &[Node], asker: &Asker, credential: &Credential) -> Vec<Told> {
    join_all(nodes.iter().map(|node| one(node, asker, credential))).await
}

async fn one(node: &Node, asker: &Asker, credential: &Credential) -> Told {
    let ask = async |path: &str| asker.ask(&node.target, &Question::get(path)).await;
    let (second, first) = (ask("/api/v2.0/ping").await, ask("/api/ping").await);
    let release = Release::of_pings(&second, &first);
    let base = match release {
        Release::First => "/api",
        Release::Plain | Release::Second | Release::Exactly(_) => "/api/v2.0",
    };
    let as_user = async |path: &str| {
        let question = Question::get(format!("{base}{path}")).by(credential);
        asker.ask(&node.target, &question).await
    };
    let info = as_user("/systeminfo").await;
    Told {
        node: node.id.clone(),
        release: release.refined(&info),
        ping: node.ping.clone(),
        api_version: ask("/api/version").await,
        health: ask(&format!("{base}/health")).await,
        info,
        projects: as_user("/projects?page=1&page_size=50").await,
    }
}

/// What the clock of each node's entrance shows.
pub(super) fn readings(told: &[Told]) -> Vec<Reading> {
    let one = |told: &Told| {
        let answer = told.ping.answer()?;
        let seconds = http_date(answer.header("date")?)?;
        let asked = "the Date of its answer to /v2/";
        Some(Reading::new(&told.node, asked, seconds, answer.at_ms))
    };
    told.iter().filter_map(one).collect()
}
