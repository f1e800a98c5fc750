//! Browser sessions: the cookies of each node, shown to all others. Nobody logs in.

use super::ask::{Asker, Question};
use super::judge::session::{Taken, Visit};
use super::reach::Node;
use super::release::Release;
use super::said::Said;
use super::told::Told;

/// Begins a session on each node and goes on with it on every other.
pub(super) async fn visit((nodes, told): (&[Node], &[Told]), asker: &Asker) -> Vec<Visit> {
    let mut visits = Vec::new();
    for (node, told) in nodes.iter().zip(told) {
        if told.release == Release::Plain {
            continue;
        }
        let Some(cookies) = begin(node, told.release, asker).await else {
            continue;
        };
        for other in nodes.iter().filter(|other| other.id != node.id) {
            let said = page(other, told.release, asker, &cookies.header()).await;
            visits.push(Visit {
                from: node.id.clone(),
                at: other.id.clone(),
                release: told.release,
                session: taken(&said, (cookies.session_name, Some(&cookies.session))),
                csrf: taken(&said, (CSRF, cookies.csrf.as_deref())),
            });
        }
    }
    visits
}

struct Cookies {
    session_name: &'static str,
    session: String,
    csrf: Option<String>,
}

impl Cookies {
    fn header(&self) -> String {
        let mut text = format!("{}={}", self.session_name, self.session);
        if let Some(csrf) = &self.csrf {
            text.push_str("; ");
            text.push_str(CSRF);
            text.push('=');
            text.push_str(csrf);
        }
        text
    }
}

/// A session as a browser begins it: the first answer sets it, the second the cookie that guards forms.
async fn begin(node: &Node, release: Release, asker: &Asker) -> Option<Cookies> {
    let first = page(node, release, asker, "").await;
    let first = first.answer()?;
    let found = SESSIONS
        .iter()
        .find_map(|name| Some((*name, first.cookie(name)?)));
    let (session_name, session) = found?;
    let mut cookies = Cookies {
        session_name,
        session: session.to_owned(),
        csrf: first.cookie(CSRF).map(str::to_owned),
    };
    let second = page(node, release, asker, &cookies.header()).await;
    let csrf = second.answer().and_then(|answer| answer.cookie(CSRF));
    cookies.csrf = csrf.map(str::to_owned).or(cookies.csrf);
    Some(cookies)
}

async fn page(node: &Node, release: Release, asker: &Asker, cookies: &str) -> Said {
    let path = match release {
        Release::First => "/api/systeminfo",
        Release::Plain | Release::Second | Release::Exactly(_) => "/api/v2.0/systeminfo",
    };
    let question = Question::get(path);
    let question = if cookies.is_empty() {
        question
    } else {
        question.header("Cookie", cookies)
    };
    asker.ask(&node.target, &question).await
}

/// A node that does not know a cookie sets a new one.
fn taken(said: &Said, (name, shown): (&str, Option<&str>)) -> Taken {
    match (said.with(200), shown) {
        (Some(answer), Some(shown)) => match answer.cookie(name) {
            Some(new) if new != shown && !new.is_empty() => Taken::Replaced,
            Some(_) | None => Taken::Known,
        },
        _ => Taken::Unclear,
    }
}

/// From 1.8 on, and before.
const SESSIONS: [&str; 2] = ["sid", "beegosessionID"];
const CSRF: &str = "_gorilla_csrf";
