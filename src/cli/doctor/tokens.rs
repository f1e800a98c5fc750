//! Tokens: one of each node, shown to all others.

use futures_util::future::join_all;

use super::ask::{Account, Asker, Credential, Question, now_ms};
use super::judge::clock::Reading;
use super::judge::token::{Label, Shown};
use super::reach::Node;
use super::said::Said;
use super::told::Told;

/// The token of one node, and what it proves on it.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) node: String,
    pub(super) said: Said,
    /// What the node itself said to its token at `/v2/`; nothing without an account. A wrong password gets a token
    /// as well: one of nobody, which is refused here.
    pub(super) at_home: Option<Said>,
    pub(super) label: Option<Label>,
    /// For requests to this node; nothing when it gave no token.
    pub(super) credential: Credential,
    pub(super) at_ms: i64,
}

impl Token {
    /// Whether the node knows whose token it is.
    pub(super) fn is_known(&self) -> bool {
        let at_home = self.at_home.as_ref();
        at_home.is_some_and(|said| said.status() == Some(200))
    }
}

/// Asks each node that has a token service for a token. Without an account the token grants nothing.
pub(super) async fn tokens(
    (nodes, told): (&[Node], &[Told]),
    asker: &Asker,
    account: Option<&Account>,
    repository: &str,
) -> Vec<Token> {
    let pairs = nodes.iter().zip(told);
    let found = pairs.map(|(node, told)| token(node, told, asker, (account, repository)));
    join_all(found).await.into_iter().flatten().collect()
}

async fn token(
    node: &Node,
    told: &Told,
    asker: &Asker,
    (account, repository): (Option<&Account>, &str),
) -> Option<Token> {
    let challenge = told.challenge()?;
    // Every Harbor has its service here; one that is elsewhere is none of the node's.
    let realm: http::Uri = challenge.realm.parse().ok()?;
    if realm.path() != SERVICE {
        return None;
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/".contains(c);
    let service: String = challenge.service.chars().filter(|c| plain(*c)).collect();
    let path = format!("{SERVICE}?service={service}&scope=repository:{repository}:pull,push");
    let credential = account.map_or_else(Credential::none, Credential::basic);
    let said = asker
        .ask(&node.target, &Question::get(path).by(&credential))
        .await;
    let text = said.with(200).and_then(|answer| {
        let document = answer.json()?;
        let token = ["token", "access_token"]
            .iter()
            .filter_map(|name| document.get(*name)?.as_str())
            .find(|token| !token.is_empty())?;
        Some(token.to_owned())
    });
    let label = text.as_deref().and_then(Label::of);
    let credential = text.map_or_else(Credential::none, |text| Credential::bearer(&text));
    let question = Question::get("/v2/").by(&credential);
    let at_home = match account {
        Some(_) => Some(asker.ask(&node.target, &question).await),
        None => None,
    };
    Some(Token {
        node: node.id.clone(),
        at_home,
        label,
        credential,
        at_ms: said.answer().map_or_else(now_ms, |answer| answer.at_ms),
        said,
    })
}

/// Shows the token of each node to all others, when an account made it worth something.
pub(super) async fn show(
    (nodes, told): (&[Node], &[Told]),
    tokens: &[Token],
    asker: &Asker,
) -> Vec<Shown> {
    let mut shown = Vec::new();
    for token in tokens {
        let Some(label) = token.label.clone() else {
            continue;
        };
        let others = nodes.iter().filter(|node| node.id != token.node);
        let others = others.filter(|_| token.is_known()).map(async |node| {
            let question = Question::get("/v2/").by(&token.credential);
            (node.id.clone(), asker.ask(&node.target, &question).await)
        });
        let release = told.iter().find(|one| one.node == token.node);
        shown.push(Shown {
            node: token.node.clone(),
            release: release.map_or(super::release::Release::Second, |one| one.release),
            label,
            elsewhere: join_all(others).await,
        });
    }
    shown
}

/// What the clock of each node's token service shows.
pub(super) fn readings(tokens: &[Token]) -> Vec<Reading> {
    let one = |token: &Token| {
        let issued = token.label.as_ref()?.issued?;
        let asked = "when it says that it issued a token";
        Some(Reading::new(&token.node, asked, issued, token.at_ms))
    };
    tokens.iter().filter_map(one).collect()
}

const SERVICE: &str = "/service/token";
