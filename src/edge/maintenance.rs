//! Whether pushes may begin: an operator can close the registry for writing while pulls go on.
//!
//! What runs goes on to its end. There are two words that count, either of them alone: one of this instance, and one
//! that all instances share.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use http::Method;
use serde::{Deserialize, Serialize};

use crate::registry::route::Route;

/// What those read who want to push, and who said so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub message: String,
    pub by: String,
    /// Seconds since 1970.
    pub since: u64,
    /// When it ends by itself, in seconds since 1970.
    pub until: Option<u64>,
    #[serde(default)]
    pub refusal: Refusal,
}

/// How whoever wants to push is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Clients try again for a while, as with any 503; docker does not show the message.
    #[default]
    TryAgain,
    /// 403, as Harbor refuses when it is read-only: clients show the message at once and give up.
    Denied,
}

/// The notices that are in force.
#[derive(Debug, Default)]
pub struct Maintenance {
    own: ArcSwapOption<Notice>,
    shared: ArcSwapOption<Notice>,
}

impl Maintenance {
    /// This instance begins or ends maintenance.
    pub fn set_own(&self, notice: Option<Notice>) {
        self.own.store(notice.map(Arc::new));
    }

    /// All instances do; returns what was known before.
    pub fn set_shared(&self, notice: Option<Notice>) -> Option<Arc<Notice>> {
        self.shared.swap(notice.map(Arc::new))
    }

    pub fn own(&self) -> Option<Arc<Notice>> {
        self.own.load_full()
    }

    /// What all instances were told, as far as it is not over.
    pub fn shared(&self, now: u64) -> Option<Arc<Notice>> {
        let lasts = |notice: &Arc<Notice>| notice.until.is_none_or(|until| now < until);
        self.shared.load_full().filter(lasts)
    }

    /// The notice that counts; the one of this instance knows better.
    pub fn in_force(&self, now: u64) -> Option<Arc<Notice>> {
        self.own().or_else(|| self.shared(now))
    }
}

/// Whether a request begins to change what the registry holds. What goes on with an upload does not: it began before.
pub(super) fn begins(route: &Route, method: &Method) -> bool {
    match route {
        Route::UploadStart(_) => *method == Method::POST,
        Route::Manifest(..) | Route::Blob(..) => matches!(*method, Method::PUT | Method::DELETE),
        Route::Upload(..)
        | Route::Ping
        | Route::Catalog
        | Route::Tags(_)
        | Route::Referrers(..)
        | Route::OtherV2(_)
        | Route::Token
        | Route::Service(_)
        | Route::Api(_)
        | Route::Login(_)
        | Route::Ui(_)
        | Route::Internal(_)
        | Route::Acme(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::route::Target;

    fn notice(message: &str, until: Option<u64>) -> Notice {
        Notice {
            message: message.to_owned(),
            by: "ann".to_owned(),
            since: 1,
            until,
            refusal: Refusal::TryAgain,
        }
    }

    #[test]
    fn either_word_counts_and_the_shared_one_ends_by_itself() {
        let maintenance = Maintenance::default();
        let said = |now| Some(maintenance.in_force(now)?.message.clone());
        assert_eq!(said(5), None);
        maintenance.set_shared(Some(notice("all", Some(10))));
        assert_eq!(said(9).as_deref(), Some("all"));
        assert_eq!(said(10), None);
        maintenance.set_own(Some(notice("own", None)));
        assert_eq!(said(9).as_deref(), Some("own"));
        maintenance.set_own(None);
        assert_eq!(said(9).as_deref(), Some("all"));
    }

    #[test]
    fn only_what_begins_to_write_is_held_up() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let cases = [
            ("POST", "/v2/lab/app/blobs/uploads/".to_owned(), true),
            ("PUT", "/v2/lab/app/manifests/v1".to_owned(), true),
            ("DELETE", "/v2/lab/app/manifests/v1".to_owned(), true),
            ("DELETE", format!("/v2/lab/app/blobs/{digest}"), true),
            ("GET", "/v2/lab/app/manifests/v1".to_owned(), false),
            ("HEAD", format!("/v2/lab/app/blobs/{digest}"), false),
            ("PATCH", "/v2/lab/app/blobs/uploads/0f3".to_owned(), false),
            ("PUT", "/v2/lab/app/blobs/uploads/0f3".to_owned(), false),
            ("DELETE", "/v2/lab/app/blobs/uploads/0f3".to_owned(), false),
            ("POST", "/service/token".to_owned(), false),
        ];
        for (method, target, held) in cases {
            let route = Target::parse(&target).unwrap().route;
            assert_eq!(
                begins(&route, &method.parse().unwrap()),
                held,
                "{method} {target}"
            );
        }
    }
}
