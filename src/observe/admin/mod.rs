//! The pages of the admin listener.
//!
//! They are for the operator and his tools, on an address of their own that clients cannot reach:
//! `/nodes` names the nodes with their addresses. Nothing here changes anything.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use pingora::apps::http_app::ServeHttp;
use pingora::protocols::http::ServerSession;

use super::findings::Findings;
use super::labels::SharedState;
use super::metrics::Metrics;
use super::status::{NodesPage, Readiness, readiness};
use crate::fleet::view::Fleet;

/// Serves `/livez`, `/readyz`, `/metrics` and `/nodes`.
pub struct Admin {
    metrics: Arc<Metrics>,
    fleet: Box<dyn Fn() -> Arc<Fleet> + Send + Sync>,
    readiness: Arc<Readiness>,
    findings: Arc<Findings>,
    /// One scrape at a time: see [`Metrics::show_fleet`].
    scraping: Mutex<()>,
}

impl Admin {
    /// Pages about these numbers, the fleet as it is when a page is asked for, and this process.
    pub fn new(
        metrics: Arc<Metrics>,
        fleet: impl Fn() -> Arc<Fleet> + Send + Sync + 'static,
        readiness: Arc<Readiness>,
        findings: Arc<Findings>,
    ) -> Self {
        Self {
            metrics,
            fleet: Box::new(fleet),
            readiness,
            findings,
            scraping: Mutex::new(()),
        }
    }

    fn answer(&self, method: &Method, path: &str, now: Instant) -> Response<Vec<u8>> {
        let page = match path {
            "/livez" => Page::text(StatusCode::OK, "alive\n"),
            "/readyz" => self.readyz(now),
            "/metrics" => self.metrics(now),
            "/nodes" => self.nodes(now),
            _ => {
                let pages = "pages: /livez /readyz /metrics /nodes\n";
                return Page::text(StatusCode::NOT_FOUND, pages).into_response(method);
            }
        };
        if *method == Method::GET || *method == Method::HEAD {
            return page.into_response(method);
        }
        let refusal = Page::text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        let mut response = refusal.into_response(method);
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        response
    }

    fn readyz(&self, now: Instant) -> Page {
        match readiness(self.readiness.stage(), &(self.fleet)(), now) {
            Ok(()) => Page::text(
                StatusCode::OK,
                match self.readiness.shared() {
                    SharedState::Off | SharedState::Up => "ready\n",
                    // Nothing fails without it, but somebody may want to know.
                    SharedState::Away => "ready, without redis\n",
                },
            ),
            Err(unready) => Page::text(
                StatusCode::SERVICE_UNAVAILABLE,
                &format!("{}\n", unready.as_str()),
            ),
        }
    }

    fn metrics(&self, now: Instant) -> Page {
        let one = self.scraping.lock().unwrap_or_else(PoisonError::into_inner);
        self.metrics.show_fleet(&(self.fleet)(), now);
        let text = self.metrics.page();
        drop(one);
        match text {
            Ok(text) => Page {
                status: StatusCode::OK,
                kind: METRICS_TEXT,
                body: text.into_bytes(),
            },
            Err(error) => Page::failed(&error),
        }
    }

    fn nodes(&self, now: Instant) -> Page {
        let rescued = self.metrics.rescues.lines(now);
        let page = NodesPage::new(
            &self.readiness,
            &(self.fleet)(),
            rescued,
            &self.findings,
            now,
        );
        match serde_json::to_vec_pretty(&page) {
            Ok(mut body) => {
                body.push(b'\n');
                Page {
                    status: StatusCode::OK,
                    kind: "application/json",
                    body,
                }
            }
            Err(error) => Page::failed(&error),
        }
    }
}

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let request = session.req_header();
        // The clock of tokio, so that a test may hold it.
        let now = tokio::time::Instant::now().into_std();
        self.answer(&request.method, request.uri.path(), now)
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("readiness", &self.readiness)
            .finish_non_exhaustive()
    }
}

/// One answer before it becomes HTTP.
struct Page {
    status: StatusCode,
    kind: &'static str,
    body: Vec<u8>,
}

impl Page {
    fn text(status: StatusCode, text: &str) -> Self {
        Self {
            status,
            kind: "text/plain; charset=utf-8",
            body: text.as_bytes().to_vec(),
        }
    }

    fn failed(error: &dyn fmt::Display) -> Self {
        Self::text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error}\n"))
    }

    fn into_response(self, method: &Method) -> Response<Vec<u8>> {
        let length = HeaderValue::from(self.body.len());
        let body = if *method == Method::HEAD {
            Vec::new()
        } else {
            self.body
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        headers.insert(CONTENT_LENGTH, length);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// The content type by which Prometheus knows its own text form.
const METRICS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

#[cfg(test)]
mod tests;
