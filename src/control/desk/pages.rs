//! Pages that change nothing.

use std::time::Instant;

use http::StatusCode;
use serde::Serialize;

use crate::observe::history::Which;

use super::super::answer::{Answer, Refusal};
use super::super::route::Ask;
use super::body::unfit;
use super::{Desk, unix_seconds};

impl Desk {
    /// The page of a question.
    pub(super) fn look(
        &self,
        ask: &Ask,
        path: &str,
        query: &str,
        now: Instant,
    ) -> Result<Answer, Refusal> {
        match ask {
            Ask::Live => Ok(Answer::text(StatusCode::OK, "alive\n")),
            Ask::Ready => Ok(self.views.readyz(now)),
            Ask::Numbers => Ok(self.views.metrics(now)),
            Ask::Nodes => {
                let notice = self.maintenance.in_force(unix_seconds());
                let message = notice.map(|notice| notice.message.clone());
                Ok(self.views.nodes(now, message))
            }
            Ask::Node(name) => self
                .views
                .node(name, now)
                .ok_or_else(|| unknown(name, path)),
            Ask::Maintenance => Ok(self.maintenance_page()),
            Ask::Requests => self.requests(path, query),
            Ask::Request(id) => self.request(id, path),
            Ask::Transfers => {
                let transfers = self.progress.summaries(now);
                Ok(Answer::json(&Transfers { transfers }))
            }
            Ask::Log => Ok(Answer::json(&self.filter())),
            Ask::OpenApi => Ok(Answer::raw("application/json", OPENAPI.as_bytes().to_vec())),
            Ask::Drain(_)
            | Ask::Undrain(_)
            | Ask::Off(_)
            | Ask::On(_)
            | Ask::Weigh(_)
            | Ask::SetMaintenance
            | Ask::Reload
            | Ask::SetLog
            | Ask::Page(_) => {
                let what = "something else came where a question was expected";
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Err(Refusal::new(status, what, path, "report this"))
            }
        }
    }

    pub(super) fn filter(&self) -> Filter {
        Filter {
            filter: self.log.level(),
        }
    }

    fn request(&self, id: &str, path: &str) -> Result<Answer, Refusal> {
        if let Some(found) = self.history.find(id) {
            return Ok(Answer::json(&*found));
        }
        let remedy = "look for the id in the access log; admin.requests says how many are \
                      remembered, and pilotage transfers lists those that still run";
        let what = "no request of this id is remembered";
        Err(Refusal::new(StatusCode::NOT_FOUND, what, path, remedy))
    }

    fn requests(&self, path: &str, query: &str) -> Result<Answer, Refusal> {
        let (mut count, mut which) = (20, Which::Notable);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=').unwrap_or((pair, "")) {
                ("limit", number) => {
                    let number = number
                        .parse()
                        .ok()
                        .filter(|number| (1..=MOST).contains(number));
                    count = number.ok_or_else(|| {
                        let remedy = format!("write limit= and a number from 1 to {MOST}");
                        unfit("the limit is no such number", path.to_owned(), remedy)
                    })?;
                }
                ("which", "notable") => which = Which::Notable,
                ("which", "all") => which = Which::All,
                _ => {
                    let remedy = "write limit=20, which=notable or which=all";
                    let what = "the query has a part that is not understood";
                    return Err(unfit(what, path.to_owned(), remedy));
                }
            }
        }
        let requests = self.history.latest(which, count);
        let requests: Vec<_> = requests.iter().map(AsRef::as_ref).collect();
        Ok(Answer::json(&serde_json::json!({ "requests": requests })))
    }
}

/// Nobody of this name.
pub(super) fn unknown(name: &str, path: &str) -> Refusal {
    let what = format!("there is no node {name:?}");
    Refusal::new(
        StatusCode::NOT_FOUND,
        what,
        path,
        "pilotage nodes lists the nodes",
    )
}

/// What the log lets through.
#[derive(Debug, Serialize)]
pub(super) struct Filter {
    filter: String,
}

#[derive(Debug, Serialize)]
struct Transfers<T> {
    transfers: Vec<T>,
}

/// More than a page can show.
const MOST: usize = 1000;

/// The description of all pages.
const OPENAPI: &str = include_str!("../../../conf/openapi.json");
